//! The sinks of a killed host, and what each of them received.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Command,
};

use serde_json::Value;

use crate::{
    kills::OVERLAP_MS,
    program::{ConfigDir, RunningProgram},
};

/// The names of the sinks. The test itself keeps what `output` received, by lives.
pub(super) const SINKS: [&str; 4] = ["output", "archive", "child", "hook"];

/// The sinks that answer questions.
pub(super) const REPLIERS: [&str; 2] = ["child", "hook"];

/// Some posts are questions: they are answered. The handlers decide in the same way.
pub(super) fn is_question(id: &str) -> bool {
    id.ends_with(['a', 'y'])
}

/// The common part of both handlers: it records posts and answers questions.
const COMMON: &str = r#"
import json, sys, threading
name, lock = sys.argv[1], threading.Lock()
out = open("received-" + name, "a")

def note(event):
    """Records a post, and returns the text of the reply to a question."""
    post, id = event["data"]["post"], event["id"]
    with lock: out.write("%s %s %d\n" % (event["subject"], id, post["create_at"])); out.flush()
    return name + " " + id if post["message"] == "…" and id[-1] in "ay" else None
"#;

/// A child process that answers line by line.
const CHILD: &str = r#"
for line in sys.stdin:
    event = json.loads(line)
    text = note(event)
    if text: print(json.dumps({"reply": {"to": event["id"], "text": text}}))
    print(json.dumps({"ack": event["id"]}), flush=True)
"#;

/// An HTTP server, which prints its port.
const SERVER: &str = r#"
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    def log_message(self, *_): pass
    def do_POST(self):
        text = note(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        body = json.dumps({"text": text}).encode() if text else b""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
class Server(ThreadingHTTPServer):
    daemon_threads = True
    # The connections of a host that was killed end in errors.
    def handle_error(self, *_): pass
server = Server(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"#;

/// The handlers of one run: the HTTP server outlives the host.
pub(super) struct Handlers {
    port: Value,
    _server: RunningProgram,
}

impl Handlers {
    pub(super) fn start(dir: &ConfigDir) -> Self {
        dir.write("child.py", &(COMMON.to_owned() + CHILD));
        let program = dir.write("server.py", &(COMMON.to_owned() + SERVER));
        let mut python = Command::new("python3");
        python.arg(program).arg("hook").current_dir(dir.path());
        let mut server = RunningProgram::start(python);
        let port = server.events.wait_for_json("the port", Value::is_u64);
        Self { port, _server: server }
    }

    /// Returns the configuration of the sinks. The handlers answer late only because the machine is busy.
    pub(super) fn sinks(&self) -> String {
        let port = &self.port;
        format!(
            "[sinks.output]\ntype = \"stdout\"\n\
             [sinks.archive]\ntype = \"file\"\npath = \"archive.jsonl\"\nfsync = false\n\
             [sinks.child]\ntype = \"exec\"\ncommand = [\"python3\", \"child.py\", \"child\"]\n\
             events = [\"posted\"]\nanswer_timeout = \"2m\"\n\
             [sinks.hook]\ntype = \"webhook\"\nurl = \"http://127.0.0.1:{port}/\"\nevents = [\"posted\"]\n\
             timeout = \"2m\"\nsecret = \"whsec_mustnotshowrTwjUPD8ILPZIo2LaLaSw\"\n"
        )
    }
}

/// The posts that a sink received, in order: channel, id and time.
pub(super) struct Records(Vec<(String, String, i64)>);

/// Returns what a sink has received so far; nothing for standard output.
pub(super) fn records_of(dir: &ConfigDir, sink: &str) -> Records {
    let read = |file: &str| fs::read_to_string(dir.path().join(file)).unwrap_or_default();
    let records = match sink {
        "archive" => read("archive.jsonl").lines().filter_map(of_event).collect(),
        handler => read(&format!("received-{handler}")).lines().filter_map(of_note).collect(),
    };
    Records(records)
}

fn of_event(line: &str) -> Option<(String, String, i64)> {
    let event: Value = serde_json::from_str(line).ok()?;
    let text = |name: &str| event[name].as_str().map(str::to_owned);
    let at = (event["type"] == "com.mattermost.posted").then(|| event["data"]["post"]["create_at"].as_i64());
    Some((text("subject")?, text("id")?, at??))
}

fn of_note(line: &str) -> Option<(String, String, i64)> {
    let mut words = line.split(' ');
    Some((words.next()?.to_owned(), words.next()?.to_owned(), words.next()?.parse().ok()?))
}

impl Records {
    pub(super) fn ids(&self) -> BTreeSet<String> {
        self.0.iter().map(|(_, id, _)| id.clone()).collect()
    }

    /// Checks the order in which posts were first received, and that without kills none came twice. A post that became visible
    /// late comes when it is first seen.
    pub(super) fn check(&self, sink: &str, seed: u64, kills: bool) {
        let mut newest: BTreeMap<&str, i64> = BTreeMap::new();
        let mut received = BTreeSet::new();
        for (channel, id, at) in &self.0 {
            if !received.insert(id) {
                assert!(kills, "seed {seed}: {sink} received {id} twice");
                continue;
            }
            let latest = newest.entry(channel).or_default();
            assert!(*at > *latest - OVERLAP_MS, "seed {seed}: {sink} received {id} {} ms late", *latest - at);
            *latest = (*latest).max(*at);
        }
    }
}
