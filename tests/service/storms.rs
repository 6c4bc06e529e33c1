//! The program with a handler that fails on some events and takes long for others, while an operator restarts the sink, has it
//! retry and skips events: each post is handled or is one dead letter, in the order of its channel, and a healthy channel does
//! not notice.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    kills::QuietOnDrop,
    program::{ConfigDir, DEADLINE, Fixture, RunningProgram, text},
    seeds::seed,
};

/// The channels of a storm, in the order of what is wrong with one of their posts: nothing with the last.
const TROUBLES: [&str; 4] = ["die", "hang", "slow", "calm"];
/// The posts of each channel.
const POSTS: usize = 12;
/// The place of the troublesome post.
const TROUBLE_AT: usize = 3;
/// The longest wait of a post of the healthy channel, apart from the time that a child needs to start.
const HEALTHY: Duration = Duration::from_secs(1);
/// The time of a short sleep on a machine that is too busy.
const BUSY: Duration = Duration::from_millis(50);
/// The longest pause of the operator between two commands.
const OPERATOR_PAUSE_MS: u64 = 800;
/// The time limit for other channels once one has waited for so long that it leaves them half of the queue, which takes 10 s.
const OTHERS: Duration = Duration::from_secs(25);

/// The common part of both handlers: the record of handled posts, and the time that a post takes.
const COMMON: &str = r#"
import json, os, sys, threading, time
lock = threading.Lock()

def note(event):
    with lock, open("received", "a") as received: received.write(event["subject"] + " " + event["id"] + "\n")

def wait(words):
    while words == "hang" and not os.path.exists("works"): time.sleep(0.01)
    if words == "slow": time.sleep(1.5)

# The time that this process took to start.
ticks = int(open("/proc/self/stat").read().rsplit(") ", 1)[1].split()[19])
age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
open("starts", "a").write("%f\n" % age)
"#;

/// A child process with a thread for each event.
const CHILD: &str = r#"
def work(event):
    words = event["data"]["post"]["message"]
    if words == "die": os._exit(3)
    wait(words)
    note(event)
    with lock: print(json.dumps({"ack": event["id"]}), flush=True)
for line in sys.stdin: threading.Thread(target=work, args=[json.loads(line)], daemon=True).start()
"#;

/// An HTTP server, which prints its port.
const SERVER: &str = r#"
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_): pass
    def do_POST(self):
        event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        words = event["data"]["post"]["message"]
        wait(words)
        if words != "die": note(event)
        self.send_response(500 if words == "die" else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
print(server.server_port, flush=True)
server.serve_forever()
"#;

/// A kind of handler.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Child,
    Webhook,
}

/// A running host with a handler.
struct Storm {
    fixture: Fixture,
    dir: ConfigDir,
    channels: Vec<String>,
    /// The host, and before it the handler of a webhook.
    _processes: Mutex<Vec<RunningProgram>>,
}

impl Storm {
    fn new(kind: Kind, keys: &str, more: &str) -> Self {
        let (fixture, dir) = (Fixture::new(), ConfigDir::with(""));
        let (sink, server) = match kind {
            Kind::Child => {
                dir.write("handler.py", &(COMMON.to_owned() + CHILD));
                ("type = \"exec\"\ncommand = [\"python3\", \"handler.py\"]\n".to_owned(), None)
            }
            Kind::Webhook => {
                dir.write("server.py", &(COMMON.to_owned() + SERVER));
                let mut python = Command::new("python3");
                python.arg("server.py").current_dir(dir.path());
                let mut server = RunningProgram::start(python);
                let port = server.events.wait_for_json("the port", Value::is_u64);
                let secret = "whsec_mustnotshowrTwjUPD8ILPZIo2LaLaSw";
                let sink = format!(
                    "type = \"webhook\"\nurl = \"http://127.0.0.1:{port}/\"\nsecret = \"{secret}\"\n"
                );
                (sink, Some(server))
            }
        };
        let config = fixture.config()
            + "[admin]\nunix = \"admin.sock\"\n[sinks.handler]\nevents = [\"posted\"]\n"
            + &sink
            + keys
            + more;
        dir.write("matterhost.toml", &config);
        let channels = fixture.add_channels(TROUBLES.len());
        let host = RunningProgram::ready(&fixture, &dir);
        let processes = server.into_iter().chain([host]).collect();
        Self { fixture, dir, channels, _processes: Mutex::new(processes) }
    }

    fn post(&self, channel: &str, words: &str) -> String {
        self.fixture.simulator.post(&self.fixture.person.user_id, channel, words).id
    }

    /// Returns the handled posts with their channels, in order.
    fn received(&self) -> Vec<(String, String)> {
        let text = fs::read_to_string(self.dir.path().join("received")).unwrap_or_default();
        let split = |line: &str| line.split_once(' ').map(|(channel, id)| (channel.into(), id.into()));
        text.lines().filter_map(split).collect()
    }

    fn has_received(&self, id: &str) -> bool {
        self.received().iter().any(|(_, received)| received == id)
    }

    /// Returns the ids of the dead letters.
    fn dead_letters(&self) -> Vec<String> {
        let output = self.dir.matterhost(&["dead-letter", "list", "--json"]).output().unwrap();
        let letters = text(&output.stdout);
        let id = |line: &str| {
            serde_json::from_str::<Value>(line).unwrap()["event"]["id"].as_str().unwrap().to_owned()
        };
        letters.lines().map(id).collect()
    }

    /// Returns the times that the starts of the handler have taken.
    fn starts(&self) -> Vec<Duration> {
        let text = fs::read_to_string(self.dir.path().join("starts")).unwrap_or_default();
        text.lines().filter_map(|line| Some(Duration::from_secs_f64(line.parse().ok()?))).collect()
    }

    /// Posts in the healthy channel, one after the other, and returns how long the host let each wait: a child that is started
    /// anew takes its own time. Those during which the machine was too busy even for a short sleep are left out.
    fn stay_healthy(&self, quiet: &AtomicBool) -> Vec<Duration> {
        let mut waits = Vec::new();
        while !quiet.load(Ordering::Relaxed) {
            let started = self.starts().len();
            let (began, id) = (Instant::now(), self.post(&self.fixture.channel, "healthy"));
            let mut is_busy = false;
            while !self.has_received(&id) {
                assert!(began.elapsed() < DEADLINE, "the healthy channel is silent");
                let asleep = Instant::now();
                thread::sleep(Duration::from_millis(5));
                is_busy |= asleep.elapsed() > BUSY;
            }
            if !is_busy {
                let (wait, starts) = (began.elapsed(), self.starts());
                // One that was ended before it could tell its time took no longer than others.
                let longest = starts.iter().max().copied().unwrap_or_default();
                let starting = starts.iter().skip(started).sum::<Duration>() + longest;
                waits.push(wait.saturating_sub(starting));
            }
            thread::sleep(Duration::from_millis(20));
        }
        waits
    }

    /// Gives random commands until `quiet` is set.
    fn operate(&self, mut random: fastrand::Rng, quiet: &AtomicBool) {
        while !quiet.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(random.u64(..OPERATOR_PAUSE_MS)));
            let channel = random.choice(&self.channels).unwrap();
            let skip = ["sink", "skip", "handler", "--account", "helpdesk", "--channel", channel];
            let command = match random.u8(..4) {
                0 => &["sink", "restart", "handler"][..],
                1 => &["sink", "retry-now", "handler"],
                _ => &skip,
            };
            let output = self.dir.matterhost(command).output().unwrap();
            let said = text(&output.stderr);
            assert!(output.status.success() || said.contains("no event of channel"), "{command:?}: {said}");
        }
    }

    /// Waits until each post is handled or a dead letter.
    fn await_all(&self, posted: &BTreeMap<&str, Vec<String>>, seed: u64) {
        let end = Instant::now() + 2 * DEADLINE;
        loop {
            let letters = self.dead_letters();
            let received: BTreeSet<String> = self.received().into_iter().map(|(_, id)| id).collect();
            let mut missing =
                posted.values().flatten().filter(|id| !received.contains(*id) && !letters.contains(id));
            let Some(first) = missing.next() else { return };
            assert!(Instant::now() < end, "seed {seed}: {first} is missing: {:?}", self.dead_letters());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Checks that the posts of each channel that are no dead letters were handled first in their order.
    fn check_order(&self, posted: &BTreeMap<&str, Vec<String>>, letters: &[String], seed: u64) {
        for (channel, posts) in posted {
            let mut first: Vec<String> = Vec::new();
            for (_, id) in self.received().into_iter().filter(|(place, _)| place == channel) {
                if !first.contains(&id) && !letters.contains(&id) {
                    first.push(id);
                }
            }
            let expected: Vec<_> = posts.iter().filter(|id| !letters.contains(id)).cloned().collect();
            assert_eq!(first, expected, "seed {seed}");
        }
    }
}

/// Returns how long each post of the healthy channel took to be handled.
fn survives(kind: Kind, keys: &str, seed: u64) -> Vec<Duration> {
    let restart = "[restart]\nmax_restarts = 1000\nwithin = \"24h\"\nmin_backoff = \"20ms\"\nmax_backoff = \"50ms\"\n\
                   reset_after = \"100ms\"\n";
    let storm = Storm::new(kind, keys, restart);
    let quiet = AtomicBool::new(false);
    let (posted, waits) = thread::scope(|scope| {
        let _hush = QuietOnDrop(&quiet);
        let healthy = scope.spawn(|| storm.stay_healthy(&quiet));
        scope.spawn(|| storm.operate(fastrand::Rng::with_seed(seed), &quiet));
        let mut posted = BTreeMap::<&str, Vec<String>>::new();
        for n in 0..POSTS {
            for (channel, trouble) in storm.channels.iter().zip(TROUBLES) {
                let words = if n == TROUBLE_AT { trouble } else { "calm" };
                posted.entry(channel).or_default().push(storm.post(channel, words));
            }
            thread::sleep(Duration::from_millis(50));
        }
        storm.await_all(&posted, seed);
        quiet.store(true, Ordering::Relaxed);
        (posted, healthy.join().unwrap())
    });
    let letters = storm.dead_letters();
    assert_eq!(letters.iter().collect::<BTreeSet<_>>().len(), letters.len(), "seed {seed}: {letters:?}");
    for trouble in 0..2 {
        let id = &posted[&*storm.channels[trouble]][TROUBLE_AT];
        assert!(letters.contains(id), "seed {seed}: no dead letter for {}: {letters:?}", TROUBLES[trouble]);
    }
    storm.check_order(&posted, &letters, seed);
    assert!(waits.iter().all(|wait| *wait <= HEALTHY), "seed {seed}: {waits:?}");
    waits
}

#[test]
fn nothing_is_lost_when_an_operator_commands_a_child_that_misbehaves() {
    let seed = seed();
    let keys = "answer_timeout = \"1s\"\nmax_attempts = 3\nmax_age = \"8s\"\n";
    let waits = survives(Kind::Child, keys, seed);
    println!("{} healthy posts took {waits:?}", waits.len());
}

#[test]
fn nothing_is_lost_when_an_operator_commands_a_webhook_that_misbehaves() {
    let seed = seed();
    let keys = "timeout = \"1s\"\nmax_attempts = 3\nmax_age = \"8s\"\n";
    let waits = survives(Kind::Webhook, keys, seed);
    println!("{} healthy posts took {waits:?}", waits.len());
}

#[test]
fn a_channel_that_waits_leaves_half_of_the_permits_to_the_others() {
    let leaves_half = |kind: Kind| {
        let storm = Storm::new(kind, "", "[delivery]\nqueue = 32\n");
        let stuck = &storm.channels[0];
        let mut behind = vec![storm.post(stuck, "hang")];
        behind.extend((0..100).map(|_| {
            // Fetched posts are ordered by their milliseconds.
            thread::sleep(Duration::from_millis(2));
            storm.post(stuck, "calm")
        }));
        let direct =
            storm.fixture.simulator.direct_channel(&storm.fixture.bot.user_id, &storm.fixture.person.user_id);
        let others: Vec<_> =
            (0..20).map(|n| storm.post([&storm.fixture.channel, &direct][n % 2], "calm")).collect();
        let end = Instant::now() + OTHERS;
        while !others.iter().all(|id| storm.has_received(id)) {
            assert!(Instant::now() < end, "{kind:?}: the others wait: {:?}", storm.received());
            thread::sleep(Duration::from_millis(20));
        }
        assert!(!storm.has_received(&behind[0]), "{kind:?}: the channel should still wait");
        storm.dir.write("works", "");
        let posted = BTreeMap::from([(&**stuck, behind)]);
        storm.await_all(&posted, 0);
        storm.check_order(&posted, &[], 0);
    };
    thread::scope(|scope| {
        [Kind::Child, Kind::Webhook].map(|kind| scope.spawn(move || leaves_half(kind))).map(|_| ())
    });
}
