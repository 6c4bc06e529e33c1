//! Handlers that fail, hang, answer twice, die and close early at random, under a host that is killed meanwhile: every
//! post is received at least once, in order.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::atomic::AtomicBool,
    thread,
    time::Duration,
};

use crate::{
    kills::{
        MAX_COMMIT_DELAY, OVERLAP_MS, QuietOnDrop, await_socket, post_randomly, posted_ids,
        wait_for_first_event,
    },
    program::{ConfigDir, Fixture, Lines, wait_until_complete},
    seeds::seed,
};

/// Starts of the host in one run.
const LIVES: usize = 3;

/// The longest pause between two posts.
const PAUSE: Duration = Duration::from_millis(4);

/// The common part of both handlers: records a post, sometimes with a failure before or after.
const COMMON: &str = r#"
import json, os, random, sys, time
out = open("received", "a")
# Each life is another.
chance = random.Random("%s %s" % (sys.argv[1], os.getpid()))

def note(event):
    if event["type"] == "com.mattermost.posted":
        post = event["data"]["post"]
        out.write("%s %s %d\n" % (event["subject"], event["id"], post["create_at"]))
        out.flush()
"#;

/// A child process that answers line by line.
const CHILD: &str = r#"
for line in sys.stdin:
    event, roll = json.loads(line), chance.random()
    if roll < 0.01: os._exit(1)
    if roll < 0.015: time.sleep(5)
    note(event)
    if roll < 0.03: os._exit(1)
    if roll < 0.04: os.close(1); time.sleep(5)
    if roll < 0.10: print(json.dumps({"retry": event["id"], "after": "10ms"}), flush=True); continue
    for _ in range(2 if roll < 0.2 else 1): print(json.dumps({"ack": event["id"]}), flush=True)
"#;

/// An HTTP server, which prints its port.
const SERVER: &str = r#"
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_): pass
    def answer(self, status):
        self.send_response(status); self.send_header("Content-Length", "0"); self.end_headers()
    def do_POST(self):
        event, roll = json.loads(self.rfile.read(int(self.headers["Content-Length"]))), chance.random()
        self.close_connection = roll < 0.04
        if roll < 0.01: return
        if roll < 0.02: return self.answer(503)
        if roll < 0.025: time.sleep(3)
        note(event)
        if roll < 0.04: return
        if roll < 0.06: return self.answer(500)
        self.answer(200)

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"#;

/// Kills a process when dropped.
struct Ended {
    child: Child,
    /// Read only to check it for secrets.
    _log: Option<Lines>,
}

impl Drop for Ended {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn config(fixture: &Fixture, sink: &str) -> String {
    fixture.config()
        + sink
        + "[restart]\nmax_restarts = 1000\nwithin = \"24h\"\nmin_backoff = \"20ms\"\nmax_backoff = \"100ms\"\n\
           reset_after = \"100ms\"\n[catch_up]\noverlap = \"1s\"\n"
}

fn by_child(dir: &ConfigDir, seed: u64) -> String {
    dir.write("handler.py", &(COMMON.to_owned() + CHILD));
    format!(
        "[sinks.child]\ntype = \"exec\"\ncommand = [\"python3\", \"handler.py\", \"{seed}\"]\nanswer_timeout = \"1s\"\n"
    )
}

fn by_server(dir: &ConfigDir, seed: u64) -> (String, Ended) {
    let program = dir.write("server.py", &(COMMON.to_owned() + SERVER));
    let mut command = Command::new("python3");
    command.arg(program).arg(seed.to_string()).current_dir(dir.path()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut port = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
    let sink = format!(
        "[sinks.hook]\ntype = \"webhook\"\nurl = \"http://127.0.0.1:{}/\"\ntimeout = \"1s\"\n\
         secret = \"whsec_mustnotshowrTwjUPD8ILPZIo2LaLaSw\"\n",
        port.trim()
    );
    (sink, Ended { child, _log: None })
}

/// Returns the posts that the handler recorded: channel, id, time.
fn received(dir: &ConfigDir) -> Vec<(String, String, i64)> {
    let text = fs::read_to_string(dir.path().join("received")).unwrap_or_default();
    let note = |line: &str| {
        let mut words = line.split(' ');
        Some((words.next()?.to_owned(), words.next()?.to_owned(), words.next()?.parse().ok()?))
    };
    text.lines().filter_map(note).collect()
}

fn begin(dir: &ConfigDir) -> Ended {
    let mut command = dir.matterhost(&["run"]);
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let log = Lines::read(child.stderr.take().unwrap());
    Ended { child, _log: Some(log) }
}

fn survives(fixture: &Fixture, dir: &ConfigDir, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut channels = vec![fixture.channel.clone()];
    channels.extend(fixture.add_channels(2));
    let mut life = begin(dir);
    wait_for_first_event(fixture, || !received(dir).is_empty());
    fixture.simulator.randomize_commit_delay(MAX_COMMIT_DELAY);
    let quiet = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| post_randomly(fixture, &channels, seed, PAUSE, &quiet));
        let _hush = QuietOnDrop(&quiet);
        for _ in 0..LIVES {
            thread::sleep(Duration::from_millis(300 + random.u64(..700)));
            if random.bool() {
                fixture.simulator.cycle(&fixture.bot.user_id);
            }
            drop(std::mem::replace(&mut life, begin(dir)));
        }
        await_socket(fixture);
    });
    await_all(dir, &posted_ids(fixture, &channels), seed);
    check_order(dir, seed);
}

/// Waits until all posts are received.
fn await_all(dir: &ConfigDir, posted: &BTreeSet<String>, seed: u64) {
    let complete = wait_until_complete(|| {
        let received: HashSet<String> = received(dir).into_iter().map(|(_, id, _)| id).collect();
        posted.iter().filter(|id| !received.contains(*id)).collect()
    });
    if let Err(missing) = complete {
        let (left, all) = (missing.len(), posted.len());
        panic!("seed {seed}: {left} of {all} posts are missing: {missing:?}");
    }
}

/// Checks the order in which posts were first received. A post that became visible late comes when it is first seen.
fn check_order(dir: &ConfigDir, seed: u64) {
    let mut newest: BTreeMap<String, (i64, Vec<String>)> = BTreeMap::new();
    for (channel, id, at) in received(dir) {
        let (latest, ids) = newest.entry(channel).or_insert((0, Vec::new()));
        if !ids.contains(&id) {
            assert!(at > *latest - OVERLAP_MS, "seed {seed}: {id} was {} ms late", *latest - at);
            *latest = at.max(*latest);
            ids.push(id);
        }
    }
}

#[test]
fn nothing_is_lost_on_the_way_to_a_child_that_misbehaves() {
    let (fixture, seed) = (Fixture::new(), seed());
    let dir = ConfigDir::with("");
    let sink = by_child(&dir, seed);
    dir.write("matterhost.toml", &config(&fixture, &sink));
    survives(&fixture, &dir, seed);
}

#[test]
fn nothing_is_lost_on_the_way_to_a_webhook_that_misbehaves() {
    let (fixture, seed) = (Fixture::new(), seed());
    let dir = ConfigDir::with("");
    let (sink, _server) = by_server(&dir, seed);
    dir.write("matterhost.toml", &config(&fixture, &sink));
    survives(&fixture, &dir, seed);
}
