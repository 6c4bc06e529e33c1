//! The table of endings, row by row: what each costs, and what follows.

use std::time::Duration;

use matterhost_actors::{
    hosting::{RestartAccount, StopAccount},
    mattermost::{DialErrorKind, RestErrorKind},
    model::{AccountState, CloseReason, Fact, Misconfiguration, ResumePoint},
    policy::RestartSettings,
};

use crate::stage::{Answer, SECOND, Stage, bots, name, play, settings, wide_open, with_restart};

/// Hosts a bot whose first connect fails so, and gives back how it ended and what is scheduled.
async fn first_end(stage: &mut Stage, answer: RestErrorKind) -> (CloseReason, bool) {
    stage.world.next_answers([Answer::Fail(answer)]);
    stage.host("bot").await;
    stage.until_closed("bot").await
}

#[test]
fn an_operators_stop_rests_until_somebody_starts_it() {
    play(settings(), wide_open(), async |stage| {
        stage.ready("bot").await;
        stage.ask(StopAccount(name("bot"))).await.unwrap();
        assert_eq!(stage.until_closed("bot").await, (CloseReason::OperatorStop, false));
        stage.pass(SECOND).await;
        assert_eq!(stage.world.peer("bot").heard(), ["close 1000"]);
        stage.pass(3_600 * SECOND).await;
        assert_eq!(stage.state("bot").await, AccountState::Stopped);
        stage.ask(matterhost_actors::hosting::StartAccount(name("bot"))).await.unwrap();
        stage.until_ready("bot").await;
    });
}

#[test]
fn an_operators_restart_is_free_and_at_once() {
    play(settings(), wide_open(), async |stage| {
        stage.ready("bot").await;
        stage.ask(RestartAccount(name("bot"))).await.unwrap();
        assert_eq!(stage.until_closed("bot").await, (CloseReason::OperatorRestart, false));
        assert_eq!(stage.until_scheduled("bot").await, (Duration::ZERO, false));
        stage.until_ready("bot").await;
    });
}

#[test]
fn transient_failures_before_ready_are_free_and_go_on_for_ever() {
    for (answer, reason) in [
        (RestErrorKind::Timeout, CloseReason::Timeout),
        (RestErrorKind::Server(503), CloseReason::ServerError { status: 503 }),
    ] {
        let budget = with_restart(RestartSettings { max_restarts: 0, ..Default::default() });
        play(budget, wide_open(), async |stage| {
            stage.world.next_answers((0..40).map(|_| Answer::Fail(answer)));
            stage.host("bot").await;
            for n in 0..40u32 {
                assert_eq!(stage.until_closed("bot").await, (reason.clone(), false));
                let wait = SECOND * 2u32.pow(n.min(6)).min(60);
                assert_eq!(stage.until_scheduled("bot").await, (wait, false));
            }
            stage.until_ready("bot").await;
        });
    }
}

#[test]
fn a_429_waits_for_retry_after() {
    play(settings(), wide_open(), async |stage| {
        let retry_after = Some(30 * SECOND);
        let ended = first_end(stage, RestErrorKind::RateLimited { retry_after }).await;
        assert_eq!(ended, (CloseReason::RateLimited { retry_after }, false));
        assert_eq!(stage.until_scheduled("bot").await, (30 * SECOND, false));
        stage.until_ready("bot").await;
    });
}

#[test]
fn what_no_retry_can_mend_is_misconfigured_and_asked_slowly() {
    for (answer, what) in [
        (RestErrorKind::Tls, Misconfiguration::Tls),
        (RestErrorKind::NotFound, Misconfiguration::NotFound),
        (RestErrorKind::NotJson, Misconfiguration::NotMattermost),
        (RestErrorKind::Redirect, Misconfiguration::Redirect),
        (RestErrorKind::Refused(403), Misconfiguration::Refused),
    ] {
        play(settings(), wide_open(), async |stage| {
            let ended = first_end(stage, answer).await;
            assert_eq!(ended, (CloseReason::Misconfigured(what), false));
            let (after, _) = stage.until_scheduled("bot").await;
            assert!(after >= 4 * SECOND && after <= 6 * SECOND, "{after:?}");
            assert_eq!(stage.state("bot").await, AccountState::Misconfigured);
            stage.until_ready("bot").await;
        });
    }
}

#[test]
fn a_token_of_somebody_else_stops_the_account() {
    play(settings(), wide_open(), async |stage| {
        stage.ready("bot").await;
        stage.world.next_answers([Answer::SomebodyElse]);
        let (reason, charged) = stage.until_closed("bot").await;
        let now = "id-somebody-else".into();
        assert_eq!((reason, charged), (CloseReason::IdentityChanged { was: "id-bot".into(), now }, false));
        stage.pass(3_600 * SECOND).await;
        assert_eq!(stage.state("bot").await, AccountState::Stopped);
    });
}

#[test]
fn a_token_of_somebody_else_is_noticed_at_a_reconnect_too() {
    play(settings(), wide_open(), async |stage| {
        stage.ready("bot").await;
        stage.world.next_answers([Answer::SomebodyElse]);
        stage.world.peer("bot").cut();
        stage.until_closed("bot").await;
        assert!(matches!(stage.until_closed("bot").await.0, CloseReason::IdentityChanged { .. }));
        stage.until("bot", |fact| *fact == Fact::Stopped).await;
    });
}

#[test]
fn failed_dials_are_told_apart() {
    use DialErrorKind as K;
    let refused = |status| K::Refused { status, retry_after: None };
    for (kind, reason) in [
        (K::Timeout, CloseReason::Timeout),
        (K::Tls, CloseReason::Misconfigured(Misconfiguration::Tls)),
        (K::Redirect, CloseReason::Misconfigured(Misconfiguration::Redirect)),
        (K::NotWebSocket, CloseReason::Misconfigured(Misconfiguration::NotMattermost)),
        (refused(401), CloseReason::Unauthorized),
        (refused(404), CloseReason::Misconfigured(Misconfiguration::NotFound)),
        (refused(429), CloseReason::RateLimited { retry_after: None }),
        (refused(400), CloseReason::Misconfigured(Misconfiguration::Refused)),
        (refused(502), CloseReason::ServerError { status: 502 }),
    ] {
        play(settings(), wide_open(), async |stage| {
            stage.world.next_dials_fail([kind]);
            stage.host("bot").await;
            assert_eq!(stage.until_closed("bot").await, (reason, false), "{kind:?}");
            stage.until_ready("bot").await;
        });
    }
}

#[test]
fn no_hello_while_rest_is_fine_is_free() {
    play(settings(), wide_open(), async |stage| {
        stage.world.next_dial_brings_no_hello();
        stage.host("bot").await;
        assert_eq!(stage.until_closed("bot").await, (CloseReason::HelloOverdue, false));
        stage.world.next_dial_drops_before_hello();
        assert_eq!(stage.until_closed("bot").await, (CloseReason::DroppedBeforeReady, false));
        stage.until_ready("bot").await;
    });
}

#[test]
fn no_hello_because_of_a_401_is_blocked() {
    play(settings(), wide_open(), async |stage| {
        stage.world.next_dial_drops_before_hello();
        stage.world.add_user("bot");
        // The baseline still came; the account was disabled on the way to the hello (fact 1).
        let (release, held) = tokio::sync::oneshot::channel();
        stage.world.next_answers([Answer::Held(held), Answer::Fail(RestErrorKind::Unauthorized)]);
        stage.host("bot").await;
        release.send(()).ok();
        assert_eq!(stage.until_closed("bot").await, (CloseReason::Unauthorized, false));
    });
}

#[test]
fn a_drop_after_a_long_ready_run_is_free_and_resumes() {
    play(settings(), wide_open(), async |stage| {
        stage.ready("bot").await;
        stage.pass(60 * SECOND).await;
        let peer = stage.world.peer("bot");
        peer.post("c1", "p1");
        stage.sink.until_posts(1).await;
        peer.cut();
        let (reason, charged) = stage.until_closed("bot").await;
        assert!(matches!(reason, CloseReason::Dropped { .. }) && !charged);
        assert_eq!(stage.until_scheduled("bot").await, (SECOND, true));
        let welcome = stage.until("bot", |fact| matches!(fact, Fact::Connected { .. })).await;
        assert_eq!(welcome, Fact::Connected { resumed: true });
        let point = ResumePoint { connection_id: "connection-1".into(), next_seq: 2 };
        assert_eq!(stage.world.resumes("bot"), [None, Some(point)]);
    });
}

#[test]
fn a_resume_that_the_server_forgot_is_told() {
    play(settings(), wide_open(), async |stage| {
        stage.ready("bot").await;
        stage.world.peer("bot").close(1001);
        assert_eq!(stage.until_closed("bot").await.0, CloseReason::Closed { code: Some(1001) });
        // The fake knows only connections that were cut, and this one was not: it says hello with another id.
        stage.world.forget_connections("bot");
        stage.until("bot", |fact| *fact == Fact::ResumeLost).await;
        stage.until_ready("bot").await;
    });
}

#[test]
fn an_account_that_was_touched_while_away_is_not_resumed() {
    play(settings(), wide_open(), async |stage| {
        stage.ready("bot").await;
        stage.world.peer("bot").cut();
        stage.until_closed("bot").await;
        stage.world.touch("bot");
        stage.until_ready("bot").await;
        assert_eq!(stage.world.resumes("bot"), [None, None], "fact 5");
    });
}

#[test]
fn flapping_is_charged_and_trips_exactly_that_account() {
    let budget = with_restart(RestartSettings { max_restarts: 2, ..Default::default() });
    play(budget, wide_open(), async |stage| {
        stage.ready("other").await;
        stage.ready("bot").await;
        for _ in 0..2 {
            stage.pass(20 * SECOND).await;
            stage.world.peer("bot").cut();
            assert!(stage.until_closed("bot").await.1, "charged");
            stage.until_ready("bot").await;
        }
        assert_eq!(stage.snapshot("bot").await.budget_left, 0);
        stage.pass(59 * SECOND).await;
        stage.world.peer("bot").cut();
        let tripped = stage.until("bot", |fact| matches!(fact, Fact::Tripped { .. })).await;
        assert_eq!(tripped, Fact::Tripped { cooldown: 300 * SECOND });
        assert_eq!(stage.state("bot").await, AccountState::Tripped);
        assert_eq!(stage.state("other").await, AccountState::Ready);
    });
}

#[test]
fn a_frame_over_the_limit_is_free_and_never_resumed() {
    play(settings(), wide_open(), async |stage| {
        stage.ready("bot").await;
        stage.world.peer("bot").post("c1", &"x".repeat(300 * 1024));
        let (reason, charged) = stage.until_closed("bot").await;
        assert_eq!((reason, charged), (CloseReason::Oversized { limit: 256 * 1024 }, false));
        assert!(!stage.until_scheduled("bot").await.1, "fact 27");
        stage.until_ready("bot").await;
    });
}

#[test]
fn a_broken_protocol_is_a_fault() {
    play(settings(), wide_open(), async |stage| {
        stage.ready("bot").await;
        stage.world.peer("bot").babble();
        let (reason, charged) = stage.until_closed("bot").await;
        assert!(matches!(reason, CloseReason::Protocol { .. }) && charged, "{reason}");
        assert!(!stage.until_scheduled("bot").await.1);
        stage.until_ready("bot").await;
    });
}

#[test]
fn a_server_that_drops_everyone_three_times_in_a_minute_trips_nobody() {
    let budget = with_restart(RestartSettings { max_restarts: 1, ..Default::default() });
    play(budget, wide_open(), async |stage| {
        let bots = bots(4);
        for bot in &bots {
            stage.ready(bot).await;
        }
        for _ in 0..3 {
            stage.pass(15 * SECOND).await;
            stage.world.drop_everyone();
            stage.until_all_ready(&bots).await;
        }
        for bot in &bots {
            let snapshot = stage.snapshot(bot).await;
            assert_eq!((snapshot.state, snapshot.restarts_in_window), (AccountState::Ready, 0), "{bot}");
            assert_eq!(stage.count(bot, "tripped"), 0, "{bot}");
        }
    });
}

#[test]
fn a_server_that_is_down_costs_nobody_anything_not_even_a_lone_account() {
    play(settings(), wide_open(), async |stage| {
        stage.ready("bot").await;
        stage.world.stop();
        stage.until_server(|fact| *fact == Fact::ServerDown).await;
        stage.pass(600 * SECOND).await;
        assert_eq!(stage.snapshot("bot").await.restarts_in_window, 0);
        stage.world.start();
        stage.until_ready("bot").await;
        assert_eq!(stage.count("bot", "refunded") + stage.count("bot", "tripped"), 0);
    });
}
