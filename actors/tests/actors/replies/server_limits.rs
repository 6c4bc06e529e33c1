//! The sizes that a server takes: read once for all its accounts, and kept to by every action that posts.

use std::{sync::Arc, time::Duration};

use matterhost_actors::{
    mattermost::RestErrorKind,
    model::{Attachment, Draft, OutgoingAction, ReplyError, ReplyKey, ServerLimits},
};
use serde_json::json;
use tokio::sync::oneshot;

use super::{draft, hold, keyed, perform, post, start, with_a_bot};
use crate::harness::{Harness, PostReply, SECOND, TestHost, bots, run_paused, settings, unlimited_rate};

fn limit_of(post_chars: usize) -> ServerLimits {
    ServerLimits { post_chars, ..ServerLimits::default() }
}

/// Runs a test with a ready bot on a server that takes such posts.
fn with_limit(post_chars: usize, test: impl AsyncFnOnce(&mut Harness)) {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.fake.set_limits(limit_of(post_chars));
        harness.fake.add_channel("town", &["bot"]);
        harness.ready("bot").await;
        test(harness).await;
    });
}

#[test]
fn a_text_becomes_as_many_posts_as_the_server_wants() {
    for (limit, characters, parts) in [(4_000, 10_000, 3), (1 << 20, 300_000, 1)] {
        with_limit(limit, async |harness| {
            let made = post(harness, draft("town", &"x".repeat(characters))).await.unwrap();
            let lengths: Vec<_> = harness.fake.rest_messages("town").iter().map(String::len).collect();
            assert_eq!((made.ids.len(), lengths.len()), (parts, parts));
            assert_eq!(lengths.iter().sum::<usize>(), characters);
            let book = "x".repeat(limit * 10 + 1);
            let too_long = post(harness, draft("town", &book)).await.unwrap_err();
            assert_eq!(too_long, ReplyError::TooLong { characters: book.len(), limit: limit * 10 });
        });
    }
}

#[test]
fn every_action_with_a_text_keeps_to_the_servers_limit() {
    with_limit(4_000, async |harness| {
        let user = "id-somebody".into();
        let long = draft("town", &"word ".repeat(2_000));
        perform(harness, OutgoingAction::Ephemeral { user, draft: long }).await.unwrap();
        assert_eq!(harness.fake.request_count("ephemeral"), 3);
        let id = post(harness, draft("town", "hello")).await.unwrap().ids[0].clone();
        let edit = OutgoingAction::Edit { post: id, text: "x".repeat(4_001), props: None };
        let refused = perform(harness, edit).await;
        assert_eq!(refused, Err(ReplyError::TooLong { characters: 4_001, limit: 4_000 }));
        assert_eq!(harness.fake.request_count("edit"), 0);
    });
}

#[test]
fn accounts_that_connect_together_ask_once_and_later_ones_again() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        let names = bots(20);
        for name in &names {
            harness.host(name).await;
        }
        harness.wait_until_all_ready(&names).await;
        harness.advance(SECOND).await;
        assert_eq!(harness.fake.request_count("limits"), 1, "one request serves all accounts");
        harness.advance_discarding(Duration::from_secs(120)).await;
        harness.fake.drop_all_sockets();
        harness.advance(60 * SECOND).await;
        assert_eq!(harness.fake.request_count("limits"), 2, "the server may have been restarted with others");
    });
}

#[test]
fn a_post_waits_for_limits_that_it_depends_on_and_a_short_one_does_not() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.fake.set_limits(limit_of(4_000));
        harness.fake.add_channel("town", &["bot"]);
        let (release, held) = oneshot::channel();
        harness.fake.hold_limits(held);
        harness.ready("bot").await;
        let long = start(harness, OutgoingAction::Post(draft("town", &"x".repeat(5_000))));
        harness.advance(SECOND).await;
        assert!(!long.is_finished() && harness.fake.rest_messages("town").is_empty());
        release.send(()).unwrap();
        assert_eq!(long.await.unwrap().unwrap().ids.len(), 2);
        assert_eq!(harness.fake.request_count("limits"), 1);
    });
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.fake.add_channel("town", &["bot"]);
        let (_never, held) = oneshot::channel();
        harness.fake.hold_limits(held);
        harness.ready("bot").await;
        let began = tokio::time::Instant::now();
        post(harness, draft("town", &"x".repeat(4_000))).await.unwrap();
        assert!(began.elapsed() < SECOND, "a short text fits on every server");
        for _ in 0..3 {
            post(harness, draft("town", &"x".repeat(5_000))).await.unwrap();
        }
        assert!((10 * SECOND..15 * SECOND).contains(&began.elapsed()), "one wait, and a bounded one");
    });
}

#[test]
fn limits_that_the_server_refuses_are_mattermosts_defaults() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.fake.add_channel("town", &["bot"]);
        harness.fake.fail_limits(Some(RestErrorKind::Refused(403)));
        harness.ready("bot").await;
        for text in ["x".repeat(16_383), "x".repeat(16_384)] {
            post(harness, draft("town", &text)).await.unwrap();
        }
        assert_eq!(harness.fake.rest_messages("town").len(), 3);
        assert_eq!(harness.fake.request_count("limits"), 1, "a refusal is remembered for a while");
        harness.advance(60 * SECOND).await;
        harness.fake.fail_limits(None);
        harness.fake.set_limits(limit_of(4_000));
        assert_eq!(post(harness, draft("town", &"y".repeat(10_000))).await.unwrap().ids.len(), 3);
    });
}

#[test]
fn a_refused_post_puts_the_known_limits_in_doubt() {
    with_limit(8_000, async |harness| {
        harness.advance(60 * SECOND).await;
        harness.fake.set_limits(limit_of(4_000));
        let long = || draft("town", &"x".repeat(8_000));
        assert!(matches!(post(harness, long()).await, Err(ReplyError::Refused { .. })));
        assert_eq!(post(harness, long()).await.unwrap().ids.len(), 2, "the limits were asked for again");
    });
}

#[test]
fn buttons_and_files_go_with_the_last_part_and_other_properties_with_each() {
    with_limit(4_000, async |harness| {
        let props = json!({ "attachments": [{ "actions": [] }], "card": "c" });
        let files = vec![Attachment { name: "a".into(), bytes: vec![0; 10].into() }];
        let long = Draft {
            props: props.as_object().unwrap().clone(),
            files,
            ..draft("town", &"word ".repeat(2_000))
        };
        let made = post(harness, long.clone()).await.unwrap().ids;
        let posts: Vec<_> = made.iter().map(|id| harness.fake.rest_content(id)).collect();
        let attachments: Vec<_> = posts.iter().map(|(props, _)| props.contains_key("attachments")).collect();
        let files: Vec<_> = posts.iter().map(|(_, files)| *files).collect();
        assert_eq!((attachments, files), (vec![false, false, true], vec![0, 0, 1]));
        assert!(posts.iter().all(|(props, _)| props["card"] == "c"));
    });
}

#[test]
fn a_file_that_is_refused_takes_the_whole_text_with_it() {
    with_limit(4_000, async |harness| {
        let with = |size: usize| Draft {
            files: vec![Attachment { name: "a".into(), bytes: vec![0; size].into() }],
            ..draft("town", &"word ".repeat(2_000))
        };
        harness.fake.set_limits(ServerLimits { file_bytes: 10, ..limit_of(4_000) });
        harness.advance(600 * SECOND).await;
        let too_large = post(harness, with(11)).await.unwrap_err();
        assert_eq!(too_large, ReplyError::FileTooLarge { name: "a".into(), bytes: 11, limit: 10 });
        harness.fake.set_limits(ServerLimits { takes_files: false, ..limit_of(4_000) });
        harness.advance(600 * SECOND).await;
        assert_eq!(post(harness, with(10)).await, Err(ReplyError::NoFiles));
        assert_eq!((harness.fake.rest_messages("town").len(), harness.fake.request_count("upload")), (0, 0));
    });
}

#[test]
fn a_retry_posts_no_part_twice() {
    with_limit(4_000, async |harness| {
        let long = || keyed("town", &"word ".repeat(2_000), "k");
        // The second part is made and its answer lost; the third fails for good.
        harness.fake.script_post_replies([hold_nothing(), PostReply::Lost]);
        harness.fake.script_post_replies([PostReply::Fail(RestErrorKind::Refused(400))]);
        assert!(matches!(post(harness, long()).await, Err(ReplyError::Refused { .. })));
        assert_eq!(harness.fake.rest_messages("town").len(), 2);
        assert_eq!(post(harness, long()).await.unwrap().ids.len(), 3);
        assert_eq!(harness.fake.rest_messages("town").len(), 3);
    });
}

/// The limit of a retry may be another one than at first: read late, or changed by a restart of the server.
#[test]
fn a_retry_goes_on_where_the_first_attempt_split_the_text() {
    for (before, after, posts) in [(4_000, 1 << 20, 3), (1 << 20, 4_000, 1)] {
        for is_other_host in [false, true] {
            with_limit(before, async |harness| {
                let text = "word ".repeat(2_000);
                let long = || keyed("town", text.trim_end(), "k");
                if posts > 1 {
                    harness
                        .fake
                        .script_post_replies([hold_nothing(), PostReply::Fail(RestErrorKind::Refused(400))]);
                    assert!(matches!(post(harness, long()).await, Err(ReplyError::Refused { .. })));
                } else {
                    post(harness, long()).await.unwrap();
                }
                harness.fake.set_limits(limit_of(after));
                harness.advance(600 * SECOND).await;
                let host = TestHost::real_time(settings(), Arc::new(harness.fake.clone()));
                host.add("bot", "bot", host.sink.clone()).await.unwrap();
                let host = if is_other_host { &host } else { &harness.host };
                assert_eq!(post(host, long()).await.unwrap().ids.len(), posts);
                let texts = harness.fake.rest_messages("town");
                assert_eq!((texts.len(), texts.join(" ").len()), (posts, text.trim_end().len()));
            });
        }
    }
}

/// Returns a reply that is held no longer.
fn hold_nothing() -> PostReply {
    let (release, held) = hold();
    drop(release);
    held
}

#[test]
fn a_page_of_a_proxy_is_no_refusal_by_the_server() {
    for kind in [RestErrorKind::Refused(403), RestErrorKind::NotFound, RestErrorKind::Refused(405)] {
        with_a_bot(settings(), async |harness| {
            harness.fake.script_post_replies([PostReply::Proxy(kind), PostReply::Proxy(kind)]);
            let key = ReplyKey::new("k").unwrap();
            post(harness, Draft { key: Some(key), ..draft("town", "once") }).await.unwrap();
            assert_eq!(harness.fake.rest_messages("town"), ["once"], "{kind:?}");
        });
    }
}
