//! Tests of changed settings: those that open sockets adopt, and those that apply from the next Connection on.

use std::{sync::Arc, time::Duration};

use matterhost_actors::{
    hosting::{AccountSettings, AccountSpec, ChangeAccount, ChangeSettings, HealthSettings, HostSettings},
    model::{CloseReason, Fact, Generation},
    policy::RestartSettings,
};

use super::spec;
use crate::harness::{Harness, SECOND, SinkBehavior, run_paused, settings, unlimited_rate, with_restart};

#[test]
fn settings_apply_without_an_ending() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        let quick = Duration::from_secs(2);
        let health = HealthSettings { poll_interval: quick, ping: false, ..HealthSettings::default() };
        harness.send(ChangeSettings(HostSettings { health, ..settings() })).await;
        let (polls, pings) = (harness.fake.me_requests(), harness.fake.server_socket("bot").received().len());
        harness.advance(60 * SECOND).await;
        assert!(harness.fake.me_requests() - polls >= 28, "{} polls", harness.fake.me_requests() - polls);
        assert_eq!(harness.fake.server_socket("bot").received().len(), pings, "pings are off");
        let none = HealthSettings { poll: false, ping: true, ..health };
        harness.send(ChangeSettings(HostSettings { health: none, ..settings() })).await;
        harness.advance(SECOND).await;
        let polls = harness.fake.me_requests();
        harness.advance(60 * SECOND).await;
        assert_eq!(harness.fake.me_requests(), polls, "polls are off");
        assert!(harness.fake.server_socket("bot").received().len() > pings, "no ping was sent");
        assert_eq!(
            (harness.count("bot", "closed"), harness.snapshot("bot").await.generation),
            (0, Generation(1))
        );
    });
}

/// Returns the number of frames that the server received from an account.
fn pings(harness: &Harness, account: &str) -> usize {
    harness.fake.server_socket(account).received().len()
}

#[test]
fn an_account_has_settings_of_its_own_which_change_without_an_ending() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        let quiet = HealthSettings { poll: false, ping: false, ..HealthSettings::default() };
        let HostSettings { restart, delivery, catch_up, replies, .. } = settings();
        let own = AccountSettings { restart, health: quiet, delivery, catch_up, replies };
        let sink = harness.sink.clone();
        let spec =
            |own| AccountSpec { settings: Some(Arc::new(own)), ..spec("bot", "bot", "test", sink.clone()) };
        harness.ready("other").await;
        harness.ready("bot").await;
        harness.send(ChangeAccount(spec(own))).await.unwrap();
        harness.advance(SECOND).await;
        let before = (pings(harness, "bot"), pings(harness, "other"));
        harness.advance(300 * SECOND).await;
        assert_eq!(pings(harness, "bot"), before.0, "its pings are off");
        assert!(pings(harness, "other") > before.1, "those of others go on");
        // A change of the host's settings keeps the account's own.
        let mut changed = settings();
        changed.health.ping_limits.interval = Duration::from_secs(2);
        harness.send(ChangeSettings(changed)).await;
        harness.advance(60 * SECOND).await;
        assert_eq!(pings(harness, "bot"), before.0);
        harness
            .send(ChangeAccount(spec(AccountSettings { health: HealthSettings::default(), ..own })))
            .await
            .unwrap();
        harness.advance(60 * SECOND).await;
        assert!(pings(harness, "bot") > before.0, "its pings are on again");
        assert_eq!((harness.count("bot", "closed"), harness.count("other", "closed")), (0, 0));
    });
}

#[test]
fn polls_start_when_they_are_enabled() {
    let blind = HealthSettings { poll: false, witness: false, ..HealthSettings::default() };
    run_paused(HostSettings { health: blind, ..settings() }, unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.fake.touch("bot");
        harness.advance(120 * SECOND).await;
        assert_eq!(harness.count("bot", "closed"), 0, "no witness is enabled");
        harness.send(ChangeSettings(settings())).await;
        assert!(matches!(harness.wait_until_closed("bot").await.0, CloseReason::Stale { .. }));
    });
}

#[test]
fn a_changed_budget_keeps_earlier_charges() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.fake.server_socket("bot").send_garbage();
        harness.wait_until_ready("bot").await;
        let strict = with_restart(RestartSettings { max_restarts: 1, ..RestartSettings::default() });
        harness.send(ChangeSettings(strict)).await;
        assert_eq!(harness.snapshot("bot").await.budget_left, 0);
        harness.fake.server_socket("bot").send_garbage();
        harness.wait_for("bot", |fact| matches!(fact, Fact::Tripped { .. })).await;
    });
}

#[test]
fn another_queue_applies_from_the_next_connection_on() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        let mut small = settings();
        small.delivery.queue = 2;
        harness.send(ChangeSettings(small)).await;
        harness.fake.server_socket("bot").drop_connection();
        harness.wait_until_ready("bot").await;
        harness.sink.set_behavior(SinkBehavior::Never);
        for n in 0..6 {
            harness.fake.server_socket("bot").post(&format!("c{n}"), &format!("p{n}"));
        }
        harness.advance(SECOND).await;
        harness.sink.wait_until_offered(2).await;
        harness.advance(600 * SECOND).await;
        assert_eq!(harness.count("bot", "closed"), 1, "a full queue does not end the Connection");
    });
}
