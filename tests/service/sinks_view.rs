//! The view of an operator on the sinks, and the commands that get them going.

use std::{
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::program::{ConfigDir, DEADLINE, Fixture, RunningProgram, text};

/// A handler that obeys the text of a post: `die`, `keep` (until the file `works` exists), `refuse`; it answers any other.
const HANDLER: &str = r#"
import json, os, sys, threading, time
lock = threading.Lock()
def say(**line):
    with lock: print(json.dumps(line), flush=True)
def keep(id):
    while not os.path.exists("works"): time.sleep(0.01)
    say(ack=id)
if not os.path.exists("works") and os.path.exists("broken"):
    print("no database", file=sys.stderr, flush=True); sys.exit(4)
for line in sys.stdin:
    event = json.loads(line)
    id, words = event["id"], event["data"]["post"]["message"]
    if os.path.exists("works"): say(reply={"to": id, "text": "heard " + words}); say(ack=id)
    elif words == "die": print("no such drug", file=sys.stderr, flush=True); sys.exit(3)
    elif words == "keep": threading.Thread(target=keep, args=[id], daemon=True).start()
    elif words == "later": say(retry=id, after="1h")
    elif words.startswith("refuse"): say(reject=id, cause="not for me")
    else: say(reply={"to": id, "text": "heard " + words}); say(ack=id)
"#;

/// A budget of one failure and a long rest.
const STRICT: &str = "[restart]\nmax_restarts = 1\nwithin = \"1h\"\nmin_backoff = \"10ms\"\nmax_backoff = \"20ms\"\n\
                      cooldown = \"10m\"\nmax_cooldown = \"10m\"\n";

/// A host with a child as its sink, whose admin API listens on a socket in its directory.
pub(crate) struct Host {
    pub(crate) fixture: Fixture,
    pub(crate) dir: ConfigDir,
    running: RunningProgram,
}

impl Host {
    pub(crate) fn new(more: &str, files: &[&str]) -> Self {
        let (fixture, dir) = Self::prepare(more, files);
        let running = RunningProgram::ready(&fixture, &dir);
        Self { fixture, dir, running }
    }

    /// Starts a host whose standard output goes elsewhere.
    pub(crate) fn with_output(more: &str, output: impl Into<Stdio>) -> Self {
        let (fixture, dir) = Self::prepare(more, &[]);
        let mut command = dir.matterhost(&["run"]);
        command.stdout(output);
        let mut running = RunningProgram::start_with_log_only(command);
        running.log.wait_for_fact("ready");
        Self { fixture, dir, running }
    }

    fn prepare(more: &str, files: &[&str]) -> (Fixture, ConfigDir) {
        let fixture = Fixture::new();
        let sink = "[admin]\nunix = \"admin.sock\"\n[sinks.child]\ntype = \"exec\"\n\
                    command = [\"python3\", \"handler.py\"]\nevents = [\"posted\"]\n";
        let dir = ConfigDir::with(&(fixture.config() + sink + more));
        dir.write("handler.py", HANDLER);
        for name in files {
            dir.write(name, "");
        }
        (fixture, dir)
    }

    fn ask(&self, args: &[&str]) -> (i32, String) {
        let Output { status, stdout, stderr } = self.dir.matterhost(args).output().unwrap();
        (status.code().unwrap(), text(&stdout) + &text(&stderr))
    }

    pub(crate) fn run(&self, args: &[&str]) -> String {
        let (code, output) = self.ask(args);
        assert_eq!(code, 0, "{args:?}: {output}");
        output
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.run(args)).unwrap()
    }

    /// Runs a command until its output satisfies the condition, and returns the output.
    pub(crate) fn run_until(&self, args: &[&str], holds: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + DEADLINE;
        loop {
            let output = self.run(args);
            if holds(&output) {
                return output;
            }
            assert!(Instant::now() < end, "{args:?}: {output}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn one_channel_that_waits_is_shown_with_its_sink_and_the_account_stays_ready() {
    let host = Host::new("", &[]);
    let id = host.fixture.post("later");
    let sink = host.run_until(&["sinks", "child"], |output| output.contains("1 to be tried again"));
    for expected in
        [&*id, "retrying", "account helpdesk", "the handler asked for a retry", "matterhost sink skip"]
    {
        assert!(sink.contains(expected), "{expected} in {sink}");
    }
    let table = host.run(&["status"]);
    assert!(
        table.contains("ready") && table.contains("1 channel waits") && table.contains("sink child"),
        "{table}"
    );
    assert!(!table.contains("stalled"), "{table}");
    let detail = host.run(&["status", "helpdesk"]);
    assert!(detail.contains(&id) && detail.contains("as @helper") && detail.contains("child"), "{detail}");
    let account = host.json(&["status", "helpdesk", "--json"]);
    assert_eq!((&account["waiting_channels"], &account["sinks"][0]), (&1.into(), &"child".into()));
    assert_eq!(
        (&account["refused"][0]["event"], &account["stalled_by"]),
        (&(&*id).into(), &serde_json::json!([]))
    );
    let metrics = host.json(&["sinks", "--json"]);
    assert_eq!(
        (&metrics["sinks"][0]["state"], &metrics["sinks"][0]["waiting"]),
        (&"retrying".into(), &1.into())
    );
    // The handler is mended, and the hour need not pass.
    host.dir.write("works", "");
    assert_eq!(host.run(&["sink", "retry-now", "child"]), "child: trying at once what waits\n");
    host.fixture.await_post("heard later");
    host.run_until(&["sinks"], |output| output.ends_with("1 running\n"));
}

#[test]
fn an_event_is_skipped_and_its_dead_letter_is_retried_with_its_answer() {
    let host = Host::new("", &[]);
    let id = host.fixture.post("keep");
    let next = host.fixture.post("the next");
    host.run_until(&["sinks", "child"], |output| output.contains(&*id) && output.contains("1 helpdesk"));
    let channel = &*host.fixture.channel.clone();
    let skip = ["sink", "skip", "child", "--account", "helpdesk", "--channel", channel, "--event"];
    let (code, refused) = host.ask(&[&skip[..], &[&*next]].concat());
    assert!(code == 1 && refused.contains("nothing was skipped"), "{refused}");
    let skipped = host.run(&[&skip[..], &[&*id]].concat());
    assert_eq!(skipped, format!("child: event {id} becomes a dead letter\n"));
    host.fixture.await_post("heard the next");
    let letters = host.run(&["dead-letter", "list"]);
    assert!(letters.contains(&*id) && letters.contains("skipped by an operator"), "{letters}");
    let shown = host.run(&["dead-letter", "show", &id]);
    assert!(
        shown.contains("skipped by an operator while the sink had it")
            && shown.contains("\"message\": \"keep\"")
    );
    assert_eq!(host.json(&["sinks", "child", "--json"])["dead_letters"], 1);
    host.dir.write("works", "");
    let unknown = |event: &str| {
        let remedy = "`matterhost dead-letter list` shows all";
        format!("matterhost: there is no dead letter of event {event}; {remedy}\n")
    };
    for command in ["retry", "show", "drop"] {
        let answer = host.ask(&["dead-letter", command, "no-such-event"]);
        assert_eq!(answer, (1, unknown("no-such-event")), "{command}");
    }
    let answer = host.ask(&["dead-letter", "retry", "--sink", "child", "no-such-event"]);
    let expected =
        "sink child has no dead letter of event no-such-event; `matterhost dead-letter list` shows all";
    assert!(answer.0 == 1 && answer.1.contains(expected), "{answer:?}");
    let retried = host.ask(&["dead-letter", "retry", &id, "no-such-event"]);
    let summary = "child: 1 accepted, 0 rejected again, 0 not sent\n";
    assert_eq!(retried, (1, summary.to_owned() + &unknown("no-such-event")));
    host.fixture.await_post("heard keep");
    assert_eq!(host.ask(&["dead-letter", "retry", &id]), (1, unknown(&id)), "it was sent once");
    assert_eq!(host.run(&["dead-letter", "list"]), "There are no dead letters.\n");
}

#[test]
fn dead_letters_are_sent_again_in_order_with_their_answers() {
    let host = Host::new("", &[]);
    let texts = ["refuse one", "refuse two", "refuse three"];
    let ids = texts.map(|words| host.fixture.post(words));
    host.run_until(&["dead-letter", "list"], |letters| ids.iter().all(|id| letters.contains(&**id)));
    host.dir.write("works", "");
    let retried = host.run(&["dead-letter", "retry", "--account", "helpdesk"]);
    assert_eq!(retried, "child: 3 accepted, 0 rejected again, 0 not sent\n");
    assert_eq!(host.fixture.bot_posts(), texts.map(|words| format!("heard {words}")));
}

#[test]
fn a_child_that_rests_is_named_and_started_by_the_sink_or_by_its_account() {
    for command in [&["sink", "restart", "child"][..], &["restart", "helpdesk"], &["reset", "helpdesk"]] {
        let host = Host::new(STRICT, &["broken"]);
        let sinks = host.run_until(&["sinks"], |output| output.contains("resting"));
        assert!(sinks.contains("exit status: 4") && sinks.contains("next attempt in 9 min"), "{sinks}");
        let sink = host.run(&["sinks", "child"]);
        for expected in ["0 failures left", "no database", "exit status: 4"] {
            assert!(sink.contains(expected), "{expected} in {sink}");
        }
        host.fixture.post("anybody?");
        let status = host.run_until(&["status"], |output| output.contains("stalled"));
        let expected = "sink child: the handler is not running: it ended with exit status: 4";
        assert!(status.contains(expected), "{status}");
        host.dir.write("works", "");
        let answer = host.run(command);
        let is_account = command[1] == "helpdesk";
        assert_eq!(answer.contains("sink child, which rested, is started, too"), is_account, "{answer}");
        host.fixture.await_post("heard anybody?");
        host.run_until(&["status"], |output| output.ends_with("1 ready\n"));
    }
}

#[test]
fn the_log_names_event_channel_and_account_of_each_complaint() {
    let mut host = Host::new("", &[]);
    let id = host.fixture.post("die");
    let line = host.running.log.wait_for_json("the death", |line| {
        line["level"] == "WARN"
            && line["message"].as_str().is_some_and(|said| said.contains("exit status: 3"))
    });
    let said = line["message"].as_str().unwrap();
    for expected in [&*id, &host.fixture.channel, "account helpdesk", "no such drug"] {
        assert!(said.contains(expected), "{expected} in {said}");
    }
    let mut host = Host::new("", &[]);
    let refused = host.fixture.post("refuse");
    let line = host.running.log.wait_for_json("the refusal", |line| {
        line["fact"] == "rejected" && line["message"].as_str().unwrap().contains(&refused)
    });
    let said = line["message"].as_str().unwrap();
    assert!(said.contains(&host.fixture.channel) && said.contains("sink child: not for me"), "{said}");
    assert_eq!(line["account"], "helpdesk");
}

#[test]
fn what_runs_is_not_started_and_errors_of_a_reload_are_json() {
    let host = Host::new("", &[]);
    assert_eq!(host.run(&["start", "helpdesk"]), "helpdesk: already running\n");
    let token = host.dir.path().join("state/matterhost/admin.token").display().to_string();
    host.dir.write(
        "matterhost.toml",
        &(host.fixture.config() + "[admin]\nunix = \"admin.sock\"\nnonsense = 1\n"),
    );
    let socket = format!("unix:{}", host.dir.path().join("admin.sock").display());
    let (code, output) = host.ask(&["reload", "--json", "--admin", &socket, "--token-file", &token]);
    let error: Value = serde_json::from_str(&output).unwrap_or_else(|_| panic!("{output}"));
    assert_eq!((code, &error["ok"]), (78, &false.into()), "{error}");
    assert!(error["problems"][0]["key"].as_str().unwrap().contains("nonsense"), "{error}");
    let (code, output) = host.ask(&["sinks", "none", "--admin", &socket, "--token-file", &token]);
    assert!(code == 1, "{output}");
}

const SECRET: &str = "whsec_mustnotshowrTwjUPD8ILPZIo2LaLaSw";

/// A webhook handler that answers with the status line and headers in the file `answer`, else with 200 and a reply.
const WEB_HANDLER: &str = r#"
import json, os
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        event = json.loads(self.rfile.read(int(self.headers["content-length"])))
        status, body, wait = 200, {"text": "heard " + event["data"]["post"]["message"]}, None
        if os.path.exists("answer"): status, body, wait = json.load(open("answer"))
        body = json.dumps(body).encode()
        self.send_response(status)
        if wait: self.send_header("retry-after", wait)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
server = HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"#;

#[test]
fn a_webhook_in_trouble_is_named_with_its_answer_and_until_when_it_waits() {
    for (answer, state, expected) in [
        ("[401, {}, null]", "stalled", "the handler answered 401 Unauthorized: {}; check the secret"),
        ("[404, {}, null]", "stalled", "check the url"),
        (r#"[500, {"error": "no such table"}, null]"#, "ready", "no such table"),
        (r#"[500, {}, "600"]"#, "ready", "next in 4 min"),
    ] {
        let fixture = Fixture::new();
        let dir = ConfigDir::with("");
        dir.write("handler.py", WEB_HANDLER);
        let mut python = Command::new("python3");
        python.arg("handler.py").current_dir(dir.path());
        let mut handler = RunningProgram::start(python);
        let port = handler.events.wait_for_json("the port", Value::is_u64);
        let sink = format!(
            "[admin]\nunix = \"admin.sock\"\n[sinks.hook]\ntype = \"webhook\"\nevents = [\"posted\"]\n\
             url = \"http://127.0.0.1:{port}/\"\nsecret = \"{SECRET}\"\n"
        );
        dir.write("matterhost.toml", &(fixture.config() + &sink));
        let running = RunningProgram::ready(&fixture, &dir);
        let host = Host { fixture, dir, running };
        host.dir.write("answer", answer);
        host.fixture.post("anybody?");
        let status = host
            .run_until(&["status"], |output| output.contains("1 channel waits") && output.contains(state));
        assert!(status.contains("sink hook: "), "{answer}: {status}");
        let sink = host.run(&["sinks", "hook"]);
        assert!(sink.contains(expected), "{answer}: {sink}");
        std::fs::remove_file(host.dir.path().join("answer")).unwrap();
        host.run(&["sink", "retry-now", "hook"]);
        host.fixture.await_post("heard anybody?");
    }
}
