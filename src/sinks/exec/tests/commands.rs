//! Commands of an operator to a child.

use matterhost_actors::policy::RestartSettings;

use super::*;
use crate::sinks::monitor::SinkState;

/// A policy with a budget of one failure and a long rest.
fn strict_policy() -> RestartPolicy {
    let settings = RestartSettings {
        max_restarts: 1,
        min_backoff: Duration::from_millis(10),
        cooldown: Duration::from_secs(600),
        max_cooldown: Duration::from_secs(600),
        ..RestartSettings::default()
    };
    RestartPolicy::new(settings).unwrap()
}

fn state(child: &FakeChild) -> SinkState {
    child.monitor.snapshot(Arc::default()).state
}

#[tokio::test]
async fn a_child_that_rests_is_started_at_once_when_an_operator_wants_it() {
    // It fails until the file `works` is there.
    let script = "import os, sys, json\nopen('lives', 'a').write('x')\nprint('no works', file=sys.stderr)\n\
                  if not os.path.exists('works'): sys.exit(3)\n\
                  for line in sys.stdin: print(json.dumps({'ack': json.loads(line)['id']}), flush=True)\n";
    let child = FakeChild::with_policy(script, |_| {}, handler_deps("child").poster, strict_policy(), &[]);
    until("the child does not rest", || state(&child) == SinkState::Resting).await;
    let snapshot = child.monitor.snapshot(Arc::default());
    assert!(snapshot.exit.unwrap().cause.contains("exit status: 3"));
    assert_eq!((&*snapshot.last_lines[0], snapshot.budget.unwrap().left), ("no works", 0));
    assert!(matches!(outcome(child.exec.deliver(&post("c", "1"))).await, Outcome::Retry { .. }));
    std::fs::write(child.path("works"), "").unwrap();
    assert_eq!(child.starts(), 2);
    child.monitor.request_retry();
    child.exec.end_pause();
    assert_eq!(outcome(child.exec.deliver(&post("c", "1"))).await, Outcome::Acknowledged);
    assert_eq!(state(&child), SinkState::Running);
}

#[tokio::test]
async fn a_command_to_a_child_that_runs_is_not_one_to_its_successor() {
    let script = "import os, sys, time\nopen('lives', 'a').write('x')\n\
                  while not os.path.exists('die'): time.sleep(0.005)\nsys.exit(3)\n";
    let child = FakeChild::with_policy(script, |_| {}, handler_deps("child").poster, strict_policy(), &[]);
    let child = child.started().await;
    child.monitor.request_retry();
    std::fs::write(child.path("die"), "").unwrap();
    until("the child does not rest", || state(&child) == SinkState::Resting).await;
    assert_eq!(child.starts(), 2, "the budget was not restored");
}

#[tokio::test]
async fn a_program_that_is_not_there_fails_to_start() {
    let child = FakeChild::with_default_script(
        |config| config.command = vec!["no-such-program".into()],
        handler_deps("child").poster,
    );
    until("it does not fail", || state(&child) == SinkState::FailedToStart).await;
    let cause = child.monitor.snapshot(Arc::default()).exit.unwrap().cause;
    assert!(cause.contains("no-such-program cannot be started"), "{cause}");
}

#[tokio::test]
async fn a_restart_gives_what_the_old_child_had_to_the_new_one_and_charges_nothing() {
    let script = "import os, sys, json\nopen('lives', 'a').write('x')\nfor line in sys.stdin:\n \
                  if os.path.exists('works'): print(json.dumps({'ack': json.loads(line)['id']}), flush=True)\n";
    let child = FakeChild::with_policy(script, |_| {}, handler_deps("child").poster, strict_policy(), &[]);
    for starts in 1..4 {
        until("no child starts", || child.starts() == starts).await;
        let given = child.exec.deliver(&post("c", "1"));
        let slots =
            || child.monitor.snapshot(Arc::default()).slots.iter().map(|(_, slots)| slots).sum::<usize>();
        until("the child does not get it", || slots() == 1).await;
        child.monitor.request_restart();
        assert!(matches!(outcome(given).await, Outcome::Hold { .. }), "the sink accepts others");
    }
    std::fs::write(child.path("works"), "").unwrap();
    assert_eq!(delivered(&child.exec, &post("c", "1")).await, Outcome::Acknowledged);
    assert_eq!(state(&child), SinkState::Running);
}

#[tokio::test]
async fn a_restart_does_not_wait_for_an_event_that_the_child_is_busy_with() {
    let child = FakeChild::start();
    let busy = child.exec.deliver(&post_with_text("c", "busy", "hang-once"));
    until("the child does not begin", || child.path("done").exists()).await;
    let began = std::time::Instant::now();
    child.monitor.request_restart();
    assert_eq!(delivered(&child.exec, &post("d", "next")).await, Outcome::Acknowledged);
    // The event has until the deadline.
    assert!(began.elapsed() < DEADLINE / 2, "{:?}", began.elapsed());
    assert!(matches!(outcome(busy).await, Outcome::Hold { .. }));
}
