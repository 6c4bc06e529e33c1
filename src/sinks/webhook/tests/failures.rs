//! Handlers that fail on one event, on all, or for a while.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::{FutureExt as _, future::BoxFuture};
use matterhost_actors::{
    model::{AccountName, AccountState, Found, Lookup, OutgoingAction, PostedIds, ReplyError},
    ports::Poster,
};

use super::*;
use crate::{config::AttemptLimits, sinks::tests::fixtures::FailingPoster};

fn retry_delay(outcome: Outcome) -> Duration {
    match outcome {
        Outcome::Retry { after, .. } | Outcome::Hold { after, .. } => after,
        other => panic!("{other:?}"),
    }
}

/// A webhook that keeps its dead letters in a directory.
fn start_with_letters(server: &Server, change: impl FnOnce(&mut WebhookConfig)) -> (Webhook, DeadLetters) {
    let dir = tempfile::tempdir().unwrap().keep();
    let letters = DeadLetters::for_sink("hook", &DeadLetterConfig { dir, max_size: 1 << 20, keep: 2 });
    let mut config = config(server, 1);
    change(&mut config);
    let deps = HandlerDeps { dead_letters: Some(letters.clone()), ..handler_deps("hook") };
    (Webhook::start(config, deps).unwrap(), letters)
}

#[tokio::test]
async fn an_event_that_always_fails_becomes_a_dead_letter_with_what_the_handler_said() {
    let server = Server::start(|request| {
        let is_bad = request.ids() == ["bad"];
        if is_bad { FakeResponse::Answer(500, "", b"no such table".into()) } else { ok() }
    });
    let limits = AttemptLimits { max_attempts: 3, ..AttemptLimits::default() };
    let (hook, letters) = start_with_letters(&server, |config| config.attempts = limits);
    let last = loop {
        match outcome(hook.deliver(&post("c", "bad"))).await {
            Outcome::Retry { .. } | Outcome::Hold { .. } => {
                assert_eq!(delivered(&hook, &post("d", "good")).await, Outcome::Acknowledged);
            }
            last => break last,
        }
    };
    let Outcome::Rejected { cause } = last else { panic!("not given up: {last:?}") };
    let said = "the handler answered 500 Internal Server Error: no such table; given up after 3 attempts";
    assert!(cause.contains(said), "{cause}");
    assert_eq!(server.requests().iter().filter(|request| request.ids() == ["bad"]).count(), 3);
    let kept = letters.list().unwrap();
    assert_eq!((kept.len(), kept[0].id().as_deref()), (1, Some("bad")));
    assert!(kept[0].cause.starts_with(said), "{}", kept[0].cause);
    assert_eq!(delivered(&hook, &post("c", "next")).await, Outcome::Acknowledged);
}

#[tokio::test]
async fn a_handler_that_answers_500_to_everything_loses_no_event() {
    let broken = Arc::new(AtomicBool::new(true));
    let is_broken = Arc::clone(&broken);
    let server =
        Server::start(
            move |_| {
                if is_broken.load(Ordering::Acquire) { status_response(500, "") } else { ok() }
            },
        );
    for batch in [1, 4] {
        broken.store(true, Ordering::Release);
        let (hook, letters) = start_with_letters(&server, |config| config.batch = batch);
        for _ in 0..3 * AttemptLimits::default().max_attempts {
            for channel in ["c", "d", "e"] {
                let next = outcome(hook.deliver(&post(channel, channel))).await;
                assert!(matches!(next, Outcome::Retry { .. } | Outcome::Hold { .. }), "{next:?}");
            }
        }
        broken.store(false, Ordering::Release);
        for channel in ["c", "d", "e"] {
            assert_eq!(delivered(&hook, &post(channel, channel)).await, Outcome::Acknowledged);
        }
        assert!(letters.list().unwrap().is_empty());
    }
}

#[tokio::test]
async fn an_event_that_fails_a_batch_goes_alone_and_the_others_are_accepted() {
    let server = Server::start(|request| {
        if request.ids().contains(&"bad".to_owned()) { status_response(500, "") } else { ok() }
    });
    let (hook, letters) = start_with_letters(&server, |config| {
        config.batch = 8;
        config.attempts.max_attempts = 2;
    });
    let events: Vec<_> = ["good", "bad", "fine"].map(|id| post(id, id)).into();
    let first: Vec<_> = events.iter().map(|event| hook.deliver(event)).collect();
    for given in first {
        outcome(given).await;
    }
    for id in ["good", "fine"] {
        assert_eq!(delivered(&hook, &post(id, id)).await, Outcome::Acknowledged);
    }
    let last = loop {
        match outcome(hook.deliver(&post("bad", "bad"))).await {
            Outcome::Retry { .. } | Outcome::Hold { .. } => {
                assert_eq!(delivered(&hook, &post("d", "more")).await, Outcome::Acknowledged);
            }
            last => break last,
        }
    };
    assert!(matches!(last, Outcome::Rejected { .. }), "{last:?}");
    assert_eq!(letters.list().unwrap().len(), 1);
}

#[tokio::test]
async fn an_event_that_kills_the_handler_is_given_up_while_others_are_accepted() {
    for response in [|| FakeResponse::Close, || status_response(502, ""), || status_response(503, "")] {
        let server = Server::start(move |request| if request.ids() == ["bad"] { response() } else { ok() });
        let limits = AttemptLimits { max_attempts: 3, ..AttemptLimits::default() };
        let hook = start(&server, |config| config.attempts = limits);
        let last = loop {
            match outcome(hook.deliver(&post("c", "bad"))).await {
                Outcome::Retry { .. } | Outcome::Hold { .. } => {
                    assert_eq!(delivered(&hook, &post("d", "good")).await, Outcome::Acknowledged);
                }
                last => break last,
            }
            assert!(server.requests().len() < 20);
        };
        assert!(matches!(last, Outcome::Rejected { .. }), "{last:?}");
    }
}

#[tokio::test]
async fn a_handler_in_trouble_loses_no_event() {
    for status in [401, 403, 404, 405, 410, 429, 451, 502, 503, 504, 302] {
        let in_trouble = Arc::new(AtomicBool::new(true));
        let trouble = Arc::clone(&in_trouble);
        let server =
            Server::start(
                move |_| {
                    if trouble.load(Ordering::Acquire) { status_response(status, "") } else { ok() }
                },
            );
        let hook = start(&server, |_| {});
        let event = post("c", "1");
        for _ in 0..2 * AttemptLimits::default().max_attempts {
            let cause = cause(outcome(hook.deliver(&event)).await);
            assert!(cause.contains(&status.to_string()), "{cause}");
        }
        in_trouble.store(false, Ordering::Release);
        assert_eq!(delivered(&hook, &event).await, Outcome::Acknowledged, "{status}");
    }
}

#[tokio::test]
async fn the_configured_statuses_refuse_an_event() {
    let server = server(vec![status_response(404, ""), status_response(400, "")]);
    let hook = start(&server, |config| config.reject_on = [404].into());
    assert!(matches!(delivered(&hook, &post("c", "1")).await, Outcome::Rejected { .. }));
    assert_eq!(delivered(&hook, &post("c", "2")).await, Outcome::Acknowledged);
}

#[tokio::test]
async fn a_pause_holds_the_channel_of_its_event_and_no_other() {
    let server = server(vec![status_response(429, "retry-after: 60\r\n")]);
    let hook = start(&server, |_| {});
    for _ in 0..3 {
        let after = retry_delay(outcome(hook.deliver(&post("c", "1"))).await);
        assert!(after > Duration::from_secs(50) && after <= Duration::from_secs(60), "{after:?}");
    }
    assert_eq!(delivered(&hook, &post("d", "2")).await, Outcome::Acknowledged);
    assert_eq!(server.requests().len(), 2, "the held channel got a request");
}

#[tokio::test]
async fn a_pause_holds_the_whole_sink_if_that_is_configured_and_ten_minutes_at_most() {
    let server = server(vec![status_response(503, "retry-after: 1800\r\n")]);
    let hook = start(&server, |config| config.retry_after = PauseScope::Sink);
    for event in [post("c", "1"), post("c", "1"), post("d", "2")] {
        let after = retry_delay(outcome(hook.deliver(&event)).await);
        assert!(after > Duration::from_secs(590) && after <= Duration::from_secs(600), "{after:?}");
    }
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_pause_of_the_whole_sink_holds_the_events_that_wait_for_a_slot() {
    for batch in [1, 3] {
        let server = Server::start(|_| status_response(429, "retry-after: 60\r\n"));
        server.hold(true);
        let hook = start(&server, |config| (config.batch, config.retry_after) = (batch, PauseScope::Sink));
        let mut first = Vec::new();
        for n in 0..4 {
            first.push(hook.deliver(&post(&format!("c{n}"), &n.to_string())));
            // One at a time, so that they are no batch.
            server.wait_for_requests(n + 1).await;
        }
        let more: Vec<_> = (4..40).map(|n| hook.deliver(&post(&format!("c{n}"), &n.to_string()))).collect();
        server.hold(false);
        for given in first.into_iter().chain(more) {
            let after = retry_delay(outcome(given).await);
            assert!(after > Duration::from_secs(50) && after <= Duration::from_secs(60), "{after:?}");
        }
        assert_eq!(server.requests().len(), 4, "{batch}: only what was under way");
    }
}

#[tokio::test]
async fn a_pause_of_the_whole_sink_holds_the_rest_of_a_batch_that_is_taken_apart() {
    let server = Server::start(|request| match &request.ids()[..] {
        [first] if first == "first" => ok(),
        [_] => status_response(429, "retry-after: 60\r\n"),
        _ => status_response(400, ""),
    });
    server.hold(true);
    let change = |config: &mut WebhookConfig| {
        (config.batch, config.concurrency, config.retry_after) = (5, 1, PauseScope::Sink);
    };
    let hook = start(&server, change);
    let first = hook.deliver(&post("c", "first"));
    server.wait_for_requests(1).await;
    let waiting: Vec<_> = ["1", "2", "3"].map(|id| hook.deliver(&post(id, id))).into();
    server.hold(false);
    assert_eq!(outcome(first).await, Outcome::Acknowledged);
    for given in waiting {
        assert!(retry_delay(outcome(given).await) > Duration::from_secs(50));
    }
    let sizes: Vec<_> = server.requests().iter().map(|request| request.ids().len()).collect();
    assert_eq!(sizes, [1, 3, 1]);
}

#[tokio::test]
async fn slow_channels_of_one_account_leave_slots_to_another() {
    let slow = Arc::new(AtomicBool::new(true));
    let is_slow = Arc::clone(&slow);
    let server = Server::start(move |request| {
        let of_slow_account = request.events()[0]["account"] == "slow";
        while of_slow_account && is_slow.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(2));
        }
        ok()
    });
    let hook = start(&server, |_| {});
    assert_eq!(delivered(&hook, &post_of("quick", "c", "first")).await, Outcome::Acknowledged);
    let waiting: Vec<_> =
        (0..16).map(|n| hook.deliver(&post_of("slow", &format!("c{n}"), &n.to_string()))).collect();
    server.wait_for_requests(4).await;
    for n in 0..20 {
        let event = post_of("quick", "c", &format!("q{n}"));
        assert_eq!(outcome(hook.deliver(&event)).await, Outcome::Acknowledged);
    }
    slow.store(false, Ordering::Release);
    for given in waiting {
        assert_eq!(outcome(given).await, Outcome::Acknowledged);
    }
}

#[tokio::test]
async fn an_account_that_has_left_keeps_no_slot_from_the_last_one() {
    let server = server(Vec::new());
    let deps = handler_deps("hook");
    let monitor = deps.monitor.clone();
    let hook = Webhook::start(config(&server, 1), deps).unwrap();
    assert_eq!(delivered(&hook, &post_of("left", "c", "first")).await, Outcome::Acknowledged);
    monitor.forget_account(&AccountName::new("left").unwrap());
    server.hold(true);
    let waiting: Vec<_> =
        (0..8).map(|n| hook.deliver(&post_of("last", &format!("c{n}"), &n.to_string()))).collect();
    server.wait_for_requests(1 + 4).await;
    server.hold(false);
    for given in waiting {
        assert_eq!(outcome(given).await, Outcome::Acknowledged);
    }
}

#[tokio::test]
async fn a_reply_that_cannot_be_posted_becomes_a_dead_letter_with_its_text() {
    let answer = br#"{"text":"the answer","in_thread":true,"response_type":"ephemeral","props":{"a":1}}"#;
    let refused = ReplyError::Refused { cause: "403".into() };
    let looping = ReplyError::LoopGuard { channel: "c".into(), limit: 20 };
    let account = || AccountName::new("helpdesk").unwrap();
    let away = ReplyError::TimedOut {
        account: account(),
        state: AccountState::Backoff,
        waited: Duration::from_secs(900),
        cause: "503".into(),
        maybe_done: true,
    };
    let too_long = ReplyError::TooLong { characters: 400_000, limit: 163_830 };
    let full = ReplyError::QueueFull { account: account(), limit: "1000" };
    for (error, is_kept) in [
        (refused, true),
        (away, true),
        (too_long, true),
        (full, true),
        (ReplyError::Stopped(account()), true),
        (ReplyError::Interrupted(account()), true),
        (looping, false),
    ] {
        let server = Server::start(|_| FakeResponse::Answer(200, JSON, answer.to_vec()));
        let dir = tempfile::tempdir().unwrap().keep();
        let letters = DeadLetters::for_sink("hook", &DeadLetterConfig { dir, max_size: 1 << 20, keep: 2 });
        let said = error.to_string();
        let poster = Arc::new(FailingPoster(error));
        let deps = HandlerDeps { poster, unposted: Some(letters.clone()), ..handler_deps("hook") };
        let hook = Webhook::start(config(&server, 1), deps).unwrap();
        assert_eq!(delivered(&hook, &post("c", "1")).await, Outcome::Acknowledged);
        let kept = letters.list().unwrap();
        assert_eq!(kept.len(), usize::from(is_kept));
        let Some(letter) = kept.first() else { continue };
        assert!(*letter.cause == *said && letter.id().as_deref() == Some("1"), "{letter:?}");
        let reply = letter.reply.clone().unwrap();
        assert_eq!((&*reply.text, reply.props["a"].clone()), ("the answer", 1.into()));
        assert_eq!(reply.thread.unwrap().as_str(), "1");
        assert_eq!(reply.reader.unwrap().as_str(), "ann");
    }
}

#[tokio::test]
async fn replies_that_wait_hold_no_slot() {
    let answer = br#"{"text":"later"}"#;
    let server = Server::start(|request| {
        let is_answered = request.events()[0]["subject"] == "c";
        if is_answered { FakeResponse::Answer(200, JSON, answer.to_vec()) } else { ok() }
    });
    let deps = HandlerDeps { poster: Arc::new(StuckPoster), ..handler_deps("hook") };
    let mut one_slot = config(&server, 1);
    one_slot.concurrency = 1;
    let hook = Webhook::start(one_slot, deps).unwrap();
    let waiting = hook.deliver(&post("c", "1"));
    assert_eq!(delivered(&hook, &post("d", "2")).await, Outcome::Acknowledged);
    drop(waiting);
}

/// A poster that never answers.
pub(super) struct StuckPoster;

impl Poster for StuckPoster {
    fn post(&self, _: &AccountName, _: OutgoingAction) -> BoxFuture<'static, Result<PostedIds, ReplyError>> {
        std::future::pending().boxed()
    }

    fn look_up(&self, _: &AccountName, _: Lookup) -> BoxFuture<'static, Result<Found, ReplyError>> {
        std::future::pending().boxed()
    }
}

#[tokio::test]
async fn an_event_gets_no_more_replies_than_it_may() {
    let list: Vec<_> = (0..40).map(|n| serde_json::json!({ "text": n.to_string() })).collect();
    let body = serde_json::to_vec(&list).unwrap();
    let (outcome, replies) = replies(FakeResponse::Answer(200, JSON, body)).await;
    assert_eq!((outcome, replies.len()), (Outcome::Acknowledged, MAX_POSTS_PER_EVENT));
}

#[tokio::test]
async fn a_failure_on_an_event_holds_its_channel_and_a_trouble_of_the_handler_holds_all() {
    for (status, holds_all) in [(500, false), (408, false), (401, true), (404, true), (503, true)] {
        let server = server(vec![status_response(status, "")]);
        let hook = start(&server, |_| {});
        let outcome = outcome(hook.deliver(&post("c", "1"))).await;
        let found = match outcome {
            Outcome::Hold { .. } => false,
            Outcome::Retry { .. } => true,
            other => panic!("{status}: {other:?}"),
        };
        assert_eq!(found, holds_all, "{status}");
    }
}

#[tokio::test]
async fn an_operator_ends_the_pause_of_a_channel_and_of_the_sink() {
    for scope in [PauseScope::Channel, PauseScope::Sink] {
        let server = server(vec![status_response(503, "retry-after: 600\r\n")]);
        let deps = handler_deps("hook");
        let monitor = deps.monitor.clone();
        let config = WebhookConfig { retry_after: scope, ..config(&server, 1) };
        let hook = Webhook::start(config, deps).unwrap();
        let event = post("c", "1");
        for _ in 0..2 {
            assert!(retry_delay(outcome(hook.deliver(&event)).await) > Duration::from_secs(500), "{scope:?}");
        }
        monitor.request_retry();
        hook.end_pause();
        assert_eq!(outcome(hook.deliver(&event)).await, Outcome::Acknowledged, "{scope:?}");
    }
}
