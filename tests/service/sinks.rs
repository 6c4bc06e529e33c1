//! `matterhost run` with sinks, and the handlers of `docs/handlers`.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use matterhost_simulator::{Fault, FaultKind};
use serde_json::Value;

use crate::{
    free_port::free_port,
    program::{ConfigDir, DEADLINE, Fixture, Lines, RunningProgram, example, text},
};

const SECRET: &str = "whsec_mustnotshowrTwjUPD8ILPZIo2LaLaSw";
const OTHER: &str = "whsec_mustnotshowAAAAAAAAAAAAAAAAAAAAA";

/// A running handler.
pub(crate) struct Handler {
    child: Child,
    pub(crate) port: u16,
    output: Lines,
    /// Its standard error, which is read and not checked.
    _errors: Lines,
}

impl Handler {
    pub(crate) fn start(mut command: Command, secret: &str) -> Self {
        command.env("HOOK_SECRET", secret).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // Through a pipe of its own: Node makes its standard error non-blocking, and with it that of all who share it.
        let errors = Lines::read(child.stderr.take().unwrap());
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let port = line.trim().strip_prefix("listening ").unwrap().parse().unwrap();
        Self { child, port, output: Lines::read(stdout.chain(std::io::empty())), _errors: errors }
    }

    fn python(port: u16, secret: &str) -> Self {
        let mut command = Command::new("python3");
        command.args(["docs/handlers/python/echo_webhook.py", &port.to_string()]);
        Self::start(command, secret)
    }

    fn rust(secret: &str) -> Self {
        let mut command = Command::new(example("webhook_handler"));
        command.arg("0");
        Self::start(command, secret)
    }

    fn sink(&self) -> String {
        sink(self.port)
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn sink(port: u16) -> String {
    format!(
        "[sinks.hook]\ntype = \"webhook\"\nurl = \"http://127.0.0.1:{port}/events\"\nsecret = \"{SECRET}\"\n"
    )
}

fn path_of(page: &str) -> PathBuf {
    fs::canonicalize(page).unwrap()
}

#[test]
fn the_handlers_of_the_page_receive_signed_events() {
    for mut handler in [Handler::python(0, SECRET), Handler::rust(SECRET)] {
        let fixture = Fixture::new();
        let dir = ConfigDir::with(&(fixture.config() + &handler.sink()));
        let running = RunningProgram::ready(&fixture, &dir);
        let id = fixture.post("hello there");
        handler.output.wait_for_line(&format!("received {id}"));
        fixture.await_post("You said: hello there");
        running.signal("TERM");
        let (status, log) = running.wait_for_exit();
        assert_eq!(status.code(), Some(0), "{log:#?}");
        assert!(log.iter().all(|line| !line.contains(SECRET) && !line.contains("/events")), "{log:#?}");
    }
}

#[test]
fn events_refused_by_a_handler_are_listed_and_retried() {
    for handler in [Handler::python(0, OTHER), Handler::rust(OTHER)] {
        let fixture = Fixture::new();
        let admin = "[admin]\nunix = \"admin.sock\"\n";
        let config = fixture.config() + admin + &handler.sink() + "reject_on = [401]\n";
        let dir = ConfigDir::with(&config);
        let mut running = RunningProgram::ready(&fixture, &dir);
        let id = fixture.post("hello there");
        let refusal = "the handler answered 401 Unauthorized";
        running.log.wait_for_json("a refusal", |line| {
            line["fact"] == "rejected" && line["message"].as_str().unwrap().contains(refusal)
        });
        // The log has one line a minute; the dead letters have every event.
        let end = Instant::now() + DEADLINE;
        let letter = loop {
            let shown = text(&dir.matterhost(&["dead-letter", "list", "--json"]).output().unwrap().stdout);
            let mut letters = shown.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            if let Some(letter) = letters.find(|letter| letter["event"]["id"] == *id) {
                break letter;
            }
            assert!(Instant::now() < end, "no dead letter of {id}: {shown}");
        };
        assert!(letter["cause"].as_str().unwrap().starts_with(refusal), "{letter}");
        let table = text(&dir.matterhost(&["dead-letter", "list"]).output().unwrap().stdout);
        assert!(table.contains(&id) && table.contains("401 Unauthorized"), "{table}");
        let refused = dir.matterhost(&["dead-letter", "retry"]).output().unwrap();
        assert_eq!(refused.status.code(), Some(1), "{}", text(&refused.stderr));
        assert!(text(&refused.stdout).contains("hook: 0 accepted, "), "{}", text(&refused.stdout));
        // The operator corrects the secret while the host runs.
        drop(handler);
        let mut fixed_handler = Handler::python(0, SECRET);
        dir.write("matterhost.toml", &(fixture.config() + admin + &fixed_handler.sink()));
        let reloaded = dir.matterhost(&["reload"]).output().unwrap();
        assert_eq!(reloaded.status.code(), Some(0), "{}", text(&reloaded.stderr));
        let taken = dir.matterhost(&["dead-letter", "retry", "--sink", "hook"]).output().unwrap();
        assert_eq!(taken.status.code(), Some(0), "{}{}", text(&taken.stdout), text(&taken.stderr));
        fixed_handler.output.wait_for_line(&format!("received {id}"));
        // It goes the normal way: the answer is posted.
        fixture.await_post("You said: hello there");
        let empty = dir.matterhost(&["dead-letter", "list"]).output().unwrap();
        assert_eq!(text(&empty.stdout), "There are no dead letters.\n");
    }
}

#[test]
fn a_reply_that_the_server_refuses_is_kept_and_posted_once_by_a_retry() {
    let handler = Handler::python(0, SECRET);
    let fixture = Fixture::new();
    let admin = "[admin]\nunix = \"admin.sock\"\n";
    let dir = ConfigDir::with(&(fixture.config() + admin + &handler.sink()));
    let mut running = RunningProgram::ready(&fixture, &dir);
    fixture.simulator.inject(Fault::new(FaultKind::Forbidden).route("POST /posts"));
    let id = fixture.post("hello there");
    let told = running.log.wait_for_json("the failure", |line| line["event"] == *id);
    assert!(told["message"].as_str().unwrap().contains("matterhost dead-letter retry"), "{told}");
    let retry = || dir.matterhost(&["dead-letter", "retry"]).output().unwrap();
    let still = retry();
    assert_eq!(still.status.code(), Some(1), "{}", text(&still.stderr));
    let letters = text(&dir.matterhost(&["dead-letter", "list", "--json"]).output().unwrap().stdout);
    let letter: Value = serde_json::from_str(&letters).unwrap();
    assert_eq!(letter["reply"]["text"], "You said: hello there", "{letter}");
    fixture.simulator.clear_faults();
    let posted = retry();
    assert_eq!(posted.status.code(), Some(0), "{}{}", text(&posted.stdout), text(&posted.stderr));
    assert_eq!(fixture.bot_posts(), ["You said: hello there"]);
    let empty = dir.matterhost(&["dead-letter", "list"]).output().unwrap();
    assert_eq!(text(&empty.stdout), "There are no dead letters.\n");
}

#[test]
fn a_handler_with_a_wrong_secret_loses_nothing_until_it_is_mended() {
    let handler = Handler::python(0, OTHER);
    let fixture = Fixture::new();
    let dir = ConfigDir::with(&(fixture.config() + &handler.sink()));
    let mut running = RunningProgram::start(dir.matterhost(&["run"]));
    let told =
        running.log.wait_for_json("the trouble", |line| line["sink"] == "hook" && line["level"] == "WARN");
    let words = told["message"].as_str().unwrap();
    assert!(words.contains("401 Unauthorized") && words.contains("check the secret"), "{told}");
    let ids = ["one", "two"].map(|words| fixture.post(words));
    let port = handler.port;
    drop(handler);
    let mut mended = Handler::python(port, SECRET);
    for id in ids {
        mended.output.wait_for_line(&format!("received {id}"));
    }
    let letters = dir.matterhost(&["dead-letter", "list"]).output().unwrap();
    assert_eq!(text(&letters.stdout), "There are no dead letters.\n");
}

#[test]
fn an_event_that_kills_the_child_is_taken_away_and_the_next_is_answered() {
    let fixture = Fixture::new();
    let sink =
        "[sinks.child]\ntype = \"exec\"\ncommand = [\"python3\", \"handler.py\"]\nevents = [\"posted\"]\n";
    let dir = ConfigDir::with(&(fixture.config() + sink));
    dir.write(
        "handler.py",
        "import json, sys\nfor line in sys.stdin:\n event = json.loads(line)\n \
         words = event['data']['post']['message']\n if words == 'poison': raise ValueError('no such drug')\n \
         print(json.dumps({'reply': {'to': event['id'], 'text': 'heard ' + words}}))\n \
         print(json.dumps({'ack': event['id']}), flush=True)\n",
    );
    let mut running = RunningProgram::ready(&fixture, &dir);
    let id = fixture.post("poison");
    fixture.post("the next");
    let told = running.log.wait_for_json("the refusal", |line| line["fact"] == "rejected");
    let words = told["message"].as_str().unwrap();
    for expected in ["failed 3 times with this event", "exit status: 1", "ValueError: no such drug", &id] {
        assert!(words.contains(expected), "{words}");
    }
    fixture.await_post("heard the next");
    let letters = text(&dir.matterhost(&["dead-letter", "list", "--json"]).output().unwrap().stdout);
    assert!(letters.contains(&id) && letters.contains("no such drug"), "{letters}");
}

#[test]
fn a_handler_that_is_away_at_first_gets_everything_in_order() {
    let port = free_port();
    let fixture = Fixture::new();
    let dir = ConfigDir::with(&(fixture.config() + &sink(port)));
    // The hello is the first event that the handler does not accept.
    let mut running = RunningProgram::start(dir.matterhost(&["run"]));
    let warning =
        running.log.wait_for_json("the trouble", |line| line["sink"] == "hook" && line["level"] == "WARN");
    let words = warning["message"].as_str().unwrap();
    assert!(
        warning["account"] == "helpdesk" && words.contains("trying again") && words.contains("refused"),
        "{warning}"
    );
    let ids = ["one", "two", "three"].map(|words| fixture.post(words));
    let mut handler = Handler::python(port, SECRET);
    for id in ids {
        handler.output.wait_for_line(&format!("received {id}"));
    }
    running.log.wait_for_line("the sink works again");
}

#[test]
fn a_host_with_a_stuck_handler_still_exits() {
    let fixture = Fixture::new();
    let config = fixture.config() + &sink(1) + "[host]\nshutdown_deadline = \"500ms\"\n";
    let dir = ConfigDir::with(&config);
    // The hello is the first event that the handler does not accept.
    let mut running = RunningProgram::start(dir.matterhost(&["run"]));
    running.log.wait_for_fact("stalled");
    fixture.post("nobody hears this");
    running.signal("TERM");
    let (status, log) = running.wait_for_exit();
    assert_eq!(status.code(), Some(0), "{log:#?}");
    assert!(log.iter().any(|line| line.contains("the rest is delivered after the next start")), "{log:#?}");
}

#[test]
fn the_shutdown_deadline_covers_a_child_that_ignores_the_end() {
    let fixture = Fixture::new();
    let child = "[sinks.child]\ntype = \"exec\"\n\
                 command = [\"python3\", \"-c\", \"import signal, time\\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\\n\
                 time.sleep(600)\"]\n\
                 [host]\nshutdown_deadline = \"2s\"\n";
    let dir = ConfigDir::with(&(fixture.config() + child));
    let mut running = RunningProgram::start(dir.matterhost(&["run"]));
    running.log.wait_for_fact("ready");
    fixture.post("never answered");
    let signalled = Instant::now();
    running.signal("TERM");
    let (status, log) = running.wait_for_exit();
    assert_eq!(status.code(), Some(0), "{log:#?}");
    // The margin is for a machine under load.
    assert!(signalled.elapsed() < Duration::from_secs(5), "{:?}\n{log:#?}", signalled.elapsed());
}

#[test]
fn each_sink_of_an_account_gets_the_events_of_its_filter() {
    let fixture = Fixture::new();
    let sinks = "[sinks.output]\ntype = \"stdout\"\n\
                 [sinks.mine]\ntype = \"file\"\npath = \"mine.jsonl\"\nmentions_only = true\n\
                 [sinks.spare]\ntype = \"webhook\"\nurl = \"http://127.0.0.1:1/\"\nbest_effort = true\n";
    let config = fixture.config().replace("[log]", "sinks = [\"output\", \"mine\", \"spare\"]\n[log]");
    let dir = ConfigDir::with(&format!("{config}{sinks}secret = \"{SECRET}\"\n"));
    let mut running = RunningProgram::ready(&fixture, &dir);
    for words in ["for all", "for @helper"] {
        fixture.post(words);
        running.events.wait_for_post(words);
    }
    running.signal("TERM");
    let (status, log) = running.wait_for_exit();
    assert_eq!(status.code(), Some(0), "{log:#?}");
    let mine = fs::read_to_string(dir.write("other", "").with_file_name("mine.jsonl")).unwrap();
    let events: Vec<Value> = mine.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let texts: Vec<_> =
        events.iter().map(|event| event["data"]["post"]["message"].as_str().unwrap()).collect();
    assert!(texts.contains(&"for @helper") && !texts.contains(&"for all"), "{texts:?}");
}

/// Starts a host with the child process of the page, in a directory that identifies its processes.
fn with_child(fixture: &Fixture) -> (ConfigDir, RunningProgram) {
    let handler = path_of("docs/handlers/python/echo_child.py");
    let child =
        format!("[sinks.child]\ntype = \"exec\"\ncommand = [\"python3\", \"{}\"]\n", handler.display());
    let dir = ConfigDir::with(&(fixture.config() + &child));
    let running = RunningProgram::ready(fixture, &dir);
    (dir, running)
}

/// Returns true if a process with the argument and working directory is running.
fn is_running(dir: &Path, argument: &str) -> bool {
    let here = dir.canonicalize().unwrap();
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok).map(|entry| entry.path());
    let ours = |process: &PathBuf| {
        fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd == here)
            && fs::read_to_string(process.join("cmdline")).is_ok_and(|line| line.contains(argument))
    };
    processes.into_iter().any(|process| ours(&process))
}

#[cfg(target_os = "linux")]
#[test]
fn a_child_receives_events_and_exits_with_the_host() {
    for signals in [1, 2] {
        let fixture = Fixture::new();
        let (dir, mut running) = with_child(&fixture);
        let id = fixture.post("hello there");
        running.log.wait_for_line(&format!("received {id}"));
        let here = dir.write("other", "");
        let here = here.parent().unwrap();
        assert!(is_running(here, "echo_child.py"));
        for _ in 0..signals {
            running.signal("TERM");
        }
        running.wait_for_exit();
        let end = Instant::now() + DEADLINE;
        while is_running(here, "echo_child.py") {
            assert!(Instant::now() < end, "the child process is still running");
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_sink_that_cannot_start_is_reported_with_its_name() {
    let fixture = Fixture::new();
    let dir = ConfigDir::with(
        &(fixture.config() + "[sinks.x]\ntype = \"file\"\npath = \"no/such/events.jsonl\"\n"),
    );
    let output = dir.matterhost(&["run"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = text(&output.stderr);
    assert!(stderr.contains("sink x cannot be started") && stderr.contains("No such file"), "{stderr}");
    let output = dir.matterhost(&["dead-letter", "list", "--sink", "y"]).output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    assert!(text(&output.stderr).contains("--sink: there is no such sink; name one of x"));
}

#[test]
fn a_handler_with_a_certificate_of_an_own_authority_is_asked_with_its_ca_file_only() {
    // The simulator has no such route: if TLS works, it answers 404.
    let far = matterhost_simulator::Simulator::builder().tls(true).start().unwrap();
    let url = format!("{}/no-such-route", far.url());
    let hook = format!("[sinks.hook]\ntype = \"webhook\"\nurl = \"{url}\"\nsecret = \"{SECRET}\"\n");
    let fixture = Fixture::new();
    let dir = ConfigDir::with(&(fixture.config() + &hook + "ca_file = \"ca.pem\"\n"));
    dir.write("ca.pem", far.ca_pem().unwrap());
    let mut running = RunningProgram::start(dir.matterhost(&["run"]));
    running.log.wait_for_line("the handler answered 404 Not Found");
    let dir = ConfigDir::with(&(fixture.config() + &hook));
    let mut running = RunningProgram::start(dir.matterhost(&["run"]));
    let warning = running.log.wait_for_json("the warning", |line| line["sink"] == "hook");
    assert!(warning["message"].as_str().unwrap().contains("certificate"), "{warning}");
}
