//! Tests of the table of endings, row by row: the charge and the restart of each.

use std::time::Duration;

use matterhost_actors::{
    hosting::{RestartAccount, StartAccount, StopAccount},
    mattermost::{DialErrorKind, RestErrorKind},
    model::{AccountState, CloseReason, Fact, MAX_EXCERPT_CHARS, Misconfiguration, ResumePoint, Token},
    policy::RestartSettings,
};

use crate::harness::{
    Harness, SECOND, UserReply, bots, name, run_paused, settings, unlimited_rate, with_restart,
};

/// Hosts a bot whose first request gets `answer`. Returns the reason of the ending, and true if it was charged.
async fn first_ending(harness: &mut Harness, answer: RestErrorKind) -> (CloseReason, bool) {
    harness.fake.script_user_replies([UserReply::Fail(answer)]);
    harness.host("bot").await;
    harness.wait_until_closed("bot").await
}

#[test]
fn an_operators_stop_lasts_until_a_start() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.send(StopAccount(name("bot"))).await.unwrap();
        assert_eq!(harness.wait_until_closed("bot").await, (CloseReason::OperatorStop, false));
        harness.advance(SECOND).await;
        assert_eq!(harness.fake.server_socket("bot").received(), ["close 1000"]);
        harness.advance(3_600 * SECOND).await;
        assert_eq!(harness.state("bot").await, AccountState::Stopped);
        harness.send(StartAccount(name("bot"))).await.unwrap();
        harness.wait_until_ready("bot").await;
    });
}

#[test]
fn an_operators_restart_is_free_and_at_once() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.send(RestartAccount(name("bot"))).await.unwrap();
        assert_eq!(harness.wait_until_closed("bot").await, (CloseReason::OperatorRestart, false));
        assert_eq!(harness.wait_until_scheduled("bot").await, (Duration::ZERO, false));
        harness.wait_until_ready("bot").await;
    });
}

#[test]
fn transient_failures_before_ready_are_free_and_retried_for_ever() {
    for (answer, reason) in [
        (RestErrorKind::Timeout, CloseReason::Timeout),
        (RestErrorKind::Server(503), CloseReason::ServerError { status: 503 }),
    ] {
        let budget = with_restart(RestartSettings { max_restarts: 0, ..Default::default() });
        run_paused(budget, unlimited_rate(), async |harness| {
            harness.fake.script_user_replies((0..40).map(|_| UserReply::Fail(answer)));
            harness.host("bot").await;
            for n in 0..40u32 {
                assert_eq!(harness.wait_until_closed("bot").await, (reason.clone(), false));
                let wait = SECOND * 2u32.pow(n.min(6)).min(60);
                assert_eq!(harness.wait_until_scheduled("bot").await, (wait, false));
            }
            harness.wait_until_ready("bot").await;
        });
    }
}

#[test]
fn a_429_waits_for_retry_after() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        let retry_after = Some(30 * SECOND);
        let ended = first_ending(harness, RestErrorKind::RateLimited { retry_after }).await;
        assert_eq!(ended, (CloseReason::RateLimited { retry_after }, false));
        assert_eq!(harness.wait_until_scheduled("bot").await, (30 * SECOND, false));
        harness.wait_until_ready("bot").await;
    });
}

#[test]
fn a_permanent_error_is_misconfigured_and_retried_slowly() {
    for (answer, what) in [
        (RestErrorKind::Tls, Misconfiguration::Tls),
        (RestErrorKind::NotFound, Misconfiguration::NotFound),
        (RestErrorKind::NotJson, Misconfiguration::NotMattermost),
        (RestErrorKind::TooLarge, Misconfiguration::Unreadable),
        (RestErrorKind::BadBody, Misconfiguration::Unreadable),
        (RestErrorKind::Proxy, Misconfiguration::Proxy),
        (RestErrorKind::Redirect, Misconfiguration::Redirect),
        (RestErrorKind::Refused(403), Misconfiguration::Refused),
    ] {
        run_paused(settings(), unlimited_rate(), async |harness| {
            let ended = first_ending(harness, answer).await;
            // The cause is kept, whatever it is.
            let cause = format!("/users/me: {answer}: scripted");
            assert_eq!(ended, (CloseReason::Misconfigured { what, cause }, false));
            let (after, _) = harness.wait_until_scheduled("bot").await;
            assert!(after >= 4 * SECOND && after <= 6 * SECOND, "{after:?}");
            assert_eq!(harness.state("bot").await, AccountState::Misconfigured);
            harness.wait_until_ready("bot").await;
        });
    }
}

#[test]
fn a_token_of_another_user_stops_the_account() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.fake.script_user_replies([UserReply::OtherUser]);
        let (reason, charged) = harness.wait_until_closed("bot").await;
        let now = "id-somebody-else".into();
        assert_eq!((reason, charged), (CloseReason::IdentityChanged { was: "id-bot".into(), now }, false));
        harness.advance(3_600 * SECOND).await;
        assert_eq!(harness.state("bot").await, AccountState::Stopped);
    });
}

#[test]
fn a_token_of_another_user_is_noticed_at_a_reconnect_too() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        // A drop that is not flapping is not looked into.
        harness.advance(60 * SECOND).await;
        harness.fake.script_user_replies([UserReply::OtherUser]);
        harness.fake.server_socket("bot").drop_connection();
        harness.wait_until_closed("bot").await;
        assert!(matches!(harness.wait_until_closed("bot").await.0, CloseReason::IdentityChanged { .. }));
        harness.wait_for("bot", |fact| *fact == Fact::Stopped).await;
    });
}

#[test]
fn failed_dials_have_distinct_reasons() {
    use DialErrorKind as K;
    let refused = |status| K::Refused { status, retry_after: None };
    let misconfigured =
        |kind: K, what| (kind, CloseReason::Misconfigured { what, cause: format!("{kind}: scripted") });
    for (kind, reason) in [
        (K::Timeout, CloseReason::Timeout),
        misconfigured(K::Tls, Misconfiguration::Tls),
        misconfigured(K::Proxy, Misconfiguration::Proxy),
        misconfigured(K::Redirect, Misconfiguration::Redirect),
        misconfigured(K::NotWebSocket, Misconfiguration::NotMattermost),
        (refused(401), CloseReason::Unauthorized),
        misconfigured(refused(404), Misconfiguration::NotFound),
        (refused(429), CloseReason::RateLimited { retry_after: None }),
        misconfigured(refused(400), Misconfiguration::Refused),
        (refused(502), CloseReason::ServerError { status: 502 }),
    ] {
        run_paused(settings(), unlimited_rate(), async |harness| {
            harness.fake.script_dial_failures([kind]);
            harness.host("bot").await;
            assert_eq!(harness.wait_until_closed("bot").await, (reason, false), "{kind:?}");
            harness.wait_until_ready("bot").await;
        });
    }
}

#[test]
fn no_hello_while_rest_is_fine_is_free() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.fake.script_dial_without_hello();
        harness.host("bot").await;
        assert_eq!(harness.wait_until_closed("bot").await, (CloseReason::HelloOverdue, false));
        harness.fake.script_dial_drop_before_hello();
        assert_eq!(harness.wait_until_closed("bot").await, (CloseReason::DroppedBeforeReady, false));
        harness.wait_until_ready("bot").await;
    });
}

#[test]
fn no_hello_because_of_a_401_is_blocked() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.fake.script_dial_drop_before_hello();
        harness.fake.add_user("bot");
        // The baseline arrived; the account was disabled before the hello (fact 1).
        let (release, held) = tokio::sync::oneshot::channel();
        harness
            .fake
            .script_user_replies([UserReply::Held(held), UserReply::Fail(RestErrorKind::Unauthorized)]);
        harness.host("bot").await;
        release.send(()).ok();
        assert_eq!(harness.wait_until_closed("bot").await, (CloseReason::Unauthorized, false));
    });
}

#[test]
fn a_drop_after_a_long_ready_run_is_free_and_resumes() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.advance(60 * SECOND).await;
        let socket = harness.fake.server_socket("bot");
        socket.post("c1", "p1");
        harness.sink.wait_for_posts(1).await;
        socket.drop_connection();
        let (reason, charged) = harness.wait_until_closed("bot").await;
        assert!(matches!(reason, CloseReason::Dropped { .. }) && !charged);
        assert_eq!(harness.wait_until_scheduled("bot").await, (SECOND, true));
        let connected = harness.wait_for("bot", |fact| matches!(fact, Fact::Connected { .. })).await;
        assert_eq!(connected, Fact::Connected { resumed: true });
        let point = ResumePoint { connection_id: "connection-1".into(), next_seq: 2, handled: Vec::new() };
        assert_eq!(harness.fake.resumes("bot"), [None, Some(point)]);
    });
}

#[test]
fn a_resume_that_the_server_forgot_is_reported() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.fake.server_socket("bot").close(1001);
        assert_eq!(harness.wait_until_closed("bot").await.0, CloseReason::Closed { code: Some(1001) });
        // The fake server forgets the connection, so its hello has another id.
        harness.fake.forget_connections("bot");
        harness.wait_for("bot", |fact| *fact == Fact::ResumeLost).await;
        harness.wait_until_ready("bot").await;
    });
}

#[test]
fn an_account_that_was_touched_while_away_is_not_resumed() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.fake.server_socket("bot").drop_connection();
        harness.wait_until_closed("bot").await;
        harness.fake.touch("bot");
        harness.wait_until_ready("bot").await;
        assert_eq!(harness.fake.resumes("bot"), [None, None], "fact 5");
    });
}

#[test]
fn flapping_is_charged_and_trips_exactly_that_account() {
    let budget = with_restart(RestartSettings { max_restarts: 2, ..Default::default() });
    run_paused(budget, unlimited_rate(), async |harness| {
        harness.ready("other").await;
        harness.ready("bot").await;
        for _ in 0..2 {
            harness.advance(20 * SECOND).await;
            harness.fake.server_socket("bot").drop_connection();
            assert!(harness.wait_until_closed("bot").await.1, "not charged");
            harness.wait_until_ready("bot").await;
        }
        assert_eq!(harness.snapshot("bot").await.budget_left, 0);
        harness.advance(59 * SECOND).await;
        harness.fake.server_socket("bot").drop_connection();
        let tripped = harness.wait_for("bot", |fact| matches!(fact, Fact::Tripped { .. })).await;
        assert_eq!(tripped, Fact::Tripped { cooldown: 300 * SECOND });
        assert_eq!(harness.state("bot").await, AccountState::Tripped);
        assert_eq!(harness.state("other").await, AccountState::Ready);
    });
}

#[test]
fn a_frame_over_the_limit_is_free_and_never_resumed() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.fake.server_socket("bot").post("c1", &"x".repeat(300 * 1024));
        let (reason, charged) = harness.wait_until_closed("bot").await;
        assert_eq!((reason, charged), (CloseReason::Oversized { limit: 256 * 1024 }, false));
        assert!(!harness.wait_until_scheduled("bot").await.1, "fact 27");
        harness.wait_until_ready("bot").await;
    });
}

#[test]
fn a_broken_protocol_is_a_fault() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.fake.server_socket("bot").send_garbage();
        let (reason, charged) = harness.wait_until_closed("bot").await;
        assert!(matches!(reason, CloseReason::Protocol { .. }) && charged, "{reason}");
        assert!(!harness.wait_until_scheduled("bot").await.1);
        harness.wait_until_ready("bot").await;
    });
}

#[test]
fn a_socket_that_brings_nothing_readable_is_ended_and_charged() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        let socket = harness.fake.server_socket("bot");
        let babble = format!(r#"{{"event":"x","seq":"{}"}}"#, "A".repeat(1_000));
        (0..15).for_each(|_| socket.send_text(&babble));
        socket.post("c1", "p1");
        harness.sink.wait_for_posts(1).await;
        assert_eq!(harness.count("bot", "closed"), 0, "a readable frame came between");
        (0..16).for_each(|_| socket.send_text(&babble));
        let (reason, charged) = harness.wait_until_closed("bot").await;
        let CloseReason::Protocol { cause } = reason else { panic!("{reason}") };
        assert!(charged && cause.starts_with("16 unreadable frames in a row"), "{cause}");
        assert!(!cause.contains("AAA"), "{cause}");
        harness.wait_until_ready("bot").await;
    });
}

#[test]
fn a_servers_text_is_shown_in_an_excerpt_without_escapes_or_tokens() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        let token = Token::new("aservermayrepeatthistoken1").unwrap();
        let id = format!("{}\\u001b]0;t\\u0007\\r\\nERROR {}", token.expose(), "x".repeat(100_000));
        let reply = format!(r#"{{"status":"FAIL","error":{{"id":"{id}","status_code":401}},"seq_reply":1}}"#);
        harness.fake.server_socket("bot").send_text(&reply);
        let (reason, _) = harness.wait_until_closed("bot").await;
        let CloseReason::Deaf { error } = reason else { panic!("{reason}") };
        assert_eq!(error.chars().count(), MAX_EXCERPT_CHARS);
        assert!(error.starts_with("…\u{fffd}]0;t\u{fffd}  ERROR xxx"), "{error}");
    });
}

#[test]
fn a_server_that_drops_everyone_three_times_in_a_minute_trips_no_account() {
    let budget = with_restart(RestartSettings { max_restarts: 1, ..Default::default() });
    run_paused(budget, unlimited_rate(), async |harness| {
        let bots = bots(4);
        for bot in &bots {
            harness.ready(bot).await;
        }
        for _ in 0..3 {
            harness.advance(15 * SECOND).await;
            harness.fake.drop_all_sockets();
            harness.wait_until_all_ready(&bots).await;
        }
        for bot in &bots {
            let snapshot = harness.snapshot(bot).await;
            assert_eq!((snapshot.state, snapshot.restarts_in_window), (AccountState::Ready, 0), "{bot}");
            assert_eq!(harness.count(bot, "tripped"), 0, "{bot}");
        }
    });
}

#[test]
fn a_server_that_is_down_charges_not_even_its_only_account() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.fake.stop();
        harness.wait_for_server_fact(|fact| *fact == Fact::ServerDown).await;
        harness.advance(600 * SECOND).await;
        assert_eq!(harness.snapshot("bot").await.restarts_in_window, 0);
        harness.fake.start();
        harness.wait_until_ready("bot").await;
        assert_eq!(harness.count("bot", "refunded") + harness.count("bot", "tripped"), 0);
    });
}
