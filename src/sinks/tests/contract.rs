//! The contract of a sink, tested on each with its real far side: a pipe, files, an HTTP server, a child process.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use matterhost_actors::ports::{Delivered, Outcome};

use super::{
    fixtures::{DEADLINE, delivered, outcome, post, post_with_text},
    rigs::{self, Rig},
};
use crate::sinks::queue::{MAX_QUEUED_BYTES, MAX_QUEUED_EVENTS};

/// The limit for `deliver`, which takes microseconds; on a busy machine a thread may be delayed.
const DELIVER_LIMIT: Duration = Duration::from_secs(2);

/// Delivers posts in several channels at once.
async fn deliver_posts(rig: &Rig, channels: usize, posts: usize) {
    let channel = |channel: usize| async move {
        for n in 0..posts {
            let event = post(&format!("c{channel}"), &format!("c{channel}-{n:03}"));
            assert_eq!(delivered(&*rig.sink, &event).await, Outcome::Acknowledged, "{}", rig.name);
        }
    };
    join_all((0..channels).map(channel)).await;
}

/// Waits until the far side has received at least `count` events.
async fn wait_for_events(rig: &Rig, count: usize) -> Vec<String> {
    wait_until_received(rig, |received| received.len() >= count).await
}

/// Waits until the far side has received enough; the reader of a pipe may lag behind it.
async fn wait_until_received(rig: &Rig, is_enough: impl Fn(&[String]) -> bool) -> Vec<String> {
    let end = Instant::now() + DEADLINE;
    loop {
        let received = (rig.received)();
        if is_enough(&received) || rig.name != "stdout" {
            return received;
        }
        assert!(Instant::now() < end, "{}: {received:?}", rig.name);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn acknowledged_events_were_delivered_once_and_in_channel_order() {
    for rig in rigs::all() {
        deliver_posts(&rig, 6, 20).await;
        let received = wait_for_events(&rig, 120).await;
        assert_eq!(received.len(), 120, "{}", rig.name);
        for channel in 0..6 {
            let of = received.iter().filter(|id| id.starts_with(&format!("c{channel}-")));
            let expected: Vec<_> = (0..20).map(|n| format!("c{channel}-{n:03}")).collect();
            assert_eq!(of.cloned().collect::<Vec<_>>(), expected, "{}", rig.name);
        }
    }
}

#[tokio::test]
async fn a_stuck_receiver_does_not_block_the_caller_and_memory_is_bounded() {
    for rig in rigs::all() {
        let Some(hold) = &rig.hold else { continue };
        delivered(&*rig.sink, &post("first", "first")).await;
        hold(true);
        let mut waiting = Vec::new();
        let refused = loop {
            let start = Instant::now();
            let given =
                rig.sink.deliver(&post(&format!("c{}", waiting.len()), &format!("p{}", waiting.len())));
            assert!(start.elapsed() < DELIVER_LIMIT, "{}", rig.name);
            match given {
                Delivered::Later(later) => waiting.push(later),
                Delivered::Now(outcome) => break outcome,
            }
            // The queue, the events at the far side, and those in a pipe.
            assert!(waiting.len() < MAX_QUEUED_EVENTS + 1_000, "{}", rig.name);
        };
        assert!(matches!(refused, Outcome::Retry { .. }), "{}: {refused:?}", rig.name);
        hold(false);
        let all = tokio::time::timeout(DEADLINE, join_all(waiting)).await.unwrap();
        assert!(all.iter().all(|outcome| *outcome == Outcome::Acknowledged), "{}", rig.name);
    }
}

#[tokio::test]
async fn a_few_large_events_fill_it_as_many_small_ones_do() {
    // One is with the line writer, and one exceeds the limit. They are made first, because that takes long in a debug build.
    let text = "x".repeat(MAX_QUEUED_BYTES / 4);
    let large = |n: usize| post_with_text(&format!("p{n}"), &format!("p{n}"), &text);
    let events: Vec<_> = (0..7).map(large).collect();
    for rig in rigs::all() {
        let Some(hold) = &rig.hold else { continue };
        delivered(&*rig.sink, &post("first", "first")).await;
        hold(true);
        let mut waiting = Vec::new();
        let refused = events.iter().find_map(|event| match rig.sink.deliver(event) {
            Delivered::Later(later) => {
                waiting.push(later);
                None
            }
            Delivered::Now(outcome) => Some(outcome),
        });
        assert!(matches!(refused, Some(Outcome::Retry { .. })), "{}: {refused:?}", rig.name);
        hold(false);
        let all = tokio::time::timeout(DEADLINE, join_all(waiting)).await.unwrap();
        assert!(all.iter().all(|outcome| *outcome == Outcome::Acknowledged), "{}", rig.name);
    }
}

#[tokio::test]
async fn a_temporarily_refused_event_is_retried_without_delaying_other_channels() {
    for rig in rigs::all() {
        let Some(text) = rig.retry_text else { continue };
        let event = post_with_text("slow", "again", text);
        let first = outcome(rig.sink.deliver(&event)).await;
        let is_refused = matches!(first, Outcome::Retry { .. } | Outcome::Hold { .. });
        assert!(is_refused, "{}: {first:?}", rig.name);
        assert_eq!(delivered(&*rig.sink, &post("other", "other")).await, Outcome::Acknowledged);
        assert_eq!(delivered(&*rig.sink, &event).await, Outcome::Acknowledged, "{}", rig.name);
        assert_eq!((rig.received)(), ["other", "again"], "{}", rig.name);
    }
}

#[tokio::test]
async fn a_finally_refused_event_is_skipped() {
    for rig in rigs::all() {
        let Some(text) = rig.reject_text else { continue };
        let refused = delivered(&*rig.sink, &post_with_text("c", "bad", text)).await;
        assert!(matches!(refused, Outcome::Rejected { .. }), "{}: {refused:?}", rig.name);
        assert_eq!(delivered(&*rig.sink, &post("c", "good")).await, Outcome::Acknowledged);
        assert_eq!((rig.received)(), ["good"], "{}", rig.name);
    }
}

#[tokio::test]
async fn closing_with_an_event_in_flight_is_quick_and_acknowledges_only_delivered_events() {
    for rig in rigs::all() {
        let (Some(hold), Some(worker)) = (&rig.hold, &rig.worker) else { continue };
        delivered(&*rig.sink, &post("first", "first")).await;
        hold(true);
        let waiting: Vec<_> =
            (0..20).map(|n| rig.sink.deliver(&post(&format!("c{n}"), &n.to_string()))).collect();
        worker.close();
        tokio::time::timeout(DEADLINE, worker.join()).await.unwrap();
        let received = (rig.received)();
        for (n, given) in waiting.into_iter().enumerate() {
            let outcome = outcome(given).await;
            let was_received = received.contains(&n.to_string());
            assert!(was_received || matches!(outcome, Outcome::Retry { .. }), "{}: {outcome:?}", rig.name);
        }
        let after = outcome(rig.sink.deliver(&post("late", "late"))).await;
        assert!(matches!(after, Outcome::Retry { .. }), "{}: {after:?}", rig.name);
        hold(false);
    }
}

/// A Delivery that starts over gives its event again, and only then the next one.
#[tokio::test]
async fn an_answer_after_the_wait_was_abandoned_is_harmless() {
    for rig in rigs::all() {
        drop(rig.sink.deliver(&post("c", "first")));
        for id in ["first", "next"] {
            assert_eq!(delivered(&*rig.sink, &post("c", id)).await, Outcome::Acknowledged, "{}", rig.name);
        }
        let mut received = wait_until_received(&rig, |ids| ids.iter().any(|id| id == "next")).await;
        // A request of a webhook that was abandoned may still be on its way, in a connection of its own.
        if !rig.name.starts_with("webhook") {
            assert_eq!(received.last().map(String::as_str), Some("next"), "{}", rig.name);
        }
        let mut seen = HashSet::new();
        received.retain(|id| seen.insert(id.clone()));
        assert_eq!(received, ["first", "next"], "{}", rig.name);
    }
}
