//! Tests of the witnesses that detect a deaf or changed account.

use std::time::Duration;

use matterhost_actors::{
    hosting::{HealthSettings, HostSettings},
    mattermost::RestErrorKind,
    model::{AccountState, CloseReason, Fact},
    policy::RestartSettings,
};
use tokio::sync::oneshot;

use crate::harness::{Harness, PING, SECOND, UserReply, run_paused, settings, unlimited_rate, with_restart};

/// Returns settings with which only these find a change.
pub(crate) fn with_witnesses(poll: bool, ping: bool, witness: bool) -> HostSettings {
    let settings = settings();
    HostSettings { health: HealthSettings { poll, ping, witness, ..settings.health }, ..settings }
}

#[test]
fn a_moved_update_at_ends_the_connection_and_a_fresh_one_is_not_resumed() {
    run_paused(with_witnesses(true, false, false), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.fake.touch("bot");
        let (reason, charged) = harness.wait_until_closed("bot").await;
        assert_eq!(reason, CloseReason::Stale { baseline: 1_000, seen: 1_001 });
        assert!(!charged);
        assert_eq!(harness.wait_until_scheduled("bot").await, (Duration::ZERO, false));
        harness.wait_until_ready("bot").await;
        assert_eq!(harness.fake.resumes("bot"), [None, None]);
    });
}

#[test]
fn a_quick_disable_and_enable_between_two_polls_is_noticed() {
    run_paused(with_witnesses(true, false, false), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.fake.disable("bot");
        harness.fake.enable("bot");
        assert!(matches!(harness.wait_until_closed("bot").await.0, CloseReason::Stale { .. }));
        harness.wait_until_ready("bot").await;
    });
}

#[test]
fn two_quick_cycles_between_polls_cost_one_reconnect() {
    run_paused(with_witnesses(true, false, false), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        for _ in 0..2 {
            harness.fake.disable("bot");
            harness.fake.enable("bot");
        }
        harness.wait_until_closed("bot").await;
        harness.wait_until_ready("bot").await;
        harness.advance(600 * SECOND).await;
        assert_eq!(harness.count("bot", "connecting"), 2);
    });
}

#[test]
fn a_cycle_between_the_baseline_and_the_hello_is_noticed_by_the_first_poll() {
    run_paused(with_witnesses(true, false, false), unlimited_rate(), async |harness| {
        harness.fake.script_dial_touched_before_hello();
        harness.ready("bot").await;
        let (reason, _) = harness.wait_until_closed("bot").await;
        assert_eq!(reason, CloseReason::Stale { baseline: 1_000, seen: 1_002 });
    });
}

#[test]
fn a_late_answer_to_an_ended_connection_starts_nothing() {
    run_paused(with_witnesses(true, false, false), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        let (release, held) = oneshot::channel();
        harness.fake.script_user_replies([UserReply::Held(held)]);
        let asked = harness.fake.me_requests();
        while harness.fake.me_requests() == asked {
            harness.advance(SECOND).await;
        }
        harness.fake.server_socket("bot").drop_connection();
        assert!(matches!(harness.wait_until_closed("bot").await.0, CloseReason::Dropped { .. }));
        harness.wait_until_ready("bot").await;
        harness.fake.touch("bot");
        release.send(()).ok();
        let (reason, _) = harness.wait_until_closed("bot").await;
        assert_eq!(
            reason,
            CloseReason::Stale { baseline: 1_000, seen: 1_001 },
            "the new Connection's own poll ends it"
        );
        harness.wait_until_ready("bot").await;
        assert_eq!(harness.count("bot", "connecting"), 3);
    });
}

#[test]
fn a_bot_that_renames_itself_in_a_loop_reconnects_at_most_once_per_max_backoff() {
    run_paused(with_witnesses(true, false, true), unlimited_rate(), async |harness| {
        harness.ready("sibling").await;
        harness.ready("bot").await;
        for _ in 0..3_600 {
            harness.fake.touch("bot");
            harness.advance(SECOND).await;
        }
        let connects = harness.count("bot", "connecting");
        // The delay doubles from 1 s and reaches its limit of 60 s after six steps.
        assert!((50..=67).contains(&connects), "{connects} in an hour");
        assert_eq!(harness.snapshot("bot").await.restarts_in_window, 0);
    });
}

#[test]
fn a_token_disabled_and_enabled_is_detected_by_the_ping_alone() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.fake.toggle_token("bot");
        let (reason, charged) = harness.wait_until_closed("bot").await;
        let error = "api.web_socket_router.not_authenticated.app_error".into();
        assert_eq!((reason, charged), (CloseReason::Deaf { error }, false));
        assert_eq!(
            harness.wait_until_scheduled("bot").await,
            (Duration::ZERO, false),
            "a deaf socket is never resumed (fact 5)"
        );
        harness.wait_until_ready("bot").await;
    });
}

#[test]
fn a_socket_that_answers_nothing_is_silent_ten_seconds_after_the_ping() {
    run_paused(with_witnesses(false, true, false), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        let since = tokio::time::Instant::now();
        harness.fake.server_socket("bot").stop_answering();
        let (reason, charged) = harness.wait_until_closed("bot").await;
        assert_eq!((reason, charged), (CloseReason::Silent, true), "ready for 40 s: flapping");
        assert_eq!(since.elapsed().as_secs(), 40);
    });
}

#[test]
fn each_witness_can_be_turned_off() {
    run_paused(with_witnesses(false, false, false), unlimited_rate(), async |harness| {
        harness.ready("sibling").await;
        harness.ready("bot").await;
        let asked = harness.fake.me_requests();
        harness.fake.disable("bot");
        harness.fake.enable("bot");
        harness.advance(3_600 * SECOND).await;
        assert_eq!((harness.count("bot", "closed"), harness.count("bot", "prompted")), (0, 0));
        assert_eq!(harness.fake.me_requests(), asked);
        assert!(harness.fake.server_socket("bot").received().iter().all(|text| !text.contains(PING)));
    });
}

#[test]
fn a_cycle_that_a_sibling_sees_is_noticed_within_a_second() {
    run_paused(with_witnesses(true, false, true), unlimited_rate(), async |harness| {
        harness.ready("sibling").await;
        harness.ready("bot").await;
        let since = tokio::time::Instant::now();
        harness.fake.disable("bot");
        harness.fake.enable("bot");
        harness.wait_until_closed("bot").await;
        assert!(since.elapsed() <= SECOND, "{:?}", since.elapsed());
        assert_eq!(harness.count("sibling", "closed"), 0);
    });
}

/// Waits until `bot` is blocked and seldom polled, and checks that it connects at once when it is enabled and that is seen.
pub(crate) async fn assert_woken_at_once(harness: &mut Harness, enable: impl AsyncFnOnce(&Harness)) {
    harness.wait_for("bot", |fact| *fact == Fact::Blocked).await;
    // Long enough that the account is polled only every five minutes.
    harness.advance(3_000 * SECOND).await;
    let since = tokio::time::Instant::now();
    enable(harness).await;
    harness.wait_until_ready("bot").await;
    assert!(since.elapsed() < SECOND, "{:?}", since.elapsed());
}

#[test]
fn a_sibling_wakes_a_blocked_account_at_once() {
    run_paused(with_witnesses(true, false, true), unlimited_rate(), async |harness| {
        harness.ready("sibling").await;
        harness.ready("bot").await;
        harness.fake.disable("bot");
        assert_woken_at_once(harness, async |harness| harness.fake.enable("bot")).await;
    });
}

#[test]
fn a_guest_is_no_witness() {
    run_paused(with_witnesses(true, false, true), unlimited_rate(), async |harness| {
        harness.fake.add_user("guest");
        harness.fake.make_guest("guest");
        harness.ready("guest").await;
        harness.ready("bot").await;
        harness.fake.touch("bot");
        harness.wait_until_closed("bot").await;
        assert_eq!(harness.count("bot", "prompted"), 0);
    });
}

#[test]
fn a_prompt_about_an_update_that_is_the_baseline_is_ignored() {
    run_paused(with_witnesses(true, false, true), unlimited_rate(), async |harness| {
        harness.ready("sibling").await;
        harness.ready("bot").await;
        let same = r#"{"user":{"id":"id-bot","update_at":1000}}"#;
        harness.fake.server_socket("sibling").event("user_updated", "", same);
        harness.advance(2 * SECOND).await;
        assert_eq!(harness.count("bot", "prompted"), 0);
    });
}

#[test]
fn failed_polls_are_counted_and_end_nothing() {
    run_paused(with_witnesses(true, false, false), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
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
        harness.fake.script_user_replies(kinds.into_iter().map(UserReply::Fail));
        harness.advance(3_600 * SECOND).await;
        assert_eq!(harness.count("bot", "probe_failed"), count);
        assert_eq!(harness.count("bot", "closed"), 0);
        assert_eq!(harness.state("bot").await, AccountState::Ready);
    });
}

#[test]
fn a_401_is_rechecked_a_second_later_and_then_blocks_without_a_charge() {
    let restart = with_restart(RestartSettings { max_restarts: 0, ..Default::default() }).restart;
    run_paused(
        HostSettings { restart, ..with_witnesses(true, false, false) },
        unlimited_rate(),
        async |harness| {
            harness.ready("bot").await;
            let unauthorized = || UserReply::Fail(RestErrorKind::Unauthorized);
            harness.fake.script_user_replies([unauthorized()]);
            harness.advance(120 * SECOND).await;
            assert_eq!(harness.count("bot", "closed"), 0, "a single 401 ends nothing");
            harness.fake.disable("bot");
            assert_eq!(harness.wait_until_closed("bot").await, (CloseReason::Unauthorized, false));
            harness.advance(3_600 * SECOND).await;
            assert_eq!(harness.state("bot").await, AccountState::Blocked);
            assert_eq!(harness.count("bot", "blocked"), 1, "reported once for all polls");
            harness.fake.enable("bot");
            harness.wait_until_ready("bot").await;
            assert_eq!(harness.state("bot").await, AccountState::Ready);
        },
    );
}
