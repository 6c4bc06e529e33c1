//! Adding, removing, listing and shutting down while things run.

use matterhost_actors::{
    hosting::{ListAccounts, RemoveAccount, RestartAccount, Shutdown, ShutdownReport, SupervisorError},
    model::{AccountState, CloseReason, Fact, Generation},
};

use crate::harness::{SECOND, SinkBehavior, name, run_paused, settings, unlimited_rate};

#[test]
fn accounts_are_added_and_removed_while_others_run() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("a").await;
        harness.ready("b").await;
        harness.send(RemoveAccount(name("a"))).await.unwrap();
        assert_eq!(harness.wait_until_closed("a").await, (CloseReason::Removed, false));
        harness.wait_for("a", |fact| *fact == Fact::Removed).await;
        let left: Vec<_> =
            harness.send(ListAccounts).await.into_iter().map(|snapshot| snapshot.account).collect();
        assert_eq!(left, [name("b")]);
        harness.ready("a").await;
        assert_eq!(harness.count("b", "closed"), 0);
    });
}

#[test]
fn names_are_checked() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("a").await;
        let again = harness.host_with("a", harness.sink.clone()).await;
        assert_eq!(again, Err(SupervisorError::AccountExists(name("a"))));
        let unknown = harness.send(RestartAccount(name("x"))).await;
        assert_eq!(unknown, Err(SupervisorError::UnknownAccount(name("x"))));
    });
}

#[test]
fn a_snapshot_describes_the_account() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.advance(35 * SECOND).await;
        harness.fake.server_socket("bot").drop_connection();
        let (reason, _) = harness.wait_until_closed("bot").await;
        harness.wait_until_scheduled("bot").await;
        let snapshot = harness.snapshot("bot").await;
        assert_eq!(snapshot.state, AccountState::Backoff);
        assert_eq!(snapshot.generation, Generation(1));
        assert_eq!(snapshot.last_ending.map(|ending| ending.reason.clone()), Some(reason));
        assert_eq!((snapshot.restarts_in_window, snapshot.budget_left), (1, 4));
        assert!(snapshot.next_attempt_in.is_some_and(|wait| wait <= SECOND));
        assert!(snapshot.last_good_probe.is_some());
        harness.wait_until_ready("bot").await;
        let snapshot = harness.snapshot("bot").await;
        assert_eq!((snapshot.generation, snapshot.restarts), (Generation(2), 1));
    });
}

#[test]
fn a_shutdown_delivers_received_events() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.sink.set_behavior(SinkBehavior::Delayed(SECOND));
        for n in 0..5 {
            harness.fake.server_socket("bot").post("c1", &format!("p{n}"));
        }
        harness.advance(SECOND / 2).await;
        let report = harness.send(Shutdown { deadline: 30 * SECOND }).await;
        assert_eq!(report, ShutdownReport::default());
        assert_eq!(harness.sink.wait_for_posts(5).await.len(), 5);
    });
}

#[test]
fn a_shutdown_keeps_its_deadline_and_names_unfinished_accounts() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("slow").await;
        harness.sink.set_behavior(SinkBehavior::Retry);
        harness.fake.server_socket("slow").post("c1", "p1");
        harness.wait_for("slow", |fact| matches!(fact, Fact::Stalled { .. })).await;
        let since = tokio::time::Instant::now();
        let report = harness.send(Shutdown { deadline: 5 * SECOND }).await;
        assert_eq!(report, ShutdownReport { abandoned: vec![name("slow")] });
        assert_eq!(since.elapsed().as_secs(), 5);
    });
}

#[test]
fn a_shutdown_does_not_wait_where_only_late_retries_are_left() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.sink.set_behavior(SinkBehavior::RetryAfter(60 * SECOND));
        harness.fake.server_socket("bot").post("c1", "p1");
        harness.wait_for("bot", |fact| matches!(fact, Fact::Stalled { .. })).await;
        let since = tokio::time::Instant::now();
        let report = harness.send(Shutdown { deadline: 30 * SECOND }).await;
        assert_eq!(report, ShutdownReport { abandoned: vec![name("bot")] });
        assert_eq!(since.elapsed().as_secs(), 0);
    });
}

#[test]
fn a_shutdown_does_not_wait_for_a_broken_sink() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.sink.set_behavior(SinkBehavior::Broken);
        harness.fake.server_socket("bot").post("c1", "p1");
        harness.wait_until_closed("bot").await;
        let since = tokio::time::Instant::now();
        let report = harness.send(Shutdown { deadline: 30 * SECOND }).await;
        assert_eq!(report, ShutdownReport { abandoned: vec![name("bot")] });
        assert_eq!(since.elapsed().as_secs(), 0);
    });
}
