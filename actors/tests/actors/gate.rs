//! What accounts of one server share: pace, slots, and whether it is up.

use matterhost_actors::{
    mattermost::RestErrorKind,
    model::{AccountState, Fact},
    policy::GateLimits,
};

use crate::stage::{Answer, SECOND, bots, play, settings, wide_open};

#[test]
fn connects_keep_to_the_servers_pace() {
    let limits = GateLimits { requests_per_second: 2.0, dial_slots: 100 };
    play(settings(), limits, async |stage| {
        let since = tokio::time::Instant::now();
        let bots = bots(20);
        for bot in &bots {
            stage.host(bot).await;
        }
        stage.until_all_ready(&bots).await;
        // Two requests each, the upgrade included, at two a second.
        assert!(since.elapsed() >= 19 * SECOND, "{:?}", since.elapsed());
    });
}

#[test]
fn a_dial_slot_is_given_back_at_the_hello() {
    let limits = GateLimits { dial_slots: 1, ..wide_open() };
    play(settings(), limits, async |stage| {
        stage.world.next_dial_brings_no_hello();
        stage.host("stuck").await;
        stage.host("bot").await;
        let since = tokio::time::Instant::now();
        stage.until_ready("bot").await;
        assert_eq!(since.elapsed().as_secs(), 10, "the slot is held until the hello is overdue");
        stage.ready("third").await;
    });
}

#[test]
fn a_429_to_one_account_pauses_all() {
    play(settings(), wide_open(), async |stage| {
        stage
            .world
            .next_answers([Answer::Fail(RestErrorKind::RateLimited { retry_after: Some(20 * SECOND) })]);
        stage.host("first").await;
        stage.until_server(|fact| matches!(fact, Fact::RatePaused { .. })).await;
        let since = tokio::time::Instant::now();
        stage.ready("second").await;
        assert_eq!(since.elapsed().as_secs(), 20);
    });
}

#[test]
fn while_a_server_is_down_one_knocks_for_all() {
    play(settings(), wide_open(), async |stage| {
        let bots = bots(50);
        for bot in &bots {
            stage.ready(bot).await;
        }
        stage.world.stop();
        stage.until_server(|fact| *fact == Fact::ServerDown).await;
        let asked = stage.world.polls();
        stage.pass(3_600 * SECOND).await;
        assert!(stage.world.polls() <= asked + 50, "{} questions", stage.world.polls() - asked);
        assert!((300..600).contains(&stage.world.knocks()), "{} knocks in an hour", stage.world.knocks());
        stage.world.start();
        stage.until_server(|fact| *fact == Fact::ServerUp).await;
        stage.until_all_ready(&bots).await;
    });
}

#[test]
fn polls_that_do_not_fit_half_the_rate_are_stretched_and_it_is_said() {
    let limits = GateLimits { requests_per_second: 1.0, dial_slots: 100 };
    play(settings(), limits, async |stage| {
        for bot in bots(60) {
            stage.ready(&bot).await;
        }
        // Half a request a second for 60 accounts is a poll each in two minutes; it is told in steps of a tenth.
        let stretched = |fact: &Fact| matches!(fact, Fact::PollsStretched { interval } if interval.as_secs().abs_diff(120) <= 12);
        if !stage.seen.iter().any(|seen| stretched(&seen.fact)) {
            stage.until_server(stretched).await;
        }
        let asked = stage.world.polls();
        stage.pass(1_200 * SECOND).await;
        let polls = stage.world.polls() - asked;
        assert!((540..=660).contains(&polls), "{polls} polls of 60 accounts in ten intervals");
        assert_eq!(stage.state("bot-0").await, AccountState::Ready);
    });
}
