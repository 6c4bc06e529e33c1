//! Children that fail on one event, on all, or at their start.

use std::sync::Mutex;

use futures_util::future::join_all;

use super::*;
use crate::{actions::MAX_POSTS_PER_EVENT, config::AttemptLimits};

/// A child that works on each event in a thread of its own, and obeys its text: `die`, `hang`, `slow-once`, and `wait` for a
/// file `works`.
pub(super) const THREADED: &str = r#"
import json, os, sys, threading, time
open("lives", "a").write("x")
lock, seen = threading.Lock(), set()
def work(event):
    id, words = event["id"], event["data"]["post"]["message"]
    if words == "die": print("cannot divide by " + id, file=sys.stderr, flush=True); os._exit(3)
    if words == "hang": time.sleep(600)
    while words == "wait" and not os.path.exists("works"): time.sleep(0.01)
    first = id not in seen; seen.add(id)
    if words == "slow-once" and first: return
    with lock:
        open("heard", "a").write(id + "\n")
        print(json.dumps({"ack": id, "source": event["source"]}), flush=True)
for line in sys.stdin: threading.Thread(target=work, args=[json.loads(line)], daemon=True).start()
"#;

/// The same, one event after the other.
fn sequential() -> String {
    THREADED.replace(
        "threading.Thread(target=work, args=[json.loads(line)], daemon=True).start()",
        "work(json.loads(line))",
    )
}

fn rejection(outcome: Outcome) -> String {
    match outcome {
        Outcome::Rejected { cause } => cause,
        other => panic!("{other:?}"),
    }
}

/// Delivers a bad event among good ones of many channels. Returns the cause of the bad event's rejection.
async fn deliver_among_others(child: &FakeChild, text: &str) -> String {
    let bad = post_with_text("bad", "0", text);
    let good = |channel: usize| async move {
        for n in 0..5 {
            let event = post(&format!("c{channel}"), &format!("c{channel}-{n}"));
            assert_eq!(delivered(&child.exec, &event).await, Outcome::Acknowledged);
        }
    };
    let (outcome, _) = tokio::join!(delivered(&child.exec, &bad), join_all((0..12).map(good)));
    rejection(outcome)
}

#[tokio::test]
async fn an_event_that_kills_the_child_three_times_is_taken_away_and_the_others_go_on() {
    for script in [THREADED, &sequential()] {
        let child = FakeChild::with(script, |_| {}, handler_deps("child").poster);
        let cause = deliver_among_others(&child, "die").await;
        assert!(cause.contains("failed 3 times with this event"), "{cause}");
        assert!(
            cause.contains("exit status: 3; its last lines, newest first: cannot divide by 0"),
            "{cause}"
        );
        assert_eq!(delivered(&child.exec, &post("bad", "next")).await, Outcome::Acknowledged);
        assert!(child.starts() <= 5, "{} starts", child.starts());
    }
}

#[tokio::test]
async fn events_that_take_long_beside_one_that_kills_hold_nobody_up() {
    let child = FakeChild::with(THREADED, |_| {}, handler_deps("child").poster);
    let long: Vec<_> =
        (0..4).map(|n| post_with_text(&format!("long{n}"), &format!("long{n}"), "wait")).collect();
    let others = async {
        let cause = deliver_among_others(&child, "die").await;
        assert!(cause.contains("failed 3 times with this event"), "{cause}");
        std::fs::write(child.path("works"), "").unwrap();
    };
    let answers = join_all(long.iter().map(|event| delivered(&child.exec, event)));
    let (answers, ()) = tokio::join!(answers, others);
    assert_eq!(answers, [const { Outcome::Acknowledged }; 4]);
    assert!(child.starts() <= 5, "{} starts", child.starts());
}

#[tokio::test]
async fn an_event_that_kills_after_a_while_is_taken_away_too() {
    let script = THREADED
        .replace("cannot divide by", "late")
        .replace("; os._exit(3)", "; time.sleep(0.3); os._exit(3)");
    let child = FakeChild::with(&script, |_| {}, handler_deps("child").poster);
    let bad = post_with_text("bad", "0", "die");
    let others = async {
        for n in 0.. {
            assert_eq!(
                delivered(&child.exec, &post("good", &format!("good-{n}"))).await,
                Outcome::Acknowledged
            );
        }
    };
    let outcome =
        tokio::select! { outcome = delivered(&child.exec, &bad) => outcome, () = others => unreachable!() };
    let cause = rejection(outcome);
    assert!(cause.contains("times with this event; the last time it ended with exit status: 3"), "{cause}");
    assert!(child.starts() <= 8, "{} starts", child.starts());
}

#[tokio::test]
async fn an_event_that_hangs_a_child_three_times_is_taken_away() {
    let change = |config: &mut ExecConfig| config.timeout = Duration::from_secs(2);
    let child = FakeChild::with(&sequential(), change, handler_deps("child").poster).started().await;
    let cause = deliver_among_others(&child, "hang").await;
    assert!(cause.contains("event 0 in channel bad of account helpdesk unanswered for 2s"), "{cause}");
    assert!(cause.contains("answer_timeout"), "{cause}");
}

#[tokio::test]
async fn a_slow_event_ends_its_own_turn_and_not_the_child() {
    let change = |config: &mut ExecConfig| config.timeout = Duration::from_secs(2);
    let child = FakeChild::with(THREADED, change, handler_deps("child").poster).started().await;
    let slow = post_with_text("slow", "slow", "slow-once");
    let given = child.exec.deliver(&slow);
    let mut given = match given {
        Delivered::Later(later) => later,
        Delivered::Now(outcome) => panic!("{outcome:?}"),
    };
    // Others are answered all the while.
    let mut n = 0;
    let answer = loop {
        n += 1;
        let other = post("other", &n.to_string());
        tokio::select! {
            biased;
            answer = &mut given => break answer,
            other = delivered(&child.exec, &other) => assert_eq!(other, Outcome::Acknowledged),
        }
    };
    let Outcome::Hold { cause, .. } = answer else { panic!("{answer:?}") };
    assert!(cause.contains("unanswered for 2s (answer_timeout)"), "{cause}");
    assert_eq!(delivered(&child.exec, &slow).await, Outcome::Acknowledged);
    assert_eq!(child.starts(), 1);
}

#[tokio::test]
async fn an_event_that_is_never_answered_is_given_up() {
    let change = |config: &mut ExecConfig| {
        config.timeout = Duration::from_secs(2);
        config.attempts = AttemptLimits { max_attempts: 3, ..AttemptLimits::default() };
    };
    let child = FakeChild::with(THREADED, change, handler_deps("child").poster).started().await;
    delivered(&child.exec, &post("other", "first")).await;
    let silent = post_with_text("silent", "silent", "hang");
    let mut n = 0;
    let mut giving_up = Box::pin(delivered(&child.exec, &silent));
    let outcome = loop {
        n += 1;
        let other = post("other", &n.to_string());
        tokio::select! {
            biased;
            outcome = &mut giving_up => break outcome,
            other = delivered(&child.exec, &other) => assert_eq!(other, Outcome::Acknowledged),
        }
    };
    let cause = rejection(outcome);
    assert!(cause.contains("(answer_timeout); given up after 3 attempts (max_attempts)"), "{cause}");
    assert_eq!(child.starts(), 1);
}

#[tokio::test]
async fn an_event_that_the_child_asks_for_again_and_again_is_given_up_by_its_age() {
    let script = "import json,sys\nfor line in sys.stdin:\n \
                  print(json.dumps({'retry': json.loads(line)['id'], 'after': '1ms'}), flush=True)\n";
    let change = |config: &mut ExecConfig| config.attempts.max_age = Duration::from_secs(1);
    let child = FakeChild::with(script, change, handler_deps("child").poster);
    let cause = rejection(delivered(&child.exec, &post("c", "1")).await);
    assert!(cause.contains("the handler asked for a retry; given up after 1s"), "{cause}");
}

#[tokio::test]
async fn a_child_that_fails_before_it_reads_is_blamed_itself() {
    let script = format!(
        "import os,sys\nif len(open('lives').read() if os.path.exists('lives') else '') < 4:\n \
         open('lives','a').write('x'); sys.exit(1)\n{THREADED}"
    );
    let child = FakeChild::with(&script, |_| {}, handler_deps("child").poster);
    let answers = join_all((0..4).map(|n| {
        let event = post(&format!("c{n}"), &n.to_string());
        let exec = &child.exec;
        async move { delivered(exec, &event).await }
    }))
    .await;
    assert!(answers.iter().all(|answer| *answer == Outcome::Acknowledged), "{answers:?}");
    assert!(child.starts() > 4);
}

/// A poster whose posts take a moment, with the most bytes that were being posted at once.
#[derive(Default)]
struct SlowPoster(Arc<Mutex<PosterState>>);

#[derive(Default)]
struct PosterState {
    posts: usize,
    bytes: usize,
    most_bytes: usize,
}

impl Poster for SlowPoster {
    fn post(
        &self,
        _: &AccountName,
        action: OutgoingAction,
    ) -> BoxFuture<'static, Result<PostedIds, ReplyError>> {
        let OutgoingAction::Post(draft) = action else { panic!("{action:?}") };
        let (state, bytes) = (Arc::clone(&self.0), draft.text.len());
        {
            let mut state = state.lock().unwrap();
            state.posts += 1;
            state.bytes += bytes;
            state.most_bytes = state.most_bytes.max(state.bytes);
        }
        async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            state.lock().unwrap().bytes -= bytes;
            Ok(PostedIds::default())
        }
        .boxed()
    }
}

#[tokio::test]
async fn a_child_whose_replies_wait_is_not_late() {
    let script = "import json,sys\nopen('lives', 'a').write('x')\n\
                  for line in sys.stdin:\n id = json.loads(line)['id']\n \
                  for _ in range(6): print(json.dumps({'reply': {'to': id, 'text': 'x' * 900_000}}), flush=True)\n \
                  print(json.dumps({'ack': id}), flush=True)\n";
    let change = |config: &mut ExecConfig| config.timeout = Duration::from_secs(2);
    let child = FakeChild::with(script, change, Arc::new(LatePoster)).started().await;
    let Delivered::Later(outcome) = child.exec.deliver(&post("c", "1")) else { panic!("not taken") };
    assert_eq!(outcome.await, Outcome::Acknowledged);
    assert_eq!(child.starts(), 1);
}

/// A poster whose posts take several times as long as the child may take to answer.
struct LatePoster;

impl Poster for LatePoster {
    fn post(&self, _: &AccountName, _: OutgoingAction) -> BoxFuture<'static, Result<PostedIds, ReplyError>> {
        async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            Ok(PostedIds::default())
        }
        .boxed()
    }

    fn look_up(&self, _: &AccountName, _: Lookup) -> BoxFuture<'static, Result<Found, ReplyError>> {
        std::future::pending().boxed()
    }
}

#[tokio::test]
async fn replies_without_end_have_a_bound_in_number_and_bytes() {
    let script = "import json,sys\nfor line in sys.stdin:\n id = json.loads(line)['id']\n \
                  for _ in range(50): print(json.dumps({'reply': {'to': id, 'text': 'x' * 900_000}}), flush=True)\n \
                  print(json.dumps({'ack': id}), flush=True)\n";
    let poster = SlowPoster::default();
    let state = Arc::clone(&poster.0);
    let child = FakeChild::with(script, |_| {}, Arc::new(poster));
    for id in ["1", "2"] {
        assert_eq!(delivered(&child.exec, &post("c", id)).await, Outcome::Acknowledged);
    }
    let state = state.lock().unwrap();
    assert_eq!(state.posts, 2 * MAX_POSTS_PER_EVENT);
    assert!(state.most_bytes < 6 * 1024 * 1024, "{} bytes at once", state.most_bytes);
}
