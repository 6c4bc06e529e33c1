//! Handlers that fail, hang, answer twice, die and close early at random, and always on some events, while an operator restarts
//! the sink, has it retry and skips events: every event is received at least once or is one dead letter, in the order of its
//! channel, and a channel without faults is not held up.
//!
//! The seed is printed. It decides what a handler does but not the scheduling of threads, so a failed seed may pass.

mod operated;

use std::{
    env,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::future::join_all;
use matterhost_actors::{
    policy::{RestartPolicy, RestartSettings},
    ports::{EventSink, Outcome},
};
use tempfile::TempDir;

use self::operated::Operated;
use super::{
    fake_child::FakeChild,
    fixtures::{delivered, handler_deps, post},
    http::{FakeResponse, Request, Server, ok},
    rigs::config,
};
use crate::{
    config::{AttemptLimits, DeadLetterConfig, ExecConfig},
    sinks::{
        HandlerDeps, dead_letter::DeadLetters, exec::Exec, letter_target::LetterTarget, monitor::SinkMonitor,
        webhook::Webhook,
    },
};

const CHANNELS: usize = 4;
/// The event of the first channels on which the handler always fails.
const POISON: usize = 5;
/// The channels with such an event.
const POISONED: usize = 2;
/// The number of attempts for an event.
const ATTEMPTS: u32 = 3;
/// The time after which an event is given up that fails when nothing else is answered any more.
const MAX_AGE: Duration = Duration::from_secs(10);
const POSTS: usize = 12;
/// The timeout of a request.
const REQUEST_TIMEOUT: Duration = Duration::from_millis(200);
/// The answer timeout of a child, which needs a while to start on a busy machine.
const CHILD_TIMEOUT: Duration = Duration::from_secs(2);

/// Returns the seed to repeat, or as many random ones as requested.
fn seeds() -> Vec<u64> {
    let number = |name| env::var(name).ok().and_then(|text| text.parse().ok());
    match number("MATTERHOST_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("MATTERHOST_SEEDS").unwrap_or(1)).map(|_| fastrand::u64(..)).collect(),
    }
}

/// Returns the dependencies of a sink with dead letters in a directory.
fn deps_with_letters(sink: &str, dir: &TempDir) -> (HandlerDeps, DeadLetters) {
    let config = DeadLetterConfig { dir: dir.path().join("dead"), max_size: 1 << 20, keep: 2 };
    let letters = DeadLetters::for_sink(sink, &config);
    let deps = HandlerDeps {
        dead_letters: Some(letters.clone()),
        monitor: SinkMonitor::default(),
        ..handler_deps(sink)
    };
    (deps, letters)
}

/// Delivers the events. Returns the ids of those that were refused.
async fn deliver_posts(sink: &dyn EventSink) -> Vec<String> {
    let channel = |channel: usize| async move {
        let mut refused = Vec::new();
        for n in 0..POSTS {
            match delivered(sink, &post(&format!("c{channel}"), &id(channel, n))).await {
                Outcome::Acknowledged => {}
                Outcome::Rejected { .. } => refused.push(id(channel, n)),
                other => panic!("{other:?}"),
            }
        }
        refused
    };
    join_all((0..CHANNELS).map(channel)).await.concat()
}

fn id(channel: usize, n: usize) -> String {
    format!("c{channel}-{n:03}")
}

fn is_poison(id: &str) -> bool {
    (0..POISONED).any(|channel| self::id(channel, POISON) == id)
}

/// Checks that every event of each channel that was not refused came, and the first copies in order.
fn check(received: &[String], refused: &[String], seed: u64) {
    assert!((0..POISONED).all(|channel| refused.contains(&id(channel, POISON))), "seed {seed}: {refused:?}");
    for channel in 0..CHANNELS {
        let mut first: Vec<&str> = Vec::new();
        for id in received.iter().filter(|id| id.starts_with(&format!("c{channel}-"))) {
            if !first.contains(&id.as_str()) && !refused.contains(id) {
                first.push(id);
            }
        }
        let expected = (0..POSTS).map(|n| id(channel, n)).filter(|id| !refused.contains(id));
        assert_eq!(first, expected.collect::<Vec<_>>(), "seed {seed}");
    }
}

#[tokio::test]
async fn a_webhook_with_random_faults_loses_nothing() {
    for seed in seeds() {
        println!("seed {seed}: set MATTERHOST_SEED to it to repeat the run");
        let received = Arc::<Mutex<Vec<String>>>::default();
        let (seen, random) = (Arc::clone(&received), Mutex::new(fastrand::Rng::with_seed(seed)));
        let server = Server::start(move |request| {
            let ids = request.ids();
            if ids.iter().any(|id| is_poison(id)) {
                return FakeResponse::Answer(500, "", b"poison".into());
            }
            if ids.iter().any(|id| id.starts_with("healthy")) {
                return ok();
            }
            let which = random.lock().unwrap().u8(..20);
            random_response(which, request, &seen)
        });
        let mut config = config(&server, if seed % 2 == 0 { 1 } else { 3 });
        config.timeout = REQUEST_TIMEOUT;
        config.attempts = AttemptLimits { max_attempts: ATTEMPTS, max_age: MAX_AGE };
        let dir = tempfile::tempdir().unwrap();
        let (deps, letters) = deps_with_letters("hook", &dir);
        let is_alone = config.batch == 1;
        let hook = Webhook::start(config, deps.clone()).unwrap();
        let refused = if is_alone {
            let target = LetterTarget::Webhook(hook.clone());
            Operated::new(Arc::new(hook), target, deps, letters, Vec::new).storm(seed).await
        } else {
            deliver_posts(&hook).await
        };
        check(&received.lock().unwrap(), &refused, seed);
    }
}

/// Returns one of the responses, and records the events unless it is a refusal.
fn random_response(which: u8, request: &Request, received: &Mutex<Vec<String>>) -> FakeResponse {
    let refusal = match which {
        0 => Some(FakeResponse::Answer(503, "", Vec::new())),
        1 => Some(FakeResponse::Answer(429, "retry-after: 0\r\n", Vec::new())),
        2 => Some(FakeResponse::Close),
        3 => Some(FakeResponse::Hang),
        4 => Some(FakeResponse::Answer(302, "location: /\r\n", Vec::new())),
        _ => None,
    };
    refusal.unwrap_or_else(|| {
        received.lock().unwrap().extend(request.ids());
        match which {
            5 => FakeResponse::Close,
            6 => FakeResponse::Hang,
            7 => FakeResponse::Raw(b"HTTP/1.1 200 X\r\ncontent-le".into()),
            8 => FakeResponse::Raw(b"HTTP/1.1 200 X\r\ncontent-length: 9\r\n\r\n{\"te".into()),
            9 => FakeResponse::Answer(200, "content-type: application/json\r\n", b"{\"text\": 5}".into()),
            10 => FakeResponse::Answer(500, "", vec![b'x'; 100_000]),
            _ => ok(),
        }
    })
}

/// A child that behaves at random, by its seed and the number of its start.
const RANDOM_CHILD: &str = r#"
import json, os, random, sys, time
life = len(open("lives").read()) if os.path.exists("lives") else 0
open("lives", "a").write("x")
random.seed(int(open("seed").read()) + life)
def say(**line): print(json.dumps(line), flush=True)
for line in sys.stdin:
    id, which = json.loads(line)["id"], random.randrange(50)
    if id in ("c0-005", "c1-005"): sys.exit(3)
    if which == 0: sys.exit(1)
    if which == 1: time.sleep(600)
    if which == 2: say(retry=id, after="1ms"); continue
    if which == 3: os.close(1); time.sleep(600)
    if which == 4: print("{\"ack\": ", flush=True); print("nonsense", flush=True)
    with open("heard", "a") as heard: heard.write(id + "\n"); heard.flush()
    if which == 5: sys.exit(1)
    if which == 6: sys.stdin.close(); time.sleep(600)
    if which == 7: say(ack=id)
    if which == 8: os.abort()
    say(ack=id)
    if which == 9: sys.exit(0)
"#;

/// Returns a policy that restarts a child at once, as often as it takes.
fn restless_policy() -> RestartPolicy {
    let settings = RestartSettings {
        max_restarts: 500,
        within: Duration::from_secs(3600),
        min_backoff: Duration::from_millis(1),
        max_backoff: Duration::from_millis(5),
        reset_after: Duration::from_millis(1),
        ..RestartSettings::default()
    };
    RestartPolicy::new(settings).unwrap()
}

#[tokio::test]
async fn a_child_with_random_faults_loses_nothing() {
    for seed in seeds() {
        println!("seed {seed}: set MATTERHOST_SEED to it to repeat the run");
        let change = |config: &mut ExecConfig| config.timeout = CHILD_TIMEOUT;
        let child = FakeChild::with_policy(
            RANDOM_CHILD,
            change,
            handler_deps("child").poster,
            restless_policy(),
            &[("seed", &seed.to_string())],
        );
        let refused = deliver_posts(&child.exec).await;
        check(&child.received(), &refused, seed);
        assert!(child.starts() > 1, "the child never failed");
    }
}

/// A child that works on each event in a thread of its own and behaves at random, by its seed and the number of its start.
/// It answers events of a healthy channel at once.
const THREADED_CHILD: &str = r#"
import json, os, random, sys, threading, time
def age(): # of this process
    ticks = int(open("/proc/self/stat").read().rsplit(") ", 1)[1].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
life = len(open("starts").readlines()) if os.path.exists("starts") else 0
open("starts", "a").write("%f\n" % age())
chance, lock = random.Random(int(open("seed").read()) + life), threading.Lock()
def say(**line):
    with lock: print(json.dumps(line), flush=True)
def work(id, which):
    if id in ("c0-005", "c1-005"): os._exit(3)
    if which == 0: os._exit(1)
    if which == 1: time.sleep(600)
    if which == 2: return say(retry=id, after="1ms")
    if which in range(10, 16): time.sleep(1)
    with lock: open("heard", "a").write(id + "\n")
    if which == 5: os._exit(1)
    if which == 6: say(ack=id)
    say(ack=id)
for line in sys.stdin:
    id = json.loads(line)["id"]
    which = 9 if id.startswith("healthy") else chance.randrange(40)
    threading.Thread(target=work, args=[id, which], daemon=True).start()
"#;

/// Returns the times in a file, one a line.
fn read_times(path: &Path) -> Vec<Duration> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(|line| Some(Duration::from_secs_f64(line.parse().ok()?))).collect()
}

#[tokio::test]
async fn a_child_with_random_faults_under_an_operator_loses_nothing() {
    for seed in seeds() {
        println!("seed {seed}: set MATTERHOST_SEED to it to repeat the run");
        let dir = tempfile::tempdir().unwrap();
        let (deps, letters) = deps_with_letters("child", &dir);
        for (name, text) in [("handler.py", THREADED_CHILD), ("seed", &seed.to_string())] {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let config = ExecConfig {
            command: vec!["python3".into(), "handler.py".into()],
            dir: dir.path().to_owned(),
            may_post_files: false,
            pass_env: Vec::new(),
            in_flight: 8,
            timeout: CHILD_TIMEOUT,
            attempts: AttemptLimits { max_attempts: ATTEMPTS, max_age: MAX_AGE },
            typing: false,
        };
        let child = Exec::start(config, restless_policy(), deps.clone()).unwrap();
        let target = LetterTarget::Exec(child.clone());
        let starts = dir.path().join("starts");
        let starts = move || read_times(&starts);
        let refused = Operated::new(Arc::new(child.clone()), target, deps, letters, starts).storm(seed).await;
        let heard = std::fs::read_to_string(dir.path().join("heard")).unwrap_or_default();
        child.kill();
        child.worker.close();
        check(&heard.lines().map(str::to_owned).collect::<Vec<_>>(), &refused, seed);
    }
}
