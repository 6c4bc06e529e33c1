//! The commands that query and control a running host.

use std::{
    io::{BufRead as _, BufReader},
    net::TcpListener,
    process::Output,
    sync::mpsc,
    thread,
    time::Instant,
};

use serde_json::Value;

use crate::program::{ConfigDir, DEADLINE, Fixture, Lines, Program, RunningProgram, text};

const TOKEN: &str = "mustnotshow-0123456789abcdef";

/// A host with one bot, whose admin API listens on a socket in its directory and needs a token.
struct Host {
    fixture: Fixture,
    dir: ConfigDir,
    running: RunningProgram,
}

impl Host {
    fn new() -> Self {
        let fixture = Fixture::new();
        let admin = format!("[admin]\nunix = \"admin.sock\"\ntoken = \"{TOKEN}\"\n");
        let dir = ConfigDir::with(&(fixture.config() + &admin));
        let running = RunningProgram::ready(&fixture, &dir);
        Self { fixture, dir, running }
    }

    fn command(&self, args: &[&str]) -> Program {
        self.dir.matterhost(args)
    }

    fn ask(&self, args: &[&str]) -> (i32, String, String) {
        let Output { status, stdout, stderr } = self.command(args).output().unwrap();
        (status.code().unwrap(), text(&stdout), text(&stderr))
    }

    /// Runs a command that must succeed, and returns its output.
    fn run(&self, args: &[&str]) -> String {
        let (code, stdout, error) = self.ask(args);
        assert_eq!((code, &*error), (0, ""), "{args:?} {stdout}");
        stdout
    }
}

#[test]
fn status_shows_each_account_with_its_reason_unhealthy_ones_first() {
    let mut host = Host::new();
    let stdout = host.run(&["status"]);
    assert!(
        stdout.contains("helpdesk") && stdout.contains("ready") && stdout.ends_with("1 ready\n"),
        "{stdout}"
    );
    host.fixture.simulator.disable(&host.fixture.bot.user_id);
    host.run(&["restart", "helpdesk"]);
    host.running.log.wait_for_fact("blocked");
    let stdout = host.run(&["status"]);
    assert!(stdout.contains("blocked") && stdout.contains("unauthorized; not back yet"), "{stdout}");
    let only: Value = serde_json::from_str(&host.run(&["status", "--json", "--state", "ready"])).unwrap();
    assert_eq!(only["accounts"], serde_json::json!([]));
}

#[test]
fn a_variable_that_is_no_text_is_ignored() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};
    let host = Host::new();
    let mut command = host.command(&["status"]);
    command.env("NO_TEXT", OsStr::from_bytes(b"\xff"));
    assert_eq!(command.output().unwrap().status.code(), Some(0));
}

#[test]
fn status_of_one_account_shows_everything() {
    let mut host = Host::new();
    host.run(&["restart", "helpdesk"]);
    host.running.log.wait_for_fact("ready");
    // The bot's own events, such as its status, may be on their way to the sink for a moment after it is ready.
    let end = Instant::now() + DEADLINE;
    let stdout = loop {
        let stdout = host.run(&["status", "helpdesk"]);
        if stdout.contains("0 unacknowledged") || Instant::now() >= end {
            break stdout;
        }
    };
    for part in [
        "helpdesk on main",
        "ready for",
        "2 (restarts: 1)",
        "0 unacknowledged",
        "operator restart; back after",
    ] {
        assert!(stdout.contains(part), "{part} in {stdout}");
    }
    assert!(!stdout.contains("not back yet"), "{stdout}");
    let json: Value = serde_json::from_str(&host.run(&["status", "helpdesk", "--json"])).unwrap();
    assert_eq!((&json["generation"], &json["endings"][0]["reason"]), (&2.into(), &"operator_restart".into()));
}

#[test]
fn status_is_shown_again_and_again() {
    let mut host = Host::new();
    let mut watch = RunningProgram::start(host.command(&["status", "--watch", "--json"]));
    watch.events.wait_for_json("ready", |seen| seen["accounts"][0]["state"] == "ready");
    host.run(&["stop", "helpdesk"]);
    host.running.log.wait_for_fact("stopped");
    watch.events.wait_for_json("stopped", |seen| seen["accounts"][0]["state"] == "stopped");
}

#[test]
fn accounts_are_stopped_started_reset_and_audited() {
    let mut host = Host::new();
    assert_eq!(host.run(&["stop", "helpdesk"]), "helpdesk: stopping\n");
    host.running.log.wait_for_fact("stopped");
    let (code, _, error) = host.ask(&["audit", "helpdesk"]);
    assert!(code == 1 && error.contains("is not ready"), "{error}");
    assert_eq!(host.run(&["start", "helpdesk"]), "helpdesk: starting\n");
    host.running.log.wait_for_fact("ready");
    host.run(&["reset", "helpdesk"]);
    host.running.log.wait_for_fact("budget_reset");
    host.run(&["audit", "helpdesk"]);
}

#[test]
fn of_several_names_each_is_tried() {
    let mut host = Host::new();
    let (code, stdout, error) = host.ask(&["restart", "nobody", "helpdsk", "helpdesk"]);
    assert_eq!(
        stdout,
        "nobody: not done: there is no account nobody; `matterhost status` lists the accounts\n\
         helpdsk: not done: there is no account helpdsk; did you mean helpdesk?\nhelpdesk: restarting\n"
    );
    assert!(code == 1 && error.contains("some accounts were refused"), "{error}");
    host.running.log.wait_for_fact("closed");
}

#[test]
fn tail_shows_facts_and_reconnects_to_a_restarted_host() {
    let host = Host::new();
    let mut tail = RunningProgram::start(host.command(&["tail", "helpdesk", "--level", "debug", "--json"]));
    tail.log.wait_for_line("following");
    host.running.signal("TERM");
    tail.events.wait_for_json("closed", |fact| fact["fact"] == "closed" && fact["account"] == "helpdesk");
    tail.log.wait_for_line("the host went away; reconnecting");
    let mut again = RunningProgram::ready(&host.fixture, &host.dir);
    tail.log.wait_for_line("following");
    host.run(&["restart", "helpdesk"]);
    tail.events
        .wait_for_json("restarted", |fact| fact["fact"] == "closed" && fact["reason"] == "operator_restart");
    again.log.wait_for_fact("ready");
}

#[test]
fn the_log_level_is_shown_and_changed() {
    let mut host = Host::new();
    assert_eq!(host.run(&["logs", "level"]), "info\n");
    assert_eq!(host.run(&["logs", "level", "matterhost=debug,info"]), "matterhost=debug,info\n");
    host.run(&["restart", "helpdesk"]);
    host.running.log.wait_for_json("a fact at debug", |line| line["level"] == "DEBUG");
    let (code, _, error) = host.ask(&["logs", "level", "loud"]);
    assert!(code == 1 && error.contains("this is neither a level"), "{error}");
}

#[test]
fn health_is_an_exit_code() {
    let mut host = Host::new();
    assert_eq!(host.run(&["health"]), "live\n");
    assert!(host.run(&["health", "--ready"]).starts_with("ready: 1 of 1"));
    host.run(&["stop", "helpdesk"]);
    host.running.log.wait_for_fact("stopped");
    // Probes are answered from a result that may be a tenth of a second old.
    let end = Instant::now() + DEADLINE;
    let error = loop {
        let (code, _, error) = host.ask(&["health", "--ready"]);
        assert!(Instant::now() < end, "{error}");
        if code == 1 {
            break error;
        }
    };
    assert!(error.contains("not ready: 0 of 1"), "{error}");
}

#[test]
fn errors_have_a_remedy_and_show_no_token() {
    let host = Host::new();
    let wrong = host.dir.write("wrong.token", "wrong-0123456789abcdef");
    let socket = format!("unix:{}", host.dir.path().join("admin.sock").display());
    let server = host.fixture.simulator.url();
    for (args, part) in [
        (vec!["status", "--admin", "127.0.0.1:1"], "is matterhost running there?"),
        (vec!["status", "--admin", "unix:nowhere.sock"], "is matterhost running there?"),
        (vec!["status", "--admin", "ftp://x"], "--admin is not an address"),
        (
            vec!["status", "--admin", &socket, "--token-file", wrong.to_str().unwrap()],
            "give --token-file FILE",
        ),
        (vec!["status", "--admin", &socket, "--token-file", "nowhere"], "nowhere cannot be read"),
        (vec!["status", "--admin", &server], "is not a matterhost"),
        (
            vec!["status", "--admin", "192.0.2.1:1", "--token-file", wrong.to_str().unwrap()],
            "would be sent to http://192.0.2.1:1 unencrypted; use https:// or unix:",
        ),
        (vec!["status", "nobody"], "there is no account nobody; `matterhost status` lists the accounts"),
        (vec!["status", "helpdsk"], "there is no account helpdsk; did you mean helpdesk?"),
        (vec!["stop", "helpdsk"], "there is no account helpdsk; did you mean helpdesk?"),
        (
            vec!["post", "helpdsk", "crew/lobby", "hello"],
            "there is no account helpdsk; did you mean helpdesk?",
        ),
        (vec!["tail", "helpdsk"], "there is no account helpdsk; did you mean helpdesk?"),
        (vec!["tail", "--level", "loud"], "level must be one of"),
    ] {
        let (code, stdout, error) = host.ask(&args);
        assert_eq!((code, &*stdout), (1, ""), "{args:?} {error}");
        assert!(error.contains(part), "{args:?}: {error}");
        assert!(!error.contains("0123456789abcdef"), "{error}");
    }
    let (code, _, error) = host.ask(&["status", "--state", "ready,blokked"]);
    assert!(code == 2 && error.contains("blokked") && error.contains("blocked"), "{error}");
    let mut lines = Lines::read(std::io::Cursor::new(host.run(&["status"])));
    lines.wait_for_line("1 ready");
}

#[test]
fn the_token_of_the_configuration_is_for_its_own_address() {
    let host = Host::new();
    let socket = format!("unix:{}", host.dir.path().join("admin.sock").display());
    assert!(host.run(&["status", "--admin", &socket]).ends_with("1 ready\n"));
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let lines = BufReader::new(other.accept().unwrap().0).lines();
        let head: Vec<_> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
        sender.send(head.join("\n").to_lowercase()).unwrap();
    });
    let (code, _, _) = host.ask(&["status", "--admin", &address]);
    let head = receiver.recv_timeout(DEADLINE).unwrap();
    assert!(code == 1 && head.contains("get /v1/accounts") && !head.contains("authorization"), "{head}");
}

#[test]
fn reload_lists_its_changes_and_check_lists_them_beforehand() {
    let mut host = Host::new();
    assert_eq!(host.run(&["check", "--diff"]), "nothing has changed\n");
    let config = std::fs::read_to_string(host.dir.path().join("matterhost.toml")).unwrap();
    host.dir.write("matterhost.toml", &(config.clone() + "[health]\npoll_interval = \"20s\"\n"));
    let diff = host.run(&["check", "--diff"]);
    assert!(diff.starts_with("[health]: poll_interval changed"), "{diff}");
    assert_eq!(host.run(&["reload"]), diff);
    assert_eq!(host.run(&["check", "--diff"]), "nothing has changed\n");
    host.dir.write("matterhost.toml", &(config + "[helth]\n[restart]\nmax_restarts = 0.5\n"));
    for args in [&["check", "--diff"][..], &["reload"]] {
        let (code, stdout, error) = host.ask(args);
        assert_eq!((code, &*stdout), (78, ""), "{error}");
        assert!(error.contains("did you mean health?") && error.contains("restart.max_restarts"), "{error}");
    }
    host.run(&["restart", "helpdesk"]);
    host.running.log.wait_for_fact("ready");
}
