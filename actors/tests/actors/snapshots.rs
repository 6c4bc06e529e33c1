//! Tests of the answers to queries about accounts and servers.

use matterhost_actors::{
    hosting::{
        AuditAccount, AuditSettings, GetAccount, HostSettings, ListServers, StopAccount, SupervisorError,
    },
    model::{CloseReason, DeliveryQueueStats, Fact, Generation},
};

use crate::harness::{SECOND, SinkBehavior, name, run_paused, settings, unlimited_rate};

#[test]
fn the_last_endings_are_listed_newest_first_with_the_time_until_ready() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.ready("other").await;
        harness.fake.touch("bot");
        harness.wait_until_closed("bot").await;
        harness.wait_until_ready("bot").await;
        harness.advance(120 * SECOND).await;
        harness.fake.server_socket("bot").drop_connection();
        harness.wait_until_closed("bot").await;
        let detail = harness.send(GetAccount(name("bot"))).await.unwrap();
        let [dropped, stale] = &detail.endings[..] else { panic!("{:?}", detail.endings) };
        assert!(matches!(dropped.reason, CloseReason::Dropped { .. }), "{dropped:?}");
        assert_eq!((dropped.generation, dropped.witnessed, dropped.back_after), (Generation(2), false, None));
        assert!(matches!(stale.reason, CloseReason::Stale { .. }), "{stale:?}");
        assert_eq!((stale.generation, stale.witnessed, stale.charged), (Generation(1), true, false));
        assert!(stale.back_after.is_some() && stale.ready_for.is_some(), "{stale:?}");
        assert_eq!(detail.snapshot.last_ending.as_ref(), Some(dropped));
    });
}

#[test]
fn at_most_ten_endings_are_kept() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        for _ in 0..12 {
            harness.fake.server_socket("bot").deafen();
            harness.wait_until_closed("bot").await;
            harness.wait_until_ready("bot").await;
        }
        let detail = harness.send(GetAccount(name("bot"))).await.unwrap();
        let generations: Vec<_> = detail.endings.iter().map(|ending| ending.generation.0).collect();
        assert_eq!(generations, (3..=12).rev().collect::<Vec<_>>());
    });
}

#[test]
fn the_last_result_of_each_witness_is_shown() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.advance(65 * SECOND).await;
        let witnesses = harness.send(GetAccount(name("bot"))).await.unwrap().witnesses;
        assert!(witnesses.poll.as_ref().is_some_and(|poll| poll.cause.is_none()), "{witnesses:?}");
        assert!(witnesses.ping.as_ref().is_some_and(|ping| ping.cause.is_none()), "{witnesses:?}");
        assert_eq!(witnesses.prompted, None);
        harness.fake.server_socket("bot").deafen();
        harness.wait_until_closed("bot").await;
        let ping = harness.send(GetAccount(name("bot"))).await.unwrap().witnesses.ping.unwrap();
        assert!(ping.cause.is_some(), "{ping:?}");
    });
}

#[test]
fn unacknowledged_and_waiting_events_are_counted() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        let quiet = harness.send(GetAccount(name("bot"))).await.unwrap();
        assert_eq!(quiet.waiting.map(|waiting| waiting.unacknowledged), Some(0));
        harness.sink.set_behavior(SinkBehavior::Delayed(60 * SECOND));
        for post in ["p1", "p2", "p3"] {
            harness.fake.server_socket("bot").post("c", post);
        }
        harness.advance(SECOND).await;
        let detail = harness.send(GetAccount(name("bot"))).await.unwrap();
        let Some(DeliveryQueueStats { unacknowledged: 1, waiting: 2, oldest: Some(_), .. }) = detail.waiting
        else {
            panic!("{:?}", detail.waiting)
        };
        assert!(detail.snapshot.queued >= 3, "{}", detail.snapshot.queued);
    });
}

#[test]
fn the_status_and_the_accounts_of_a_server_are_shown() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("a").await;
        harness.ready("b").await;
        let servers = harness.send(ListServers).await;
        let [server] = &servers[..] else { panic!("{servers:?}") };
        assert_eq!((server.up, server.accounts, server.down_for), (true, 2, None));
        harness.fake.stop();
        harness.wait_for_server_fact(|fact| *fact == Fact::ServerDown).await;
        harness.advance(3 * SECOND).await;
        let server = harness.send(ListServers).await.remove(0);
        assert!(!server.up && server.down_for.is_some_and(|down| down >= 3 * SECOND), "{server:?}");
    });
}

#[test]
fn an_operator_can_audit_a_ready_account() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.fake.add_channel("c", &["bot"]);
        harness.ready("bot").await;
        harness.advance(40 * SECOND).await;
        let before = harness.count("bot", "audited");
        harness.send(AuditAccount(name("bot"))).await.unwrap();
        harness.wait_for("bot", |fact| matches!(fact, Fact::Audited { .. })).await;
        assert_eq!(before, 0, "the periodic audit is not due yet");
        let audit = harness.send(GetAccount(name("bot"))).await.unwrap().witnesses.audit;
        assert!(audit.is_some_and(|audit| audit.cause.is_none()));
        harness.send(StopAccount(name("bot"))).await.unwrap();
        harness.wait_for("bot", |fact| *fact == Fact::Stopped).await;
        let refused = harness.send(AuditAccount(name("bot"))).await;
        assert_eq!(refused, Err(SupervisorError::NotReady(name("bot"))));
        let unknown = harness.send(AuditAccount(name("x"))).await;
        assert_eq!(unknown, Err(SupervisorError::UnknownAccount(name("x"))));
    });
}

#[test]
fn the_ready_time_is_summed_over_all_connections() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.advance(100 * SECOND).await;
        harness.fake.stop();
        harness.fake.server_socket("bot").drop_connection();
        harness.wait_until_closed("bot").await;
        let before = harness.snapshot("bot").await.ready_for;
        assert!(before >= 100 * SECOND && before < 101 * SECOND, "{before:?}");
        harness.advance(50 * SECOND).await;
        assert_eq!(harness.snapshot("bot").await.ready_for, before);
        harness.fake.start();
        harness.wait_until_ready("bot").await;
        harness.advance(10 * SECOND).await;
        let after = harness.snapshot("bot").await.ready_for;
        assert!(after >= before + 10 * SECOND && after < before + 11 * SECOND, "{after:?}");
    });
}

#[test]
fn an_operators_audit_runs_where_audits_are_off_and_waits_for_the_grace_period() {
    let audit = AuditSettings { enabled: false, ..AuditSettings::default() };
    run_paused(HostSettings { audit, ..settings() }, unlimited_rate(), async |harness| {
        harness.fake.add_channel("c", &["bot"]);
        harness.ready("bot").await;
        harness.send(AuditAccount(name("bot"))).await.unwrap();
        harness.wait_for("bot", |fact| matches!(fact, Fact::Audited { .. })).await;
        harness.advance(3_600 * SECOND).await;
        assert_eq!(harness.count("bot", "audited"), 1, "only the requested audit runs");
    });
}
