mod actions;
mod commands;
mod downloads;
mod failures;
mod fence;
mod hooks;
mod slow;
mod trials;

use futures_util::{FutureExt as _, future::BoxFuture};
use matterhost_actors::{
    model::{AccountName, Event, Found, Lookup, OutgoingAction, PostedIds, ReplyError},
    ports::Poster,
};

use super::*;
use crate::sinks::tests::{
    fake_child::{FakeChild, processes_in, until},
    fixtures::{
        DEADLINE, RecordingReplyPoster, delivered, handler_deps, outcome, post, post_of, post_with_text,
    },
};

#[tokio::test]
async fn a_child_that_dies_hangs_or_closes_its_output_is_restarted_without_loss() {
    for (text, timeout) in
        [("die-once", DEADLINE), ("hang-once", Duration::from_secs(2)), ("close-once", DEADLINE)]
    {
        let child =
            FakeChild::with_default_script(|config| config.timeout = timeout, handler_deps("child").poster);
        let child = child.started().await;
        assert_eq!(delivered(&child.exec, &post("c", "before")).await, Outcome::Acknowledged);
        let (bad, other) = (post_with_text("c", "bad", text), post("d", "other"));
        let (bad, other) = tokio::join!(delivered(&child.exec, &bad), delivered(&child.exec, &other));
        assert_eq!((bad, other), (Outcome::Acknowledged, Outcome::Acknowledged), "{text}");
        let mut received = child.received();
        received.sort();
        received.dedup();
        assert_eq!(received, ["bad", "before", "other"], "{text}");
        assert_eq!(child.starts(), 2, "{text}");
    }
}

#[tokio::test]
async fn answers_given_before_a_child_died_count() {
    let script = "import json,os,sys\nids = [json.loads(sys.stdin.readline())['id'] for _ in range(8)]\n\
                  os.write(1, ''.join(json.dumps({'ack': id}) + '\\n' for id in ids).encode())\nos._exit(0)\n";
    let child = FakeChild::with(script, |_| {}, handler_deps("child").poster);
    let waiting: Vec<_> =
        (0..8).map(|n| child.exec.deliver(&post(&format!("c{n}"), &n.to_string()))).collect();
    for given in waiting {
        assert_eq!(outcome(given).await, Outcome::Acknowledged);
    }
}

#[tokio::test]
async fn a_child_that_talks_endlessly_without_answering_is_restarted() {
    let script =
        "import sys\nopen('lives', 'a').write('x')\nwhile True: sys.stdout.write('nonsense\\n' * 1000)\n";
    let child = FakeChild::with(
        script,
        |config| config.timeout = Duration::from_secs(1),
        handler_deps("child").poster,
    )
    .started()
    .await;
    let answer = outcome(child.exec.deliver(&post("c", "1"))).await;
    assert!(matches!(answer, Outcome::Retry { .. }), "{answer:?}");
    until("the child is not restarted", || child.starts() > 1).await;
}

/// A poster that holds the sink's thread up, as a machine without time for it does.
struct HoldingPoster;

impl Poster for HoldingPoster {
    fn post(&self, _: &AccountName, _: OutgoingAction) -> BoxFuture<'static, Result<PostedIds, ReplyError>> {
        std::thread::sleep(Duration::from_millis(2_200));
        std::future::ready(Ok(PostedIds::default())).boxed()
    }

    fn look_up(&self, _: &AccountName, _: Lookup) -> BoxFuture<'static, Result<Found, ReplyError>> {
        std::future::pending().boxed()
    }
}

#[tokio::test]
async fn answers_that_were_written_in_time_count_though_they_are_read_late() {
    let script = "import json,sys\nfor line in sys.stdin:\n id = json.loads(line)['id']\n \
                  reply = json.dumps({'reply': {'to': id, 'text': 'hi'}})\n \
                  print(reply + '\\n' + json.dumps({'ack': id}), flush=True)\n";
    let change = |config: &mut ExecConfig| config.timeout = Duration::from_secs(2);
    let child = FakeChild::with(script, change, Arc::new(HoldingPoster));
    // The first event waits until the child has started.
    assert_eq!(delivered(&child.exec, &post("c", "first")).await, Outcome::Acknowledged);
    for n in 0..3 {
        let answer = outcome(child.exec.deliver(&post("c", &n.to_string()))).await;
        assert_eq!(answer, Outcome::Acknowledged, "{n}");
    }
}

#[tokio::test]
async fn meaningless_lines_are_reported_and_ignored() {
    let child = FakeChild::start();
    for text in ["nonsense", "twice", "elsewhere"] {
        assert_eq!(
            delivered(&child.exec, &post_with_text("c", text, text)).await,
            Outcome::Acknowledged,
            "{text}"
        );
    }
    assert_eq!(child.received(), ["nonsense", "twice", "elsewhere"]);
    assert_eq!(child.starts(), 1);
}

#[tokio::test]
async fn a_reply_is_posted_before_its_event_is_acknowledged() {
    let posted = Arc::<RecordingReplyPoster>::default();
    let child = FakeChild::with_default_script(|_| {}, Arc::clone(&posted) as Arc<dyn Poster>);
    assert_eq!(delivered(&child.exec, &post_with_text("c", "1", "reply")).await, Outcome::Acknowledged);
    let [(_, OutgoingAction::Post(draft))] = &posted.actions()[..] else { panic!("{:?}", posted.actions()) };
    assert_eq!((&*draft.text, draft.channel.as_str()), ("hi", "c"));
    assert_eq!(draft.key.as_ref().unwrap().as_str(), "1#child#0");
    assert_eq!(draft.root_id.as_ref().unwrap().as_str(), "1");
}

#[tokio::test]
async fn it_has_no_more_unanswered_than_it_may() {
    // A thread reads all there is; the file `unanswered` gets a letter for each event that is read and not answered.
    let script = "import json,os,queue,sys,threading,time\nread, answered = queue.Queue(), []\ndef reader():\n \
                  for n, line in enumerate(sys.stdin):\n  \
                  open('unanswered', 'a').write('x' * (n + 1 - len(answered)) + '\\n'); read.put(line)\n\
                  threading.Thread(target=reader, daemon=True).start()\nwhile True:\n \
                  id = json.loads(read.get())['id']\n while os.path.exists('hold'): time.sleep(0.005)\n \
                  answered.append(id); print(json.dumps({'ack': id}), flush=True)\n";
    let child = FakeChild::with(script, |config| config.in_flight = 2, handler_deps("child").poster);
    child.hold(true);
    let waiting: Vec<_> =
        (0..6).map(|n| child.exec.deliver(&post(&format!("c{n}"), &n.to_string()))).collect();
    let unanswered = || std::fs::read_to_string(child.path("unanswered")).unwrap_or_default();
    until("the child does not get two events", || unanswered().lines().count() == 2).await;
    child.hold(false);
    for given in waiting {
        assert_eq!(outcome(given).await, Outcome::Acknowledged);
    }
    assert_eq!(unanswered().lines().map(str::len).max(), Some(2), "{}", unanswered());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn at_its_end_the_whole_group_is_gone() {
    let child = FakeChild::start();
    assert_eq!(delivered(&child.exec, &post_with_text("c", "1", "child")).await, Outcome::Acknowledged);
    let here = child.path("");
    assert_eq!(processes_in(&here).len(), 2, "the handler and its own child process");
    child.exec.worker.close();
    tokio::time::timeout(DEADLINE, child.exec.worker.join()).await.unwrap();
    until("processes are left", || processes_in(&here).is_empty()).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn at_its_end_processes_in_sessions_of_their_own_are_gone_too() {
    let child = FakeChild::start();
    for (id, text) in [("1", "session"), ("2", "daemon")] {
        assert_eq!(delivered(&child.exec, &post_with_text("c", id, text)).await, Outcome::Acknowledged);
    }
    let here = child.path("");
    assert_eq!(processes_in(&here).len(), 3, "the handler and its two descendants");
    child.exec.worker.close();
    tokio::time::timeout(DEADLINE, child.exec.worker.join()).await.unwrap();
    until("processes are left", || processes_in(&here).is_empty()).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_child_that_dies_leaves_no_process_of_another_session() {
    let child = FakeChild::start();
    let other = FakeChild::start();
    assert_eq!(delivered(&other.exec, &post_with_text("c", "1", "daemon")).await, Outcome::Acknowledged);
    assert_eq!(delivered(&child.exec, &post_with_text("c", "1", "leave-once")).await, Outcome::Acknowledged);
    assert_eq!(child.starts(), 2);
    until("more than the second handler is left", || processes_in(&child.path("")).len() == 1).await;
    assert_eq!(processes_in(&other.path("")).len(), 2, "those of another sink are not touched");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_child_that_does_not_exit_is_killed() {
    let script = "import signal,time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nopen('lives','w').write('x')\n\
                  while True: time.sleep(600)\n";
    let child = FakeChild::with(script, |_| {}, handler_deps("child").poster).started().await;
    let given = child.exec.deliver(&post("c", "1"));
    child.exec.worker.close();
    tokio::time::timeout(DEADLINE, child.exec.worker.join()).await.unwrap();
    assert!(matches!(outcome(given).await, Outcome::Retry { .. }));
    until("processes are left", || processes_in(&child.path("")).is_empty()).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_child_is_killed_at_once_if_no_time_is_left() {
    let child = FakeChild::start();
    delivered(&child.exec, &post_with_text("c", "1", "child")).await;
    child.exec.kill();
    child.exec.worker.close();
    until("processes are left", || processes_in(&child.path("")).is_empty()).await;
}

#[tokio::test]
async fn it_gets_no_variable_that_may_hold_a_token() {
    let script = "import os\nopen('lives','w').write(' '.join(os.environ))\n";
    let child = FakeChild::with(
        script,
        |config| config.pass_env = vec!["CARGO_PKG_NAME".into()],
        handler_deps("child").poster,
    );
    until("the child does not start", || child.starts() > 0).await;
    let names = std::fs::read_to_string(child.path("lives")).unwrap();
    let names: Vec<_> = names.split(' ').filter(|name| *name != "LC_CTYPE").collect();
    assert!(names.contains(&"PATH") && names.contains(&"CARGO_PKG_NAME"), "{names:?}");
    assert!(!names.contains(&"CARGO_MANIFEST_DIR"), "{names:?}");
}

#[tokio::test]
async fn events_wait_while_the_child_cannot_be_started() {
    let child = FakeChild::with_default_script(
        |config| config.command = vec!["no-such-program".into()],
        handler_deps("child").poster,
    );
    for _ in 0..3 {
        let answer = outcome(child.exec.deliver(&post("c", "1"))).await;
        assert!(matches!(answer, Outcome::Retry { .. }), "{answer:?}");
    }
}
