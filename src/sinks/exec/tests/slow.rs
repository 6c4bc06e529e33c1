//! Children that take long: work that they announce, in time or late.

use super::*;

/// A child with a thread for each event. What it does depends on the event's id; it waits for files.
const WORKER: &str = r#"
import json, os, sys, threading, time
open("lives", "a").write("x")
def say(**line):
    sys.stdout.write(json.dumps(line) + "\n"); sys.stdout.flush()
def wait(file):
    while not os.path.exists(file): time.sleep(0.005)
def work(id):
    with open("heard", "a") as heard: heard.write(id + "\n")
    if id == "late": wait("go"); say(working=id, **{"for": "20s"})
    elif id == "late-ack": wait("go"); say(ack=id)
    elif id == "work": say(working=id, **{"for": "20s"})
    elif id == "short": say(working=id, **{"for": "1s"})
    elif id.startswith("slow"): pass
    else: say(ack=id); return
    say(action="typing", to=id, id=id)
    wait("end"); say(ack=id)
for line in sys.stdin:
    line = json.loads(line)
    if "result" in line: open("told-" + line["result"]["id"], "w"); continue
    threading.Thread(target=work, args=(line["id"],), daemon=True).start()
"#;

/// Returns a child that has begun, which takes long on a busy machine.
async fn begun(script: &str, timeout: Duration) -> FakeChild {
    let child = FakeChild::with(script, |config| config.timeout = timeout, handler_deps("child").poster);
    assert_eq!(delivered(&child.exec, &post("c0", "first")).await, Outcome::Acknowledged);
    std::fs::write(child.path("lives"), "x").unwrap();
    std::fs::write(child.path("heard"), "").unwrap();
    child
}

/// Gives an event to the child until its time has passed, while the child answers others.
async fn deliver_until_late(child: &FakeChild, id: &str) {
    let late = outcome(child.exec.deliver(&post("c", id)));
    let talk = async {
        for n in 0.. {
            delivered(&child.exec, &post("c1", &format!("other-{n}"))).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let outcome = tokio::select! { outcome = late => outcome, () = talk => unreachable!() };
    assert!(matches!(outcome, Outcome::Retry { .. } | Outcome::Hold { .. }), "{outcome:?}");
}

/// Waits until the host has read what the child wrote about an event.
async fn told(child: &FakeChild, id: &str) {
    until("the result is not told", || child.path(&format!("told-{id}")).exists()).await;
}

fn runs(child: &FakeChild, id: &str) -> usize {
    child.received().iter().filter(|heard| *heard == id).count()
}

#[tokio::test]
async fn work_that_is_announced_late_is_not_begun_again() {
    let child = begun(WORKER, Duration::from_secs(2)).await;
    deliver_until_late(&child, "late").await;
    std::fs::write(child.path("go"), "").unwrap();
    told(&child, "late").await;
    let again = child.exec.deliver(&post("c", "late"));
    assert_eq!(delivered(&child.exec, &post("c1", "other")).await, Outcome::Acknowledged);
    std::fs::write(child.path("end"), "").unwrap();
    assert_eq!(outcome(again).await, Outcome::Acknowledged);
    assert_eq!((runs(&child, "late"), child.starts()), (1, 1));
}

#[tokio::test]
async fn a_late_acknowledgement_counts_when_the_event_comes_again() {
    let child = begun(WORKER, Duration::from_secs(2)).await;
    deliver_until_late(&child, "late-ack").await;
    std::fs::write(child.path("go"), "").unwrap();
    told(&child, "late-ack").await;
    assert_eq!(outcome(child.exec.deliver(&post("c", "late-ack"))).await, Outcome::Acknowledged);
    assert_eq!((runs(&child, "late-ack"), child.starts()), (1, 1));
}

/// An account that is stopped and started delivers its events again.
#[tokio::test]
async fn an_event_of_an_account_that_starts_over_is_not_begun_again_while_the_child_works_on_it() {
    let child = begun(WORKER, DEADLINE).await;
    let before = child.exec.deliver(&post("c", "work"));
    told(&child, "work").await;
    drop(before);
    let again = child.exec.deliver(&post("c", "work"));
    assert_eq!(delivered(&child.exec, &post("c1", "other")).await, Outcome::Acknowledged);
    std::fs::write(child.path("end"), "").unwrap();
    assert_eq!(outcome(again).await, Outcome::Acknowledged);
    assert_eq!(runs(&child, "work"), 1);
}

#[tokio::test]
async fn work_that_takes_too_long_does_not_end_other_work() {
    let child = begun(WORKER, Duration::from_secs(3)).await;
    let long = child.exec.deliver(&post("c1", "work"));
    told(&child, "work").await;
    let short = outcome(child.exec.deliver(&post("c", "short"))).await;
    assert!(matches!(short, Outcome::Retry { .. } | Outcome::Hold { .. }), "{short:?}");
    std::fs::write(child.path("end"), "").unwrap();
    assert_eq!(outcome(long).await, Outcome::Acknowledged);
    assert_eq!(child.starts(), 1);
}

/// A child with one thread, which takes 4 s for the event `slow` and hangs on `hang` in its first life.
const ONE_THREAD: &str = r#"
import json, os, sys, time
open("lives", "a").write("x")
def say(**line): print(json.dumps(line), flush=True)
for line in sys.stdin:
    id = json.loads(line)["id"]
    if id == "slow":
        say(working=id, **{"for": "20s"}); time.sleep(4)
    if id == "hang" and os.path.getsize("lives") == 1:
        say(working=id, **{"for": "1s"}); time.sleep(600)
    with open("heard", "a") as heard: heard.write(id + "\n")
    say(ack=id)
"#;

#[tokio::test]
async fn a_child_at_work_is_given_the_time_that_it_asks_for() {
    let child = begun(ONE_THREAD, Duration::from_secs(2)).await;
    let slow = child.exec.deliver(&post("c", "slow"));
    let others: Vec<_> =
        (0..3).map(|n| child.exec.deliver(&post(&format!("c{n}"), &n.to_string()))).collect();
    for given in std::iter::once(slow).chain(others) {
        assert_eq!(outcome(given).await, Outcome::Acknowledged);
    }
    assert_eq!((child.received(), child.starts()), (["slow", "0", "1", "2"].map(Into::into).into(), 1));
}

#[tokio::test]
async fn a_child_that_works_longer_than_it_says_is_restarted() {
    let child = begun(ONE_THREAD, Duration::from_secs(2)).await;
    assert_eq!(delivered(&child.exec, &post("c", "hang")).await, Outcome::Acknowledged);
    assert!(child.starts() > 1);
}

#[tokio::test]
async fn slow_channels_of_one_account_leave_slots_to_another() {
    let change = |config: &mut ExecConfig| config.in_flight = 4;
    let child = FakeChild::with(WORKER, change, handler_deps("child").poster);
    let event = |account: &str, n: usize| post_of(account, &format!("c{n}"), &format!("{account}-{n}"));
    assert_eq!(delivered(&child.exec, &event("quick", 0)).await, Outcome::Acknowledged);
    let slow: Vec<_> = (0..16).map(|n| child.exec.deliver(&event("slow", n))).collect();
    for n in 1..20 {
        assert_eq!(outcome(child.exec.deliver(&event("quick", n))).await, Outcome::Acknowledged);
    }
    assert!(child.received().iter().filter(|id| id.starts_with("slow")).count() < 4, "a slot is left");
    std::fs::write(child.path("end"), "").unwrap();
    for given in slow {
        assert_eq!(outcome(given).await, Outcome::Acknowledged);
    }
}
