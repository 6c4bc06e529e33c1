//! Random actions by a child, by a webhook in its responses and with its reply token, by the API and by a bot in Rust, while responses are lost, the server fails and
//! limits, sockets drop and the host is killed: each keyed action is done once, in order within a channel, and the last
//! text of each stream is shown.

use std::{
    fs,
    net::SocketAddr,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use matterhost_simulator::{Fault, FaultKind};

use crate::{
    admin::host::free_address,
    kills::QuietOnDrop,
    program::{ConfigDir, Fixture, RunningProgram},
    seeds::seed,
    sinks::{Handler, sink},
};

/// The program, with a bot that adds up numbers.
const PROGRAM: &str = "bots_in_rust";
/// The questions of a run, and the posts by the API.
const QUESTIONS: usize = 4;
/// The starts of the host.
const LIVES: usize = 3;
/// Much more than a run takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(90);

/// A child that answers each question by a stream. Each life draws other numbers.
const CHILD: &str = r#"
import json, os, random, sys, time

with open("lives", "a") as lives: lives.write("x")
random.seed("SEED %d" % os.path.getsize("lives"))

def send(**line):
    print(json.dumps(line), flush=True)

for line in sys.stdin:
    event = json.loads(line)
    if "result" in event: continue
    id, source = event["id"], event["source"]
    if event["type"] == "com.mattermost.posted" and not event["own"]:
        about = {"to": id, "source": source, "key": "answer"}
        question = event["data"]["post"]["message"]
        send(working=id, source=source, **{"for": "1m"})
        if random.random() < 0.5: send(action="react", to=id, source=source, emoji="eyes")
        if random.random() < 0.5: send(action="find_channel", to=id, source=source, target="crew/lobby", id="1")
        target = {"target": "crew/lobby"} if random.random() < 0.3 else {}
        send(action="reply", text="child " + question + " …", **about)
        send(action="post", to=id, source=source, text="aside " + question, key="aside-" + id, **target)
        for n in range(random.randrange(60)):
            send(action="update", text="child %s %d" % (question, n), **about)
            time.sleep(0.005)
        send(action="update", text="child %s end" % question, **about)
    send(ack=id, source=source)
"#;

/// A webhook that takes each question and answers it later, and a client of the API. Its arguments are
/// the port, the URL and the token of the API, and the number of posts.
const SERVER: &str = r#"
import json, sys, threading, time, urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

taken = set()
API_URL, TOKEN, COUNT = sys.argv[2], sys.argv[3], int(sys.argv[4])

def act(path, token, **action):
    """Repeats an action until it is done, as a client does that knows nothing of its outcome."""
    headers = {"authorization": "Bearer " + token, "content-type": "application/json"}
    while True:
        request = urllib.request.Request(API_URL + path, json.dumps(action).encode(), headers)
        try:
            return urllib.request.urlopen(request, timeout=60).read()
        except OSError:
            time.sleep(0.1)

def stream(path, token, text, key, **place):
    for n in range(6):
        act(path, token, action="update", text="%s %d" % (text, n), key=key, wait=n == 3, **place)
    act(path, token, action="update", text=text + " end", key=key, **place)

def answer(question, token):
    act("/v1/replies", token, action="reply", text="hook " + question, key="answer")
    stream("/v1/replies", token, "hook " + question, "answer")

def use_api():
    path = "/v1/accounts/helpdesk/actions"
    for n in range(COUNT):
        place = {"target": "crew/lobby"}
        act(path, TOKEN, action="post", text="api %d" % n, key="api-%d" % n, **place)
        stream(path, TOKEN, "api %d" % n, "api-%d" % n, **place)

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_): pass
    def do_POST(self):
        event = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if event["type"] == "com.mattermost.posted" and not event["own"] and event["id"] not in taken:
            taken.add(event["id"])
            arguments = (event["data"]["post"]["message"], self.headers["matterhost-reply-token"])
            threading.Thread(target=answer, args=arguments, daemon=True).start()
        body = b""
        if event["type"] == "com.mattermost.posted" and not event["own"]:
            # Each time: the host may have been killed before it took the first answer.
            said = {"action": "reply", "text": "said " + event["data"]["post"]["message"]}
            body = json.dumps(said).encode()
        self.send_response(202)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
print("listening", server.server_port, flush=True)
threading.Thread(target=use_api, daemon=True).start()
server.serve_forever()
"#;

const TOKEN: &str = "mustnotshow-actions-1f2e3d4c";

/// Strikes the server at random until `quiet` is set.
fn strike_randomly(fixture: &Fixture, random: &mut fastrand::Rng, quiet: &AtomicBool) {
    while !quiet.load(Ordering::Relaxed) {
        let kind = match random.u8(..10) {
            0..4 => FaultKind::LostResponse,
            4 | 5 => FaultKind::ServerError,
            6 | 7 => FaultKind::ProxyPage(502),
            8 => FaultKind::TooManyRequests { retry_after: 1 },
            _ => FaultKind::Drop,
        };
        let fault = match kind {
            FaultKind::Drop => Fault::new(FaultKind::Drop),
            kind => {
                let routes =
                    ["POST /posts", "PUT /posts/{post_id}/patch", "GET /channels/{channel_id}/posts"];
                Fault::new(kind).route(routes[random.usize(..3)]).times(1)
            }
        };
        // At most one waits for its request; they would come faster than requests.
        fixture.simulator.clear_faults();
        fixture.simulator.inject(fault);
        thread::sleep(Duration::from_millis(random.u64(50..300)));
    }
    fixture.simulator.clear_faults();
}

/// Returns a question: a number, because the bot in Rust adds them up.
fn question(n: usize) -> usize {
    1 << n
}

/// Returns the answer of the bot in Rust, which has the sum of all questions before.
fn sum(n: usize) -> String {
    format!("The sum is {}", 2 * question(n) - 1)
}

/// Returns the posts of the bot, without the number of posts that the bot in Rust has counted in this life.
fn bot_posts(fixture: &Fixture) -> Vec<String> {
    let posts = fixture.bot_posts().into_iter();
    posts.map(|post| post.split_once(", and this").map_or(post.clone(), |(sum, _)| sum.to_owned())).collect()
}

/// Returns the posts that a run leads to.
fn expected() -> Vec<String> {
    let numbers = || 0..QUESTIONS;
    let of_questions = numbers().flat_map(|n| {
        let q = question(n);
        [format!("child {q} end"), format!("aside {q}"), format!("said {q}"), format!("hook {q} end"), sum(n)]
    });
    let mut expected: Vec<_> = of_questions.chain(numbers().map(|n| format!("api {n} end"))).collect();
    expected.sort();
    expected
}

/// Runs the host so often, killed in between, until all posts are there.
fn live(fixture: &Fixture, dir: &ConfigDir, random: &mut fastrand::Rng) {
    let expected = expected();
    let is_complete = || {
        let mut posts = bot_posts(fixture);
        posts.sort();
        posts == expected
    };
    for _ in 1..LIVES {
        let running = RunningProgram::start(dir.example(PROGRAM, &["run"]));
        thread::sleep(Duration::from_millis(random.u64(500..1_500)));
        running.signal("KILL");
        running.wait_for_exit();
    }
    let running = RunningProgram::start(dir.example(PROGRAM, &["run"]));
    let end = Instant::now() + LIMIT;
    while !is_complete() {
        assert!(Instant::now() < end, "{:#?}\n{expected:#?}", fixture.bot_posts());
        thread::sleep(Duration::from_millis(20));
    }
    running.signal("TERM");
    running.wait_for_exit();
    assert!(is_complete(), "something came later: {:#?}", fixture.bot_posts());
}

fn configuration(fixture: &Fixture, handler: &Handler, api: SocketAddr, seed: u64) -> ConfigDir {
    let child = "[sinks.child]\ntype = \"exec\"\ncommand = [\"python3\", \"child.py\"]\n";
    let bot = "[sinks.tally]\ntype = \"bot\"\nevents = [\"posted\"]\n";
    let admin = format!("[admin]\nbind = \"{api}\"\ntoken = \"{TOKEN}\"\n");
    let more = "[health]\nping_interval = \"1s\"\n[restart]\nmin_backoff = \"100ms\"\nmax_backoff = \"200ms\"\nreset_after = \"1s\"\nmax_restarts = 100\n";
    let account = fixture.config().replace("[log]", "sinks = [\"child\", \"hook\", \"tally\"]\n[log]");
    let config = [&*account, child, bot, &*sink(handler.port), &*admin, more].concat();
    let dir = ConfigDir::with(&config);
    dir.write("child.py", &CHILD.replace("SEED", &seed.to_string()));
    dir
}

#[test]
fn each_action_of_every_door_is_done_once_whatever_fails() {
    let seed = seed();
    let mut random = fastrand::Rng::with_seed(seed);
    let fixture = Fixture::new();
    // The handler outlives the host, which therefore has a fixed port.
    let api = free_address();
    let scripts = tempfile::tempdir().unwrap();
    let server = scripts.path().join("server.py");
    fs::write(&server, SERVER).unwrap();
    let mut command = Command::new("python3");
    command.arg(&server).args(["0", &format!("http://{api}"), TOKEN, &QUESTIONS.to_string()]);
    let handler = Handler::start(command, "");
    let dir = configuration(&fixture, &handler, api, seed);
    let running = RunningProgram::ready_with(&fixture, dir.example(PROGRAM, &["run"]));
    let quiet = AtomicBool::new(false);
    thread::scope(|scope| {
        let mut dice = random.fork();
        let (fixture, quiet) = (&fixture, &quiet);
        scope.spawn(move || strike_randomly(fixture, &mut dice, quiet));
        let mut pauses = random.fork();
        scope.spawn(move || {
            for n in 0..QUESTIONS {
                fixture.post(&question(n).to_string());
                thread::sleep(Duration::from_millis(pauses.u64(..500)));
            }
        });
        let _quiet = QuietOnDrop(quiet);
        thread::sleep(Duration::from_millis(random.u64(300..1_000)));
        running.signal("KILL");
        running.wait_for_exit();
        live(fixture, &dir, &mut random);
    });
    let posts = bot_posts(&fixture);
    let series: [fn(usize) -> String; 5] = [
        |n| format!("child {} end", question(n)),
        |n| format!("aside {}", question(n)),
        |n| format!("said {}", question(n)),
        |n| format!("api {n} end"),
        sum,
    ];
    for series in series {
        let places: Vec<_> =
            (0..QUESTIONS).map(|n| posts.iter().position(|post| *post == series(n)).unwrap()).collect();
        assert!(places.is_sorted(), "{}: {posts:#?}", series(0));
    }
}
