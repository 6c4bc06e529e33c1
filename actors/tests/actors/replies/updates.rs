//! Updates of posts by their keys.

use std::{sync::Arc, time::Duration};

use matterhost_actors::model::{Draft, Fact, OutgoingAction, ReplyError, ReplyKey};

use super::{hold, keyed, perform, post, start, with_a_bot};
use crate::harness::{Harness, PostReply, SECOND, TestHost, settings};

fn update(text: &str) -> OutgoingAction {
    update_in("town", text)
}

fn update_in(channel: &str, text: &str) -> OutgoingAction {
    OutgoingAction::Update {
        channel: channel.into(),
        key: ReplyKey::new("stream").unwrap(),
        text: text.into(),
        wait: true,
    }
}

fn update_soon(text: &str) -> OutgoingAction {
    let OutgoingAction::Update { channel, key, text, .. } = update(text) else { unreachable!() };
    OutgoingAction::Update { channel, key, text, wait: false }
}

/// A model writes 2,000 pieces in 20 s.
#[test]
fn a_stream_of_updates_becomes_a_few_requests_and_its_last_text_is_shown() {
    with_a_bot(settings(), async |harness| {
        let id = post(harness, keyed("town", "…", "stream")).await.unwrap().ids;
        let mut updates = Vec::new();
        for n in 0..2_000 {
            updates.push(start(harness, update(&format!("text {n}"))));
            harness.advance(Duration::from_millis(10)).await;
        }
        for update in updates {
            let ids = update.await.unwrap().unwrap().ids;
            assert!(ids.is_empty() || ids == id, "{ids:?}");
        }
        assert_eq!(harness.fake.rest_messages("town"), ["text 1999"]);
        let sent = harness.fake.request_count("edit");
        assert!((35..=42).contains(&sent), "{sent} requests for 2,000 updates in 20 s");
    });
}

/// A handler that does one thing after the other.
#[test]
fn an_update_that_does_not_wait_is_done_at_once_and_shown_later() {
    with_a_bot(settings(), async |harness| {
        let (release, held) = hold();
        harness.fake.script_post_replies([held]);
        let posting = start(harness, OutgoingAction::Post(keyed("town", "…", "stream")));
        for n in 0..100 {
            assert_eq!(perform(harness, update_soon(&n.to_string())).await.unwrap().ids, []);
        }
        assert_eq!(harness.fake.request_count("edit"), 0);
        release.send(()).unwrap();
        posting.await.unwrap().unwrap();
        perform(harness, update("the last")).await.unwrap();
        assert_eq!(harness.fake.rest_messages("town"), ["the last"]);
        assert!((1..=2).contains(&harness.fake.request_count("edit")));
        let missing = OutgoingAction::Update {
            channel: "other".into(),
            key: ReplyKey::new("none").unwrap(),
            text: "x".into(),
            wait: false,
        };
        perform(harness, missing).await.unwrap();
        let failed = harness.wait_for("bot", |fact| matches!(fact, Fact::UpdateFailed { .. })).await;
        let Fact::UpdateFailed { channel, key, cause } = failed else { unreachable!() };
        assert_eq!((channel.as_str(), &*key), ("other", "none"));
        assert!(cause.contains("a post with the key none"), "{cause}");
        assert_eq!(harness.count("bot", "update_failed"), 1, "updates that were replaced did not fail");
    });
}

#[test]
fn an_update_waits_for_the_post_that_it_changes() {
    with_a_bot(settings(), async |harness| {
        let (release, held) = hold();
        harness.fake.script_post_replies([held]);
        let posting = start(harness, OutgoingAction::Post(keyed("town", "…", "stream")));
        let updates = ["one", "two"].map(|text| start(harness, update(text)));
        harness.advance(SECOND).await;
        assert_eq!(harness.fake.request_count("edit"), 0);
        release.send(()).unwrap();
        posting.await.unwrap().unwrap();
        for update in updates {
            update.await.unwrap().unwrap();
        }
        assert_eq!(harness.fake.rest_messages("town"), ["two"]);
    });
}

#[test]
fn a_post_of_an_earlier_process_is_found_by_its_key_and_a_missing_one_is_an_error() {
    with_a_bot(settings(), async |harness| {
        let missing = perform(harness, update("x")).await.unwrap_err();
        assert!(matches!(&missing, ReplyError::NotFound { .. }), "{missing}");
        assert!(missing.to_string().contains("a post with the key stream"), "{missing}");
        post(harness, keyed("town", "…", "stream")).await.unwrap();
        let host = TestHost::real_time(settings(), Arc::new(harness.fake.clone()));
        host.add("bot", "bot", host.sink.clone()).await.unwrap();
        perform(&host, update("after a kill")).await.unwrap();
        assert_eq!(harness.fake.rest_messages("town"), ["after a kill"]);
    });
}

#[test]
fn an_update_changes_the_post_of_its_own_channel() {
    with_a_bot(settings(), async |harness| {
        let town = post(harness, keyed("town", "…", "stream")).await.unwrap().ids;
        let missing = perform(harness, update_in("other", "x")).await.unwrap_err();
        assert!(matches!(&missing, ReplyError::NotFound { .. }), "{missing}");
        let other = post(harness, keyed("other", "…", "stream")).await.unwrap().ids;
        assert_ne!(town, other);
        for text in [words(9_000), words(4_000), "short".into()] {
            perform(harness, update_in("town", &text)).await.unwrap();
            let before = harness.fake.rest_messages("other");
            assert_ne!(before, harness.fake.rest_messages("town"));
            perform(harness, update_in("other", &text)).await.unwrap();
            assert_eq!(harness.fake.rest_messages("other"), harness.fake.rest_messages("town"));
        }
    });
}

#[test]
fn a_long_update_in_the_place_of_a_short_one_counts_with_its_length() {
    with_a_bot(settings(), async |harness| {
        let (release, held) = hold();
        harness.fake.script_post_replies([held]);
        let posting = start(harness, OutgoingAction::Post(keyed("town", "…", "stream")));
        let short = start(harness, update("short"));
        harness.advance(SECOND).await;
        let long = perform(harness, update(&"x".repeat(16 * 1024 * 1024))).await.unwrap_err();
        assert!(matches!(&long, ReplyError::QueueFull { limit: "16 MiB", .. }), "{long}");
        release.send(()).unwrap();
        posting.await.unwrap().unwrap();
        short.await.unwrap().unwrap();
        assert_eq!(harness.fake.rest_messages("town"), ["short"]);
    });
}

/// A text of so many words, of which 16,383 characters fit into a post.
fn words(count: usize) -> String {
    "word ".repeat(count).trim_end().into()
}

#[test]
fn a_stream_that_outgrows_its_post_goes_on_in_further_posts_and_shrinks_again() {
    with_a_bot(settings(), async |harness| {
        let root = post(harness, keyed("town", "root", "root")).await.unwrap().ids.remove(0);
        let in_thread = Draft { root_id: Some(root), ..keyed("town", "…", "stream") };
        let first = post(harness, in_thread).await.unwrap().ids;
        let texts = |harness: &mut Harness| harness.fake.rest_messages("town")[1..].to_vec();
        let mut before = 0;
        for (count, posts) in [(3_000, 1), (3_500, 2), (4_000, 2), (9_000, 3)] {
            let ids = perform(harness, update(&words(count))).await.unwrap().ids;
            assert_eq!((ids.len(), &ids[..1]), (posts, &first[..]));
            let shown = texts(harness);
            assert_eq!((shown.len(), shown.join(" ")), (posts, words(count)));
            let edits = harness.fake.request_count("edit") - before;
            before += edits;
            assert!(edits <= 2, "{edits} edits for {posts} posts: what is shown is not sent again");
            harness.advance(SECOND).await;
        }
        assert_eq!(harness.fake.request_count("post"), 4);
        // Another process goes on with the same posts, and a shorter text needs fewer.
        let host = TestHost::real_time(settings(), Arc::new(harness.fake.clone()));
        host.add("bot", "bot", host.sink.clone()).await.unwrap();
        for (count, posts) in [(9_100, 3), (3_500, 2), (10, 1), (3_500, 2)] {
            perform(&host, update(&words(count))).await.unwrap();
            let shown = texts(harness);
            assert_eq!((shown.len(), shown.join(" ")), (posts, words(count)));
        }
        let long = perform(&host, update(&"x".repeat(16_383 * 10 + 1))).await.unwrap_err();
        assert_eq!(long, ReplyError::TooLong { characters: 163_831, limit: 163_830 });
    });
}

#[test]
fn a_further_post_of_an_update_whose_answer_is_lost_is_found_by_the_next_one() {
    let mut settings = settings();
    // Too short for a second request, and longer than one takes.
    settings.replies.deadline = Duration::from_millis(100);
    with_a_bot(settings, async |harness| {
        post(harness, keyed("town", "…", "stream")).await.unwrap();
        harness.fake.script_post_replies([PostReply::Lost]);
        let lost = perform(harness, update(&words(3_500))).await;
        assert!(matches!(lost, Err(ReplyError::TimedOut { maybe_done: true, .. })), "{lost:?}");
        harness.advance(60 * SECOND).await;
        perform(harness, update(&words(4_000))).await.unwrap();
        let shown = harness.fake.rest_messages("town");
        assert_eq!((shown.len(), shown.join(" ")), (2, words(4_000)));
    });
}
