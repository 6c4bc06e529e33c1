//! The state that the accounts of a server share: its rate, dial slots and availability.

use matterhost_actors::{
    mattermost::RestErrorKind,
    model::{AccountState, Fact},
    policy::GateLimits,
};

use crate::harness::{SECOND, UserReply, bots, run_paused, settings, unlimited_rate};

#[test]
fn connects_keep_to_the_servers_pace() {
    let limits = GateLimits { requests_per_second: 2.0, dial_slots: 100, ..GateLimits::default() };
    run_paused(settings(), limits, async |harness| {
        let since = tokio::time::Instant::now();
        let bots = bots(20);
        for bot in &bots {
            harness.host(bot).await;
        }
        harness.wait_until_all_ready(&bots).await;
        // Two requests each, the upgrade included, at two a second.
        assert!(since.elapsed() >= 19 * SECOND, "{:?}", since.elapsed());
    });
}

#[test]
fn a_dial_slot_is_given_back_at_the_hello() {
    let limits = GateLimits { dial_slots: 1, ..unlimited_rate() };
    run_paused(settings(), limits, async |harness| {
        harness.fake.script_dial_without_hello();
        harness.host("stuck").await;
        harness.host("bot").await;
        let since = tokio::time::Instant::now();
        harness.wait_until_ready("bot").await;
        assert_eq!(since.elapsed().as_secs(), 10, "the slot is held until the hello is overdue");
        harness.ready("third").await;
    });
}

#[test]
fn a_429_to_one_account_pauses_all() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.fake.script_user_replies([UserReply::Fail(RestErrorKind::RateLimited {
            retry_after: Some(20 * SECOND),
        })]);
        harness.host("first").await;
        harness.wait_for_server_fact(|fact| matches!(fact, Fact::RatePaused { .. })).await;
        let since = tokio::time::Instant::now();
        harness.ready("second").await;
        assert_eq!(since.elapsed().as_secs(), 20);
    });
}

#[test]
fn while_a_server_is_down_one_probe_serves_all() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        let bots = bots(50);
        for bot in &bots {
            harness.ready(bot).await;
        }
        harness.fake.stop();
        harness.wait_for_server_fact(|fact| *fact == Fact::ServerDown).await;
        let asked = harness.fake.me_requests();
        harness.advance(3_600 * SECOND).await;
        assert!(harness.fake.me_requests() <= asked + 50, "{} requests", harness.fake.me_requests() - asked);
        assert!(
            (300..600).contains(&harness.fake.ping_requests()),
            "{} probes in an hour",
            harness.fake.ping_requests()
        );
        harness.fake.start();
        harness.wait_for_server_fact(|fact| *fact == Fact::ServerUp).await;
        harness.wait_until_all_ready(&bots).await;
    });
}

#[test]
fn polls_over_half_the_rate_are_stretched_and_reported() {
    let limits = GateLimits { requests_per_second: 1.0, dial_slots: 100, ..GateLimits::default() };
    run_paused(settings(), limits, async |harness| {
        for bot in bots(60) {
            harness.ready(&bot).await;
        }
        // Half a request a second for 60 accounts is one poll each in two minutes; changes are reported in steps of 10 %.
        let stretched = |fact: &Fact| matches!(fact, Fact::PollsStretched { interval } if interval.as_secs().abs_diff(120) <= 12);
        if !harness.seen.iter().any(|seen| stretched(&seen.fact)) {
            harness.wait_for_server_fact(stretched).await;
        }
        let asked = harness.fake.me_requests();
        harness.advance(1_200 * SECOND).await;
        let polls = harness.fake.me_requests() - asked;
        assert!((540..=660).contains(&polls), "{polls} polls of 60 accounts in ten intervals");
        assert_eq!(harness.state("bot-0").await, AccountState::Ready);
    });
}
