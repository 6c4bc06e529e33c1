//! Tests of sockets that a proxy or the server itself ends, although the account and the server are well.

use std::time::Duration;

use matterhost_actors::{
    model::{AccountState, CloseReason, Fact},
    policy::RestartSettings,
};

use crate::harness::{Harness, PING, SECOND, bots, run_paused, settings, unlimited_rate, with_restart};

/// Drops the bot's socket after a time without traffic. Returns true if that was charged, and what follows.
async fn cut_after(harness: &mut Harness, seconds: u32) -> (bool, (Duration, bool)) {
    harness.advance(seconds * SECOND).await;
    harness.fake.server_socket("bot").drop_connection();
    let (reason, charged) = harness.wait_until_closed("bot").await;
    assert!(matches!(reason, CloseReason::Dropped { .. }), "{reason}");
    let next = harness.wait_until_scheduled("bot").await;
    harness.wait_until_ready("bot").await;
    (charged, next)
}

fn lifetimes(harness: &Harness) -> Vec<Fact> {
    let facts = harness.seen.iter().map(|seen| seen.fact.clone());
    facts.filter(|fact| matches!(fact, Fact::SocketLifetime { .. })).collect()
}

#[test]
fn sockets_cut_at_the_same_age_cost_nothing_and_are_reopened_at_once() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        let traffic = |harness: &Harness| harness.fake.server_socket("bot").event("typing", "c", "{}");
        for cut in 0..20 {
            harness.advance(29 * SECOND).await;
            traffic(harness);
            let (charged, next) = cut_after(harness, 1).await;
            if cut >= 2 {
                assert_eq!((charged, next), (false, (Duration::ZERO, true)), "cut {cut}");
            }
        }
        let snapshot = harness.snapshot("bot").await;
        assert_eq!((snapshot.state, snapshot.restarts_in_window), (AccountState::Ready, 0));
        assert_eq!(lifetimes(harness), [Fact::SocketLifetime { after: 30 * SECOND, idle: false }]);
    });
}

#[test]
fn sockets_cut_while_idle_are_pinged_faster_than_that() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        for _ in 0..3 {
            cut_after(harness, 20).await;
        }
        assert_eq!(lifetimes(harness), [Fact::SocketLifetime { after: 20 * SECOND, idle: true }]);
        harness.advance(60 * SECOND).await;
        let received = harness.fake.server_socket("bot").received();
        let pings = received.iter().filter(|text| text.contains(PING)).count();
        assert!((5..=6).contains(&pings), "{pings} pings in a minute");
        assert_eq!(harness.count("bot", "tripped"), 0);
    });
}

#[test]
fn five_bots_behind_such_a_proxy_are_back_at_once() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        let bots = bots(5);
        for bot in &bots {
            harness.ready(bot).await;
        }
        for cut in 0..10 {
            harness.advance(30 * SECOND).await;
            harness.fake.drop_all_sockets();
            let since = tokio::time::Instant::now();
            harness.wait_until_all_ready(&bots).await;
            assert!(cut < 2 || since.elapsed() < SECOND / 10, "cut {cut}: {:?}", since.elapsed());
        }
        assert_eq!(lifetimes(harness).len(), 1);
    });
}

#[test]
fn sockets_cut_within_seconds_still_trip() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        for _ in 0..5 {
            assert!(cut_after(harness, 8).await.0);
        }
        harness.advance(8 * SECOND).await;
        harness.fake.server_socket("bot").drop_connection();
        harness.wait_for("bot", |fact| matches!(fact, Fact::Tripped { .. })).await;
    });
}

#[test]
fn a_socket_closed_after_a_cycle_soon_after_the_connect_is_not_charged() {
    let budget = with_restart(RestartSettings { max_restarts: 0, ..RestartSettings::default() });
    run_paused(budget, unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        for _ in 0..6 {
            harness.advance(2 * SECOND).await;
            harness.fake.disable("bot");
            harness.fake.enable("bot");
            harness.advance(3 * SECOND).await;
            harness.fake.server_socket("bot").drop_connection();
            let (reason, charged) = harness.wait_until_closed("bot").await;
            assert!(matches!(reason, CloseReason::Stale { .. }) && !charged, "{reason}");
            assert!(!harness.wait_until_scheduled("bot").await.1, "it may be deaf: no resume");
            harness.wait_until_ready("bot").await;
        }
    });
}

#[test]
fn a_socket_closed_because_the_account_is_disabled_is_not_charged() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.fake.disable("bot");
        harness.fake.server_socket("bot").drop_connection();
        assert_eq!(harness.wait_until_closed("bot").await, (CloseReason::Unauthorized, false));
    });
}

#[test]
fn a_drop_is_counted_soon_although_the_server_does_not_answer() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        let since = tokio::time::Instant::now();
        harness.fake.stop();
        let (reason, _) = harness.wait_until_closed("bot").await;
        assert!(matches!(reason, CloseReason::Dropped { .. }), "{reason}");
        assert!(since.elapsed() <= 2 * SECOND, "{:?}", since.elapsed());
    });
}
