//! Adding, removing, listing and shutting down while things run.

use matterhost_actors::{
    hosting::{ListAccounts, RemoveAccount, RestartAccount, Shutdown, ShutdownReport, SupervisorError},
    model::{AccountState, CloseReason, Fact, Generation},
};

use crate::stage::{Manner, SECOND, name, play, settings, wide_open};

#[test]
fn accounts_come_and_go_while_others_run() {
    play(settings(), wide_open(), async |stage| {
        stage.ready("a").await;
        stage.ready("b").await;
        stage.ask(RemoveAccount(name("a"))).await.unwrap();
        assert_eq!(stage.until_closed("a").await, (CloseReason::Removed, false));
        stage.until("a", |fact| *fact == Fact::Removed).await;
        let left: Vec<_> =
            stage.ask(ListAccounts).await.into_iter().map(|snapshot| snapshot.account).collect();
        assert_eq!(left, [name("b")]);
        stage.ready("a").await;
        assert_eq!(stage.count("b", "closed"), 0);
    });
}

#[test]
fn names_are_checked() {
    play(settings(), wide_open(), async |stage| {
        stage.ready("a").await;
        let again = stage.host_with("a", stage.sink.clone()).await;
        assert_eq!(again, Err(SupervisorError::AccountExists(name("a"))));
        let unknown = stage.ask(RestartAccount(name("x"))).await;
        assert_eq!(unknown, Err(SupervisorError::UnknownAccount(name("x"))));
    });
}

#[test]
fn a_snapshot_tells_what_a_person_asks_for() {
    play(settings(), wide_open(), async |stage| {
        stage.ready("bot").await;
        stage.pass(35 * SECOND).await;
        stage.world.peer("bot").cut();
        let (reason, _) = stage.until_closed("bot").await;
        stage.until_scheduled("bot").await;
        let snapshot = stage.snapshot("bot").await;
        assert_eq!(snapshot.state, AccountState::Backoff);
        assert_eq!(snapshot.generation, Generation(1));
        assert_eq!(snapshot.last_ending.map(|ending| ending.reason.clone()), Some(reason));
        assert_eq!((snapshot.restarts_in_window, snapshot.budget_left), (1, 4));
        assert!(snapshot.next_attempt_in.is_some_and(|wait| wait <= SECOND));
        assert!(snapshot.last_good_probe.is_some());
        stage.until_ready("bot").await;
        let snapshot = stage.snapshot("bot").await;
        assert_eq!((snapshot.generation, snapshot.restarts), (Generation(2), 1));
    });
}

#[test]
fn a_shutdown_hands_over_what_was_heard() {
    play(settings(), wide_open(), async |stage| {
        stage.ready("bot").await;
        stage.sink.behave(Manner::After(SECOND));
        for n in 0..5 {
            stage.world.peer("bot").post("c1", &format!("p{n}"));
        }
        stage.pass(SECOND / 2).await;
        let report = stage.ask(Shutdown { deadline: 30 * SECOND }).await;
        assert_eq!(report, ShutdownReport::default());
        assert_eq!(stage.sink.until_posts(5).await.len(), 5);
    });
}

#[test]
fn a_shutdown_keeps_its_deadline_and_names_who_did_not_finish() {
    play(settings(), wide_open(), async |stage| {
        stage.ready("slow").await;
        stage.sink.behave(Manner::Retry);
        stage.world.peer("slow").post("c1", "p1");
        stage.until("slow", |fact| *fact == Fact::Stalled).await;
        let since = tokio::time::Instant::now();
        let report = stage.ask(Shutdown { deadline: 5 * SECOND }).await;
        assert_eq!(report, ShutdownReport { abandoned: vec![name("slow")] });
        assert_eq!(since.elapsed().as_secs(), 5);
    });
}

#[test]
fn a_shutdown_does_not_wait_for_a_broken_sink() {
    play(settings(), wide_open(), async |stage| {
        stage.ready("bot").await;
        stage.sink.behave(Manner::Broken);
        stage.world.peer("bot").post("c1", "p1");
        stage.until_closed("bot").await;
        let since = tokio::time::Instant::now();
        let report = stage.ask(Shutdown { deadline: 30 * SECOND }).await;
        assert_eq!(report, ShutdownReport { abandoned: vec![name("bot")] });
        assert_eq!(since.elapsed().as_secs(), 0);
    });
}
