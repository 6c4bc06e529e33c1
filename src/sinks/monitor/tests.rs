use super::*;

fn snapshot(monitor: &SinkMonitor) -> SinkSnapshot {
    monitor.snapshot(Arc::default())
}

#[test]
fn the_state_follows_the_child() {
    let monitor = SinkMonitor::default();
    let budget = Budget { left: 1, used: 4 };
    monitor.child_started();
    assert_eq!(snapshot(&monitor).state, SinkState::Running);
    monitor.child_ended("exit status: 1");
    for (resting, failed, state) in [
        (false, false, SinkState::Retrying),
        (true, false, SinkState::Resting),
        (false, true, SinkState::FailedToStart),
    ] {
        monitor.child_waits(Duration::from_secs(60), resting, failed, budget);
        let snapshot = snapshot(&monitor);
        assert_eq!((snapshot.state, snapshot.budget), (state, Some(budget)));
        assert!(snapshot.next.is_some_and(|next| next > SystemTime::now()));
    }
    assert_eq!(&*snapshot(&monitor).exit.unwrap().cause, "exit status: 1");
    monitor.child_started();
    let again = snapshot(&monitor);
    assert_eq!((again.state, again.next, again.starts), (SinkState::Running, None, 2));
}

#[test]
fn a_pause_ends_by_itself_and_by_a_command() {
    let monitor = SinkMonitor::default();
    monitor.pauses(Duration::from_secs(60));
    assert_eq!(snapshot(&monitor).state, SinkState::Resting);
    monitor.request_retry();
    assert_eq!(snapshot(&monitor).state, SinkState::Running);
    monitor.pauses(Duration::ZERO);
    assert_eq!(snapshot(&monitor).state, SinkState::Running);
}

#[test]
fn the_last_lines_and_the_slots_are_kept() {
    let monitor = SinkMonitor::default();
    (0..9).for_each(|n| monitor.record_line(Excerpt::of(&n)));
    assert_eq!(snapshot(&monitor).last_lines, ["4", "5", "6", "7", "8"].map(Excerpt::from));
    let [a, b] = ["a", "b"].map(|name| AccountName::new(name).unwrap());
    for account in [&a, &b, &a] {
        monitor.take_slot(account);
    }
    monitor.free_slot(&b);
    assert_eq!(snapshot(&monitor).slots, [(a, 2)]);
    monitor.free_all_slots();
    assert!(snapshot(&monitor).slots.is_empty());
}

#[tokio::test]
async fn a_command_that_comes_while_the_sink_is_busy_is_not_lost() {
    let monitor = SinkMonitor::default();
    let mut commands = monitor.commands();
    assert!(!commands.take_retry());
    monitor.request_restart();
    commands.restart().await;
    assert!(!commands.take_retry(), "the restart implies it");
    monitor.request_retry();
    assert!(commands.take_retry() && !commands.take_retry());
}
