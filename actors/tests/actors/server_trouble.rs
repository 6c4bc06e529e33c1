//! Tests of trouble that all accounts of a server share, and of how soon they are back when it is over.

use std::time::Duration;

use matterhost_actors::{
    mattermost::RestErrorKind,
    model::{AccountState, Fact},
};
use tokio::time::Instant;

use crate::harness::{Harness, Refused, SECOND, UserReply, bots, run_paused, settings, unlimited_rate};

const MINUTE: Duration = Duration::from_secs(60);

/// Lets a proxy refuse all requests for eight minutes. Returns the time until all bots are ready again.
async fn refuse_all(harness: &mut Harness, bots: &[String], kind: RestErrorKind) -> Duration {
    harness.fake.refuse(Some((kind, Refused::All)));
    harness.fake.drop_all_sockets();
    harness.advance(8 * MINUTE).await;
    for bot in bots {
        let state = harness.state(bot).await;
        assert!(matches!(state, AccountState::Blocked | AccountState::Misconfigured), "{bot} is {state}");
    }
    harness.fake.refuse(None);
    let since = Instant::now();
    harness.wait_until_all_ready(bots).await;
    since.elapsed()
}

#[test]
fn a_proxy_that_refuses_everything_keeps_no_account_away_when_it_stops() {
    for kind in [
        RestErrorKind::NotFound,
        RestErrorKind::NotJson,
        RestErrorKind::Redirect,
        RestErrorKind::Unauthorized,
        RestErrorKind::Refused(403),
        RestErrorKind::Tls,
    ] {
        for count in [1, 20] {
            run_paused(settings(), unlimited_rate(), async |harness| {
                let bots = bots(count);
                for bot in &bots {
                    harness.ready(bot).await;
                }
                let away = refuse_all(harness, &bots, kind).await;
                assert!(away <= 14 * SECOND, "{kind:?}, {count} bots: {away:?}");
                let probes = harness.fake.ping_requests();
                assert!(
                    (40..80).contains(&probes),
                    "{probes} probes in eight minutes, for all bots together"
                );
                let refusing = |seen: &&_| matches!(seen, Fact::ServerRefusing { .. });
                let facts: Vec<Fact> = harness.seen.iter().map(|seen| seen.fact.clone()).collect();
                assert_eq!(facts.iter().filter(refusing).count(), 1, "{kind:?}");
            });
        }
    }
}

#[test]
fn accounts_that_were_refused_together_come_back_together() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        let bots = bots(20);
        for bot in &bots {
            harness.ready(bot).await;
        }
        harness.fake.refuse(Some((RestErrorKind::NotFound, Refused::Accounts)));
        harness.fake.drop_all_sockets();
        harness.advance(8 * MINUTE).await;
        harness.fake.refuse(None);
        harness.wait_for_any_fact(|fact| matches!(fact, Fact::Ready { .. })).await;
        harness.advance(2 * SECOND).await;
        for bot in &bots {
            assert_eq!(harness.state(bot).await, AccountState::Ready, "the first wakes the others: {bot}");
        }
    });
}

#[test]
fn an_account_that_alone_is_refused_is_still_asked_slowly() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("sibling").await;
        harness.fake.add_user("bot");
        harness.fake.disable("bot");
        harness.host("bot").await;
        harness.wait_for("bot", |fact| *fact == Fact::Blocked).await;
        harness.advance(10 * MINUTE).await;
        let attempts = harness.count("bot", "connecting");
        assert!((7..=10).contains(&attempts), "{attempts} in ten minutes");
        assert!(harness.fake.ping_requests() <= attempts as u64);
    });
}

#[test]
fn a_server_that_is_up_again_wakes_who_waits() {
    let mut settings = settings();
    // The sibling's polls would take some of the scripted replies.
    settings.health.poll = false;
    run_paused(settings, unlimited_rate(), async |harness| {
        harness.ready("sibling").await;
        harness.fake.script_user_replies((0..7).map(|_| UserReply::Fail(RestErrorKind::Server(503))));
        harness.host("bot").await;
        for _ in 0..7 {
            harness.wait_until_closed("bot").await;
        }
        let (after, _) = harness.wait_until_scheduled("bot").await;
        assert_eq!(after, MINUTE, "the delay has grown");
        harness.fake.stop();
        harness.wait_for_server_fact(|fact| *fact == Fact::ServerDown).await;
        harness.fake.start();
        harness.wait_for_server_fact(|fact| *fact == Fact::ServerUp).await;
        let since = Instant::now();
        harness.wait_until_ready("bot").await;
        assert!(since.elapsed() <= 2 * SECOND, "{:?}", since.elapsed());
    });
}

#[test]
fn a_server_that_is_well_and_refuses_by_turns_wakes_accounts_at_most_every_ten_seconds() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.fake.refuse(Some((RestErrorKind::NotFound, Refused::All)));
        harness.host("bot").await;
        for turn in 0..600 {
            let refused = if turn % 2 == 0 { Refused::Accounts } else { Refused::All };
            harness.fake.refuse(Some((RestErrorKind::NotFound, refused)));
            harness.advance(SECOND).await;
        }
        let attempts = harness.count("bot", "connecting");
        assert!(attempts <= 70, "{attempts} in ten minutes");
    });
}
