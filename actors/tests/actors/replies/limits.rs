//! Limits: long texts, files, full queues, loops and deadlines.

use std::time::Duration;

use futures_util::future::join_all;
use matterhost_actors::{
    hosting::{HostSettings, ReplySettings, SendReply},
    mattermost::RestErrorKind,
    model::{Attachment, DEFAULT_POST_CHARS, Draft, Fact, OutgoingAction, ReplyError, ReplyKey},
    policy::MOST_PARTS,
};

use super::{draft, hold, keyed, perform, post, start, with_a_bot};
use crate::harness::{PostReply, SECOND, name, posted_data, posted_event, run_paused_in_cluster, settings};

#[test]
fn a_long_text_becomes_several_posts_and_a_book_is_refused() {
    with_a_bot(settings(), async |harness| {
        let text = "word ".repeat(8_000);
        let text = text.trim_end();
        let result = post(harness, keyed("town", text, "k")).await.unwrap();
        assert_eq!((result.ids.len(), harness.fake.rest_messages("town").len()), (3, 3));
        let words: usize =
            harness.fake.rest_messages("town").iter().map(|part| part.split(' ').count()).sum();
        assert_eq!(words, 8_000);
        assert_eq!(
            post(harness, keyed("town", text, "k")).await.unwrap(),
            result,
            "each part must have its own key"
        );

        let limit = DEFAULT_POST_CHARS * MOST_PARTS;
        let too_long = post(harness, draft("town", &"x".repeat(limit + 1))).await.unwrap_err();
        assert_eq!(too_long, ReplyError::TooLong { characters: limit + 1, limit });
        assert_eq!(post(harness, draft("town", " \n")).await, Err(ReplyError::Empty));
        assert_eq!(harness.fake.rest_messages("town").len(), 3);
    });
}

#[test]
fn files_go_with_the_last_part_up_to_the_servers_limit() {
    with_a_bot(settings(), async |harness| {
        let file = |name: &str, size: usize| Attachment { name: name.into(), bytes: vec![0; size].into() };
        let with = |files| Draft { files, ..draft("town", "see") };
        harness.fake.script_post_replies([PostReply::Fail(RestErrorKind::Server(500))]);
        post(harness, with(vec![file("a", 1_000), file("b", 1)])).await.unwrap();
        assert_eq!(harness.fake.request_count("upload"), 2, "each file must be uploaded once");
        let too_large = post(harness, with(vec![file("a", 1_001)])).await.unwrap_err();
        assert_eq!(too_large, ReplyError::FileTooLarge { name: "a".into(), bytes: 1_001, limit: 1_000 });
        assert_eq!((harness.fake.request_count("upload"), harness.fake.request_count("limits")), (2, 1));
        let many = (0..11).map(|n| file(&n.to_string(), 1)).collect();
        assert_eq!(post(harness, with(many)).await, Err(ReplyError::TooManyFiles { files: 11, limit: 10 }));
    });
}

#[test]
fn waiting_replies_are_bounded() {
    with_a_bot(settings(), async |harness| {
        let (release, held) = hold();
        harness.fake.script_post_replies([held]);
        let waiting: Vec<_> =
            (0..1_000).map(|_| start(harness, OutgoingAction::Post(draft("town", "x")))).collect();
        let full = post(harness, draft("town", "x")).await.unwrap_err();
        assert!(matches!(full, ReplyError::QueueFull { .. }), "{full}");
        release.send(()).unwrap();
        assert!(join_all(waiting).await.into_iter().all(|result| result.unwrap().is_ok()));

        let (release, held) = hold();
        harness.fake.script_post_replies([held]);
        let large = |size: usize| {
            let files = vec![Attachment { name: "a".into(), bytes: vec![0; size].into() }];
            OutgoingAction::Post(Draft { files, ..draft("town", "x") })
        };
        let first = start(harness, OutgoingAction::Post(draft("town", "x")));
        harness.advance(SECOND).await;
        let full = perform(harness, large(17 << 20)).await.unwrap_err();
        assert!(full.to_string().contains("16 MiB"), "{full}");
        release.send(()).unwrap();
        first.await.unwrap().unwrap();
        let alone = perform(harness, large(17 << 20)).await.unwrap_err();
        assert!(
            matches!(alone, ReplyError::FileTooLarge { .. }),
            "an action alone in the queue is limited only by the server: {alone}"
        );
    });
}

#[test]
fn a_loop_between_bots_is_cut_off_and_reported() {
    let settings = settings();
    let settings = HostSettings { replies: ReplySettings { loop_limit: 3, ..settings.replies }, ..settings };
    with_a_bot(settings, async |harness| {
        let answer = |n: usize| {
            let event = posted_event("town", n);
            Draft { key: Some(ReplyKey::for_event(&event, 0)), ..draft("town", "answer") }
        };
        let long = "word ".repeat(12_000);
        post(harness, Draft { text: long, ..answer(0) }).await.unwrap();
        for n in 1..3 {
            post(harness, answer(n)).await.unwrap();
        }
        for n in 3..5 {
            let refused = post(harness, answer(n)).await;
            assert_eq!(refused, Err(ReplyError::LoopGuard { channel: "town".into(), limit: 3 }));
        }
        let is_stopped = |fact: &Fact| matches!(fact, Fact::LoopStopped { limit: 3, .. });
        harness.wait_for("bot", is_stopped).await;
        harness.advance(SECOND).await;
        assert_eq!(harness.count("bot", "loop_stopped"), 1, "the loop must be reported once");
        post(harness, answer(0)).await.unwrap();
        post(harness, draft("town", "news")).await.unwrap();
        harness.ready("twin").await;
        let twin = SendReply { account: name("twin"), action: OutgoingAction::Post(draft("town", "me too")) };
        harness.send(twin).await.unwrap();
        let peer = harness.fake.server_socket("bot");
        peer.event("posted", "town", &posted_data("town", "p1", "id-twin"));
        harness.sink.wait_for_posts(1).await;
        assert!(
            post(harness, answer(5)).await.is_err(),
            "a post by another hosted bot must not reset the loop guard"
        );
        peer.post_by("id-ana", "town", "p2", 20_000_000);
        harness.sink.wait_for_posts(2).await;
        post(harness, answer(6)).await.unwrap();
    });
}

#[test]
fn the_posts_of_accounts_on_other_members_of_a_cluster_are_a_part_of_the_row() {
    let settings = settings();
    let settings = HostSettings { replies: ReplySettings { loop_limit: 3, ..settings.replies }, ..settings };
    run_paused_in_cluster(settings, async |harness| {
        harness.fake.add_channel("town", &["bot"]);
        harness.ready("bot").await;
        let answer = |n: usize| {
            let event = posted_event("town", n);
            Draft { key: Some(ReplyKey::for_event(&event, 0)), ..draft("town", "answer") }
        };
        post(harness, answer(0)).await.unwrap();
        let peer = harness.fake.server_socket("bot");
        for n in 1..3 {
            let post = serde_json::json!({
                "id": format!("far-{n}"), "create_at": 20_000_000 + n * 60_000, "user_id": "id-far", "channel_id": "town",
                "message": "answer", "props": { "matterhost_key": format!("key-{n}"), "from_bot": "true" },
            });
            let data = serde_json::json!({ "post": post.to_string() }).to_string();
            peer.event("posted", "town", &data);
        }
        harness.sink.wait_for_posts(2).await;
        let refused = post(harness, answer(1)).await;
        assert_eq!(refused, Err(ReplyError::LoopGuard { channel: "town".into(), limit: 3 }));
        peer.post_by("id-ana", "town", "p", 30_000_000);
        harness.sink.wait_for_posts(3).await;
        post(harness, answer(2)).await.unwrap();
    });
}

#[test]
fn a_deadline_is_a_setting() {
    let settings = settings();
    let deadline = Duration::from_secs(5);
    let settings = HostSettings { replies: ReplySettings { deadline, ..settings.replies }, ..settings };
    with_a_bot(settings, async |harness| {
        harness.fake.script_post_replies((0..50).map(|_| PostReply::Fail(RestErrorKind::Server(500))));
        let began = tokio::time::Instant::now();
        let late = post(harness, draft("town", "x")).await.unwrap_err();
        assert!(began.elapsed() <= deadline && !matches!(late, ReplyError::Refused { .. }), "{late}");
        assert!(matches!(late, ReplyError::TimedOut { maybe_done: true, .. }), "{late}");
    });
}
