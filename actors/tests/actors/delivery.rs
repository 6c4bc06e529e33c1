//! From the socket to the sink: order, back-pressure, stalls.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use futures_util::FutureExt as _;
use matterhost_actors::{
    hosting::{DeliverySettings, HostSettings, RetryDeliveries, Shutdown},
    mattermost::RestErrorKind,
    model::{AccountState, CloseReason, Event, Fact, WaitingEvent},
    ports::{Delivered, EventSink, Outcome},
};

use crate::harness::{Harness, SECOND, SinkBehavior, name, run_paused, settings, unlimited_rate};

fn queue_of(queue: usize) -> HostSettings {
    HostSettings {
        delivery: DeliverySettings { queue, in_flight: 2, ..DeliverySettings::default() },
        ..settings()
    }
}

#[test]
fn live_events_reach_the_sink_in_order() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        let posts: Vec<String> = (0..300).map(|n| format!("p{n}")).collect();
        for post in &posts {
            harness.fake.server_socket("bot").post("c1", post);
        }
        assert_eq!(harness.sink.wait_for_posts(300).await, posts);
        let snapshot = harness.snapshot("bot").await;
        assert_eq!(snapshot.events, 301, "hello is an event too");
        assert!(snapshot.last_event.is_some());
    });
}

#[test]
fn a_post_that_several_accounts_receive_keeps_each_accounts_view() {
    let mut settings = settings();
    settings.delivery.skip_own = false;
    run_paused(settings, unlimited_rate(), async |harness| {
        let bots = ["a", "b", "c"];
        for bot in bots {
            harness.ready(bot).await;
        }
        // The numbers of the sockets differ, and their texts are shared.
        harness.fake.server_socket("b").event("typing", "c1", "{}");
        let post = |id: &str| {
            let post = format!(
                r#"{{\"id\":\"{id}\",\"create_at\":9000,\"user_id\":\"id-b\",\"channel_id\":\"c1\"}}"#
            );
            let names = r#""channel_type":"O","channel_name":"town","sender_name":"@b""#;
            format!(r#"{{{names},"post":"{post}"}}"#)
        };
        for id in ["p1", "p2"] {
            for bot in bots {
                harness.fake.server_socket(bot).event("posted", "c1", &post(id));
            }
        }
        harness.sink.wait_for_changes(6, |_| true).await;
        let events = harness.sink.events();
        let mut seen: Vec<_> = events
            .iter()
            .filter(|event| &*event.body.event == "posted")
            .map(|event| {
                (event.account.as_str(), event.body.seq, event.id(), event.own, event.sender.as_deref())
            })
            .collect();
        seen.sort_unstable();
        let of = |bot, first, own| {
            let event = move |seq, id: &str| (bot, seq, id.to_owned(), own, Some("b"));
            [event(first, "p1"), event(first + 1, "p2")]
        };
        assert_eq!(seen, [of("a", 1, false), of("b", 2, true), of("c", 1, false)].concat());
        let data = |id: &str| {
            let events = events.iter().filter(move |event| event.id() == id);
            events.map(|event| event.body.data.as_ptr()).collect::<std::collections::HashSet<_>>()
        };
        assert_eq!((data("p1").len(), data("p2").len()), (1, 1), "each is read and kept once");
        assert_eq!(bots.map(|bot| harness.count(bot, "sequence_gap")), [0; 3]);
    });
}

#[test]
fn a_sink_that_is_slow_for_minutes_does_not_make_a_bot_silent() {
    run_paused(queue_of(4), unlimited_rate(), async |harness| {
        harness.sink.set_behavior(SinkBehavior::Delayed(60 * SECOND));
        harness.fake.add_channel("c1", &["bot"]);
        harness.ready("bot").await;
        let posts: Vec<_> = (0..30).map(|_| harness.fake.post_live("bot", "c1").to_string()).collect();
        assert_eq!(harness.sink.wait_for_posts(30).await, posts);
        harness.advance(SECOND).await;
        assert_eq!(harness.count("bot", "closed"), 0);
        assert_eq!(harness.state("bot").await, AccountState::Ready);
    });
}

/// Takes a second for each event, and keeps none.
#[derive(Default)]
struct Slow(Arc<AtomicU64>);

impl EventSink for Slow {
    fn deliver(&self, _: &Arc<Event>) -> Delivered {
        let taken = self.0.clone();
        let later = async move {
            tokio::time::sleep(SECOND).await;
            taken.fetch_add(1, Ordering::Relaxed);
            Outcome::Acknowledged
        };
        Delivered::Later(later.boxed())
    }
}

#[test]
fn a_slow_sink_bounds_the_queue_over_a_hundred_thousand_events() {
    const EVENTS: u64 = 100_000;
    const CHANNELS: usize = 64;
    /// Events sent but not taken yet: some hundred more than may wait for the sink. The weight of the permits also
    /// bounds the bytes of waiting events.
    const AHEAD: u64 = 600;
    let delivery = DeliverySettings { in_flight: CHANNELS, ..DeliverySettings::default() };
    run_paused(HostSettings { delivery, ..settings() }, unlimited_rate(), async |harness| {
        let sink = Slow::default();
        let taken = sink.0.clone();
        harness.host_with("bot", Arc::new(sink)).await.unwrap();
        harness.wait_until_ready("bot").await;
        let text = "x".repeat(1_000);
        let may_wait = u64::try_from(DeliverySettings::default().queue).unwrap();
        let (mut sent, mut paused) = (0, 0);
        while taken.load(Ordering::Relaxed) < EVENTS {
            while sent < EVENTS && sent < taken.load(Ordering::Relaxed) + AHEAD {
                let (channel, id) = (format!("c{}", sent % CHANNELS as u64), format!("{sent}-{text}"));
                harness.fake.server_socket("bot").post(&channel, &id);
                sent += 1;
            }
            harness.advance_discarding(SECOND).await;
            let read = harness.snapshot("bot").await.events - taken.load(Ordering::Relaxed);
            assert!(read <= may_wait, "{read} were read and wait");
            paused += u64::from(read + 2 * CHANNELS as u64 > may_wait);
        }
        assert!(paused > EVENTS / CHANNELS as u64 / 2, "most of the time the socket was not read");
        assert_eq!(harness.state("bot").await, AccountState::Ready);
    });
}

#[test]
fn a_server_that_loses_patience_with_a_slow_sink_costs_no_budget() {
    run_paused(queue_of(1), unlimited_rate(), async |harness| {
        harness.sink.set_behavior(SinkBehavior::Delayed(20 * SECOND));
        harness.ready("bot").await;
        for n in 0..3 {
            harness.fake.server_socket("bot").post("c1", &format!("p{n}"));
        }
        // The pipe is cut behind the posts; its content is still read, one permit after the other.
        harness.fake.server_socket("bot").drop_connection();
        let (_, charged) = harness.wait_until_closed("bot").await;
        assert!(!charged, "ready for seconds only, but its own reading was behind");
        assert_eq!(harness.sink.wait_for_posts(2).await[..2], ["p0", "p1"]);
    });
}

#[test]
fn a_large_frame_takes_more_of_the_queue_and_is_delivered() {
    run_paused(queue_of(3), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        let large = "x".repeat(200 * 1024);
        for post in ["p1", &large, "p2"] {
            harness.fake.server_socket("bot").post("c1", post);
        }
        assert_eq!(harness.sink.wait_for_posts(3).await.len(), 3);
    });
}

#[test]
fn a_sink_that_always_answers_retry_stalls_the_account_without_ending_it() {
    run_paused(queue_of(4), unlimited_rate(), async |harness| {
        harness.fake.add_channel("c1", &["bot"]);
        harness.ready("bot").await;
        harness.sink.set_behavior(SinkBehavior::Retry);
        let sent: Vec<_> = (0..30).map(|_| harness.fake.post_live("bot", "c1").to_string()).collect();
        harness.wait_for("bot", |fact| matches!(fact, Fact::Stalled { .. })).await;
        harness.advance(3_600 * SECOND).await;
        assert_eq!(harness.state("bot").await, AccountState::Stalled);
        assert_eq!(harness.count("bot", "closed"), 0);
        harness.sink.set_behavior(SinkBehavior::Immediate);
        assert_eq!(harness.sink.wait_for_posts(30).await, sent);
        harness.advance(2 * SECOND).await;
        assert_eq!(harness.state("bot").await, AccountState::Ready);
    });
}

/// Sends 300 posts to a channel that waits for `stuck`, and others to other channels, which must arrive soon; at the end
/// all arrive, each once and in the order of its channel.
fn one_channel_does_not_silence_the_others(stuck: SinkBehavior, queue: usize, fetched: bool) {
    run_paused(queue_of(queue), unlimited_rate(), async |harness| {
        for channel in ["stuck", "town", "direct"] {
            harness.fake.add_channel(channel, &["bot"]);
        }
        harness.sink.set_behavior(stuck);
        harness.ready("bot").await;
        if fetched {
            harness.fake.server_socket("bot").drop_connection();
            harness.wait_until_closed("bot").await;
        }
        let post = |harness: &Harness, channel: &str| {
            if fetched {
                let at = harness.fake.last_post_at(channel).max(2_000_000) + 1;
                harness.fake.post(channel, at).to_string()
            } else {
                harness.fake.post_live("bot", channel).to_string()
            }
        };
        let behind: Vec<_> = (0..300).map(|_| post(harness, "stuck")).collect();
        let others: Vec<_> = (0..40).map(|n| post(harness, ["town", "direct"][n % 2])).collect();
        harness.advance(30 * SECOND).await;
        let received = harness.sink.received_labels();
        assert!(others.iter().all(|post| received.contains(post)), "{queue}: others wait: {received:?}");
        assert_eq!(harness.count("bot", "channel_postponed"), 1);
        assert_eq!(harness.state("bot").await, AccountState::Ready);
        harness.sink.set_behavior(SinkBehavior::Immediate);
        harness.sink.wait_for_posts(340).await;
        harness.advance(60 * SECOND).await;
        let received: Vec<_> = harness.sink.posts();
        let in_channel = |channel: &str| {
            let posts = received.iter().filter(|post| post.channel.as_str() == channel);
            posts.map(|post| post.id.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(in_channel("stuck"), behind);
        assert_eq!(received.len(), 340, "each once");
        assert_eq!(harness.state("bot").await, AccountState::Ready);
    });
}

#[test]
fn a_channel_with_a_failing_event_leaves_half_of_the_permits_to_the_others() {
    for queue in [4, 64, 256] {
        one_channel_does_not_silence_the_others(SinkBehavior::RetryIn("stuck"), queue, false);
    }
}

#[test]
fn a_channel_with_a_slow_event_leaves_half_of_the_permits_to_the_others() {
    for fetched in [false, true] {
        let slow = SinkBehavior::DelayedIn("stuck", 45 * SECOND);
        one_channel_does_not_silence_the_others(slow, 256, fetched);
    }
}

#[test]
fn a_fetched_channel_with_a_failing_event_leaves_half_of_the_permits_to_the_others() {
    for queue in [4, 256] {
        one_channel_does_not_silence_the_others(SinkBehavior::RetryIn("stuck"), queue, true);
    }
}

#[test]
fn a_channel_that_waits_is_shown_and_neither_stalls_nor_ends_the_account() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.sink.set_behavior(SinkBehavior::Hold("c1"));
        harness.ready("bot").await;
        harness.fake.server_socket("bot").post("c1", "p1");
        harness.fake.server_socket("bot").post("c2", "p2");
        assert_eq!(harness.sink.wait_for_posts(1).await, ["p2"]);
        let snapshot = harness.snapshot("bot").await;
        let waiting = snapshot.waiting_channels.unwrap();
        assert_eq!((snapshot.state, waiting.count), (AccountState::Ready, 1));
        let WaitingEvent { channel, event, cause, attempts: 1, .. } = waiting.oldest else { panic!() };
        assert_eq!((channel.as_str(), &*event, &*cause), ("c1", "p1", "sink hook: 500"));
        harness.sink.set_behavior(SinkBehavior::Immediate);
        harness.send(RetryDeliveries(name("bot"))).await.unwrap();
        assert_eq!(harness.sink.wait_for_posts(2).await, ["p2", "p1"], "it does not wait for an hour");
        assert_eq!(harness.snapshot("bot").await.waiting_channels, None);
        assert_eq!((harness.count("bot", "stalled"), harness.count("bot", "closed")), (0, 0));
    });
}

#[test]
fn a_shutdown_does_not_wait_for_retries_that_are_far_away() {
    for (after, is_waited_for) in [(60 * SECOND, false), (SECOND / 2, true)] {
        run_paused(settings(), unlimited_rate(), async |harness| {
            harness.sink.set_behavior(SinkBehavior::RetryAfter(after));
            harness.host("bot").await;
            harness.wait_for("bot", |fact| matches!(fact, Fact::Stalled { .. })).await;
            let began = tokio::time::Instant::now();
            let report = harness.send(Shutdown { deadline: 30 * SECOND }).await;
            let took = began.elapsed();
            assert_eq!(report.abandoned, [name("bot")]);
            assert_eq!(took > 10 * SECOND, is_waited_for, "{took:?}");
        });
    }
}

#[test]
fn a_rejected_event_is_reported_and_skipped() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.sink.set_behavior(SinkBehavior::Reject);
        harness.fake.server_socket("bot").post("c1", "p1");
        harness.wait_for("bot", |fact| matches!(fact, Fact::Rejected { .. })).await;
        harness.sink.set_behavior(SinkBehavior::Immediate);
        harness.fake.server_socket("bot").post("c1", "p2");
        assert_eq!(harness.sink.wait_for_posts(1).await, ["p2"]);
    });
}

#[test]
fn a_gap_and_an_unreadable_frame_are_reported_and_end_nothing() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.fake.server_socket("bot").skip_sequence_number();
        harness.fake.server_socket("bot").post("c1", "p1");
        let gap = harness.wait_for("bot", |fact| matches!(fact, Fact::SequenceGap { .. })).await;
        assert_eq!(gap, Fact::SequenceGap { expected: 1, got: 2 });
        harness.fake.server_socket("bot").send_text("not json");
        harness.wait_for("bot", |fact| matches!(fact, Fact::Unreadable { .. })).await;
        harness.fake.server_socket("bot").post("c1", "p2");
        assert_eq!(harness.sink.wait_for_posts(2).await, ["p1", "p2"]);
        assert_eq!(harness.count("bot", "closed"), 0);
    });
}

#[test]
fn what_came_before_a_gap_in_the_same_turn_does_not_wait_for_what_was_lost() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        // No catch-up ends any more.
        harness.fake.fail_lists(Some(RestErrorKind::Server(500)));
        let socket = harness.fake.server_socket("bot");
        socket.post("c1", "p1");
        socket.skip_sequence_number();
        socket.post("c1", "p2");
        harness.wait_for("bot", |fact| matches!(fact, Fact::SequenceGap { .. })).await;
        assert_eq!(harness.sink.wait_for_posts(1).await, ["p1"]);
        harness.fake.fail_lists(None);
        assert_eq!(harness.sink.wait_for_posts(2).await, ["p1", "p2"]);
    });
}

#[test]
fn what_came_before_the_end_in_the_same_turn_is_delivered() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        let socket = harness.fake.server_socket("bot");
        socket.post("c1", "p1");
        socket.send_text(r#"{"status":"FAIL","seq_reply":99,"error":{"status_code":401}}"#);
        let deaf = |fact: &Fact| matches!(fact, Fact::Closed { reason: CloseReason::Deaf { .. }, .. });
        harness.wait_for("bot", deaf).await;
        assert_eq!(harness.sink.wait_for_posts(1).await, ["p1"]);
    });
}

#[test]
fn each_turn_of_a_socket_has_its_own_time() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.fake.add_channel("c", &["bot"]);
        harness.ready("bot").await;
        harness.fake.post_live("bot", "c");
        harness.sink.wait_for_posts(1).await;
        let between = SystemTime::now();
        // The time of an event is that of the machine, which may be coarse.
        while SystemTime::now() <= between {
            std::hint::spin_loop();
        }
        harness.fake.post_live("bot", "c");
        harness.sink.wait_for_posts(2).await;
        let events = harness.sink.events();
        let at: Vec<_> =
            events.iter().filter(|event| event.body.post.is_some()).map(|event| event.received_at).collect();
        assert!(at[0] <= between && between < at[1], "{at:?} {between:?}");
    });
}
