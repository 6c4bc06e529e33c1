//! How a deaf or touched account is noticed.

use matterhost_actors::{
    hosting::{HealthSettings, HostSettings},
    mattermost::RestErrorKind,
    model::{AccountState, CloseReason, Fact},
    policy::RestartSettings,
};
use tokio::sync::oneshot;

use crate::stage::{Answer, PING, SECOND, play, settings, wide_open, with_restart};

fn only(poll: bool, ping: bool, witness: bool) -> HostSettings {
    HostSettings { health: HealthSettings { poll, ping, witness, ..HealthSettings::default() }, ..settings() }
}

#[test]
fn a_moved_update_at_ends_the_connection_and_a_fresh_one_is_not_resumed() {
    play(only(true, false, false), wide_open(), async |stage| {
        stage.ready("bot").await;
        stage.world.touch("bot");
        let (reason, charged) = stage.until_closed("bot").await;
        assert_eq!(reason, CloseReason::Stale { baseline: 1_000, seen: 1_001 });
        assert!(!charged);
        assert_eq!(stage.until_scheduled("bot").await, (SECOND, false));
        stage.until_ready("bot").await;
        assert_eq!(stage.world.resumes("bot"), [None, None]);
    });
}

#[test]
fn a_quick_disable_and_enable_between_two_polls_is_noticed() {
    play(only(true, false, false), wide_open(), async |stage| {
        stage.ready("bot").await;
        stage.world.disable("bot");
        stage.world.enable("bot");
        assert!(matches!(stage.until_closed("bot").await.0, CloseReason::Stale { .. }));
        stage.until_ready("bot").await;
    });
}

#[test]
fn two_quick_cycles_between_polls_cost_one_reconnect() {
    play(only(true, false, false), wide_open(), async |stage| {
        stage.ready("bot").await;
        for _ in 0..2 {
            stage.world.disable("bot");
            stage.world.enable("bot");
        }
        stage.until_closed("bot").await;
        stage.until_ready("bot").await;
        stage.pass(600 * SECOND).await;
        assert_eq!(stage.count("bot", "connecting"), 2);
    });
}

#[test]
fn a_cycle_between_the_baseline_and_the_hello_is_noticed_by_the_first_poll() {
    play(only(true, false, false), wide_open(), async |stage| {
        stage.world.next_dial_is_touched_before_hello();
        stage.ready("bot").await;
        let (reason, _) = stage.until_closed("bot").await;
        assert_eq!(reason, CloseReason::Stale { baseline: 1_000, seen: 1_002 });
    });
}

#[test]
fn a_late_answer_to_an_ended_connection_starts_nothing() {
    play(only(true, false, false), wide_open(), async |stage| {
        stage.ready("bot").await;
        let (release, held) = oneshot::channel();
        stage.world.next_answers([Answer::Held(held)]);
        let asked = stage.world.polls();
        while stage.world.polls() == asked {
            stage.pass(SECOND).await;
        }
        stage.world.peer("bot").cut();
        assert!(matches!(stage.until_closed("bot").await.0, CloseReason::Dropped { .. }));
        stage.until_ready("bot").await;
        stage.world.touch("bot");
        release.send(()).ok();
        let (reason, _) = stage.until_closed("bot").await;
        assert_eq!(reason, CloseReason::Stale { baseline: 1_000, seen: 1_001 }, "by the new one's own poll");
        stage.until_ready("bot").await;
        assert_eq!(stage.count("bot", "connecting"), 3);
    });
}

#[test]
fn a_bot_that_renames_itself_in_a_loop_reconnects_at_most_once_per_max_backoff() {
    play(only(true, false, true), wide_open(), async |stage| {
        stage.ready("sibling").await;
        stage.ready("bot").await;
        for _ in 0..3_600 {
            stage.world.touch("bot");
            stage.pass(SECOND).await;
        }
        let reconnects = stage.count("bot", "connecting");
        // Doubling from one second takes six steps to the longest delay of a minute.
        assert!((50..=67).contains(&reconnects), "{reconnects} in an hour");
        assert_eq!(stage.snapshot("bot").await.restarts_in_window, 0);
    });
}

#[test]
fn a_token_disabled_and_enabled_is_told_by_the_ping_alone() {
    play(settings(), wide_open(), async |stage| {
        stage.ready("bot").await;
        stage.world.toggle_token("bot");
        let (reason, charged) = stage.until_closed("bot").await;
        let error = "api.web_socket_router.not_authenticated.app_error".into();
        assert_eq!((reason, charged), (CloseReason::Deaf { error }, false));
        assert_eq!(
            stage.until_scheduled("bot").await,
            (SECOND, false),
            "a deaf socket is never resumed (fact 5)"
        );
        stage.until_ready("bot").await;
    });
}

#[test]
fn a_socket_that_answers_nothing_is_silent_ten_seconds_after_the_ping() {
    play(only(false, true, false), wide_open(), async |stage| {
        stage.ready("bot").await;
        let since = tokio::time::Instant::now();
        stage.world.peer("bot").mute();
        let (reason, charged) = stage.until_closed("bot").await;
        assert_eq!((reason, charged), (CloseReason::Silent, true), "ready for 40 s: flapping");
        assert_eq!(since.elapsed().as_secs(), 40);
    });
}

#[test]
fn each_witness_can_be_turned_off() {
    play(only(false, false, false), wide_open(), async |stage| {
        stage.ready("sibling").await;
        stage.ready("bot").await;
        let asked = stage.world.polls();
        stage.world.disable("bot");
        stage.world.enable("bot");
        stage.pass(3_600 * SECOND).await;
        assert_eq!((stage.count("bot", "closed"), stage.count("bot", "prompted")), (0, 0));
        assert_eq!(stage.world.polls(), asked);
        assert!(stage.world.peer("bot").heard().iter().all(|text| !text.contains(PING)));
    });
}

#[test]
fn a_sibling_that_sees_the_cycle_has_it_noticed_within_a_second() {
    play(only(true, false, true), wide_open(), async |stage| {
        stage.ready("sibling").await;
        stage.ready("bot").await;
        let since = tokio::time::Instant::now();
        stage.world.disable("bot");
        stage.world.enable("bot");
        stage.until_closed("bot").await;
        assert!(since.elapsed() <= SECOND, "{:?}", since.elapsed());
        assert_eq!(stage.count("sibling", "closed"), 0);
    });
}

#[test]
fn a_sibling_wakes_a_blocked_account_at_once() {
    play(only(true, false, true), wide_open(), async |stage| {
        stage.ready("sibling").await;
        stage.ready("bot").await;
        stage.world.disable("bot");
        stage.until("bot", |fact| *fact == Fact::Blocked).await;
        // Long enough that it is asked only every five minutes.
        stage.pass(3_000 * SECOND).await;
        let since = tokio::time::Instant::now();
        stage.world.enable("bot");
        stage.until_ready("bot").await;
        assert!(since.elapsed() < SECOND, "{:?}", since.elapsed());
    });
}

#[test]
fn a_guest_is_no_witness() {
    play(only(true, false, true), wide_open(), async |stage| {
        stage.world.add_user("guest");
        stage.world.make_guest("guest");
        stage.ready("guest").await;
        stage.ready("bot").await;
        stage.world.touch("bot");
        stage.until_closed("bot").await;
        assert_eq!(stage.count("bot", "prompted"), 0);
    });
}

#[test]
fn a_prompt_about_an_update_that_is_the_baseline_is_ignored() {
    play(only(true, false, true), wide_open(), async |stage| {
        stage.ready("sibling").await;
        stage.ready("bot").await;
        let same = r#"{"user":{"id":"id-bot","update_at":1000}}"#;
        stage.world.peer("sibling").event("user_updated", "", same);
        stage.pass(2 * SECOND).await;
        assert_eq!(stage.count("bot", "prompted"), 0);
    });
}

#[test]
fn failed_polls_are_counted_and_cut_nothing() {
    play(only(true, false, false), wide_open(), async |stage| {
        stage.ready("bot").await;
        let kinds = [
            RestErrorKind::Unreachable,
            RestErrorKind::Timeout,
            RestErrorKind::Server(500),
            RestErrorKind::RateLimited { retry_after: None },
            RestErrorKind::NotJson,
        ];
        let more = [
            RestErrorKind::BadBody,
            RestErrorKind::TooLarge,
            RestErrorKind::NotFound,
            RestErrorKind::Tls,
            RestErrorKind::Redirect,
            RestErrorKind::Refused(403),
        ];
        let kinds: Vec<RestErrorKind> = kinds.into_iter().chain(more).collect();
        let count = kinds.len();
        stage.world.next_answers(kinds.into_iter().map(Answer::Fail));
        stage.pass(3_600 * SECOND).await;
        assert_eq!(stage.count("bot", "probe_failed"), count);
        assert_eq!(stage.count("bot", "closed"), 0);
        assert_eq!(stage.state("bot").await, AccountState::Ready);
    });
}

#[test]
fn a_401_is_asked_again_a_second_later_and_then_blocks_for_nothing() {
    let restart = with_restart(RestartSettings { max_restarts: 0, ..Default::default() }).restart;
    play(HostSettings { restart, ..only(true, false, false) }, wide_open(), async |stage| {
        stage.ready("bot").await;
        let unauthorized = || Answer::Fail(RestErrorKind::Unauthorized);
        stage.world.next_answers([unauthorized()]);
        stage.pass(120 * SECOND).await;
        assert_eq!(stage.count("bot", "closed"), 0, "one 401 is a hiccup");
        stage.world.disable("bot");
        assert_eq!(stage.until_closed("bot").await, (CloseReason::Unauthorized, false));
        stage.pass(3_600 * SECOND).await;
        assert_eq!(stage.state("bot").await, AccountState::Blocked);
        assert_eq!(stage.count("bot", "blocked"), 1, "told once, however often it is asked");
        stage.world.enable("bot");
        stage.until_ready("bot").await;
        assert_eq!(stage.state("bot").await, AccountState::Ready);
    });
}
