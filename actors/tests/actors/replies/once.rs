//! Exactly-once posting: lost responses, failures, repeated keys, restarts.

use std::{sync::Arc, time::Duration};

use matterhost_actors::{
    mattermost::RestErrorKind,
    model::{AccountState, Draft, ReplyError, ReplyKey},
};

use super::{draft, keyed, post, with_a_bot};
use crate::harness::{PostReply, SECOND, TestHost, name, settings};

#[test]
fn an_answer_that_is_lost_makes_no_second_post() {
    for channel in ["town", "other"] {
        with_a_bot(settings(), async |harness| {
            harness.fake.script_post_replies([PostReply::Lost]);
            let draft = if channel == "town" { draft(channel, "once") } else { keyed(channel, "once", "k") };
            let result = post(harness, draft).await.unwrap();
            assert_eq!(harness.fake.rest_messages(channel), ["once"]);
            assert_eq!(
                (result.ids.len(), harness.fake.request_count("post")),
                (1, 1),
                "the post must be found, not made again"
            );
        });
    }
}

#[test]
fn an_uncertain_failure_is_searched_for_and_retried_with_the_same_id() {
    with_a_bot(settings(), async |harness| {
        harness.fake.script_post_replies([
            PostReply::Fail(RestErrorKind::Server(502)),
            PostReply::Fail(RestErrorKind::Timeout),
        ]);
        post(harness, draft("town", "once")).await.unwrap();
        assert_eq!(harness.fake.rest_messages("town"), ["once"]);
        let ids = harness.fake.pending_ids();
        assert!(ids.len() == 3 && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        assert!(ids[0].starts_with("id-bot:"), "a pending id must begin with its user's id: {ids:?}");
    });
}

#[test]
fn a_429_is_waited_out_without_a_search() {
    with_a_bot(settings(), async |harness| {
        let wait = RestErrorKind::RateLimited { retry_after: Some(7 * SECOND) };
        harness.fake.script_post_replies([PostReply::Fail(wait)]);
        let pages = harness.fake.request_count("page");
        let began = tokio::time::Instant::now();
        post(harness, draft("town", "once")).await.unwrap();
        assert!(began.elapsed() >= 7 * SECOND);
        assert_eq!(
            (harness.fake.rest_messages("town").len(), harness.fake.request_count("page")),
            (1, pages)
        );
    });
}

#[test]
fn a_401_before_the_account_is_blocked_is_waited_out_too() {
    with_a_bot(settings(), async |harness| {
        harness.fake.script_post_replies([PostReply::Fail(RestErrorKind::Unauthorized)]);
        post(harness, draft("town", "once")).await.unwrap();
        assert_eq!(harness.fake.rest_messages("town"), ["once"]);
    });
}

#[test]
fn a_key_is_posted_once_for_all_callers() {
    with_a_bot(settings(), async |harness| {
        let first = post(harness, keyed("town", "once", "event#0")).await.unwrap();
        assert_eq!(post(harness, keyed("town", "once", "event#0")).await.unwrap(), first);
        assert_eq!(harness.fake.request_count("post"), 1, "a known key must cause no request");
        // Another process, without the memory of this one, after the 30 s of `pending_post_id` (fact 19).
        harness.advance(60 * SECOND).await;
        let host = TestHost::real_time(settings(), Arc::new(harness.fake.clone()));
        host.add("bot", "bot", host.sink.clone()).await.unwrap();
        assert_eq!(post(&host, keyed("town", "once", "event#0")).await.unwrap(), first);
        assert_eq!((harness.fake.request_count("post"), harness.fake.rest_messages("town").len()), (1, 1));
        let other = post(&host, keyed("town", "twice", "event#1")).await.unwrap();
        assert_ne!(other, first);
    });
}

#[test]
fn a_key_is_posted_once_in_each_channel() {
    with_a_bot(settings(), async |harness| {
        let long = "word ".repeat(5_000);
        for (text, key) in [("once", "report"), (&*long, "long")] {
            // At the same time: the server knows what the account posted in the last 30 s (fact 19).
            let town = post(harness, keyed("town", text, key)).await.unwrap();
            let other = post(harness, keyed("other", text, key)).await.unwrap();
            assert!(town.ids.iter().all(|id| !other.ids.contains(id)), "{town:?} {other:?}");
            for channel in ["town", "other"] {
                let again = post(harness, keyed(channel, text, key)).await.unwrap();
                assert_eq!(again, if channel == "town" { town.clone() } else { other.clone() });
            }
        }
        assert_eq!(harness.fake.rest_messages("town"), harness.fake.rest_messages("other"));
        assert_eq!((harness.fake.request_count("post"), harness.fake.rest_messages("town").len()), (6, 3));
    });
}

#[test]
fn no_key_is_that_of_a_part_of_a_long_text() {
    with_a_bot(settings(), async |harness| {
        let long = "word ".repeat(5_000);
        assert_eq!(post(harness, keyed("town", &long, "answer")).await.unwrap().ids.len(), 2);
        for (n, key) in ["answer/1", "answer/2", "answer#2", "answer2"].into_iter().enumerate() {
            post(harness, keyed("town", key, key)).await.unwrap();
            let shown = harness.fake.rest_messages("town");
            assert_eq!((shown.len(), shown.last().map(String::as_str)), (3 + n, Some(key)));
        }
    });
}

#[test]
fn a_channel_is_searched_once_for_all_keys() {
    with_a_bot(settings(), async |harness| {
        for n in 0..500 {
            harness.fake.post("town", 5_000 + n);
        }
        let key = |n: i64| ReplyKey::new(&format!("event-{n}")).unwrap().with_earliest(5_000 + n);
        let pages = harness.fake.request_count("page");
        for n in 0..100 {
            let draft = Draft { key: Some(key(n)), ..draft("town", "answer") };
            post(harness, draft).await.unwrap();
        }
        assert_eq!(harness.fake.request_count("page") - pages, 3);
        assert_eq!(harness.fake.rest_messages("town").len(), 100);
    });
}

#[test]
fn an_old_reply_is_found_by_the_time_of_its_event() {
    with_a_bot(settings(), async |harness| {
        let first = post(harness, keyed("town", "once", "k")).await.unwrap();
        for n in 0..1_000 {
            harness.fake.post("town", 50_000 + n / 7);
        }
        harness.advance(60 * SECOND).await;
        let host = TestHost::real_time(settings(), Arc::new(harness.fake.clone()));
        host.add("bot", "bot", host.sink.clone()).await.unwrap();
        let key = ReplyKey::new("k").unwrap().with_earliest(10_000);
        let draft = Draft { key: Some(key), ..draft("town", "once") };
        assert_eq!(post(&host, draft).await.unwrap(), first);
    });
}

#[test]
fn after_a_reported_panic_the_same_key_makes_one_post() {
    with_a_bot(settings(), async |harness| {
        harness.fake.script_post_replies([PostReply::Panic]);
        let lost = post(harness, keyed("town", "once", "k")).await;
        assert_eq!(lost, Err(ReplyError::Interrupted(name("bot"))));
        post(harness, keyed("town", "once", "k")).await.unwrap();
        assert_eq!(harness.fake.rest_messages("town"), ["once"]);
        assert_eq!(harness.state("bot").await, AccountState::Ready);
    });
}

#[test]
fn a_post_whose_answer_is_lost_at_the_deadline_is_found_by_the_next_attempt() {
    let mut settings = settings();
    // Too short for a second request, and longer than one takes.
    settings.replies.deadline = Duration::from_millis(100);
    with_a_bot(settings, async |harness| {
        post(harness, keyed("town", "searched", "first")).await.unwrap();
        for (text, key) in [("once", "k"), (&"word ".repeat(3_500), "long")] {
            harness.fake.script_post_replies([PostReply::Lost]);
            let lost = post(harness, keyed("town", text.trim_end(), key)).await;
            assert!(matches!(lost, Err(ReplyError::TimedOut { maybe_done: true, .. })), "{lost:?}");
            harness.advance(60 * SECOND).await;
            post(harness, keyed("town", text.trim_end(), key)).await.unwrap();
        }
        let shown = harness.fake.rest_messages("town");
        assert_eq!(shown[..2], ["searched", "once"]);
        assert_eq!(shown[2..].join(" "), "word ".repeat(3_500).trim_end());
    });
}

#[test]
fn a_post_at_the_edge_of_a_page_is_found_among_those_of_its_time() {
    with_a_bot(settings(), async |harness| {
        let first = post(harness, keyed("town", "once", "k")).await.unwrap();
        let posted_at = harness.fake.last_post_at("town");
        harness.fake.post("town", posted_at);
        for n in 1..200 {
            harness.fake.post("town", posted_at + n);
        }
        harness.advance(60 * SECOND).await;
        let host = TestHost::real_time(settings(), Arc::new(harness.fake.clone()));
        host.add("bot", "bot", host.sink.clone()).await.unwrap();
        let key = ReplyKey::new("k").unwrap().with_earliest(posted_at);
        let draft = Draft { key: Some(key), ..draft("town", "once") };
        assert_eq!(post(&host, draft).await.unwrap(), first);
    });
}
