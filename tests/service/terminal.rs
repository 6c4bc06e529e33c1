//! The output of commands on a terminal of 80 columns and 24 rows.

use std::{fs, process::Command, time::Instant};

use matterhost_simulator::TOKEN_PREFIX;
use serde_json::Value;

use crate::{
    admin::host::free_address,
    program::{ConfigDir, DEADLINE, Program, RunningProgram, text},
    sinks_view::Host,
};

/// Runs a program on a terminal with 80 columns, and prints what it shows. One that clears the screen is interrupted when
/// it does so for the third time, and its second screen is printed.
const TERMINAL: &str = r#"
import fcntl, os, pty, signal, struct, sys, termios
child, terminal = pty.fork()
if child == 0:
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    os.execv(sys.argv[1], sys.argv[1:])
shown = b""
while True:
    try: piece = os.read(terminal, 65536)
    except OSError: break
    if not piece: break
    shown += piece
    if shown.count(b"\x1b[2J") == 3: os.kill(child, signal.SIGKILL); break
os.waitpid(child, 0)
screens = shown.split(b"\x1b[2J")
sys.stdout.write(screens[2 if len(screens) > 3 else 0].decode().replace("\r", ""))
"#;

/// Returns what a command shows on a terminal.
fn on_terminal(dir: &ConfigDir, command: Program) -> String {
    let program = Command::from(command);
    let mut python = Command::new("python3");
    python.args(["-c", TERMINAL]).arg(program.get_program()).args(program.get_args());
    python.env_remove("NO_COLOR");
    python.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    text(&python.current_dir(dir.path()).output().unwrap().stdout)
}

/// Returns a text without the sequences that control a terminal.
fn without_escapes(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + part.split_once(|c: char| c.is_ascii_alphabetic()).map_or("", |(_, rest)| rest)
    })
}

/// Runs a command until its whole output satisfies the condition. No table may be wider than the terminal.
fn shows(host: &Host, args: &[&str], words: &[&str]) -> String {
    let end = Instant::now() + DEADLINE;
    loop {
        let shown = without_escapes(&on_terminal(&host.dir, host.dir.matterhost(args)));
        // A cell goes over several lines.
        let flat = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        if words.iter().all(|word| flat.contains(word)) {
            // Sentences below a table are wrapped by the terminal.
            let tables = shown.lines().filter(|line| !line.trim_start().starts_with(['!', '✗', '→']));
            let widest = tables.map(|line| line.chars().count()).max().unwrap_or_default();
            assert!(widest <= 80, "{args:?}: {widest} columns: {shown}");
            return shown;
        }
        assert!(Instant::now() < end, "{args:?} lacks one of {words:?}: {shown}");
    }
}

#[test]
fn tables_fit_and_name_sink_cause_and_event() {
    let host = Host::new("", &[]);
    let refused = host.fixture.post("refuse");
    host.fixture.post("later");
    shows(&host, &["status"], &["ready", "1 channel waits for", "sink child:", "asked for"]);
    shows(&host, &["sinks"], &["retrying", "the handler asked for a retry"]);
    let letters = shows(&host, &["dead-letter", "list"], &["helpdesk", "not for me"]);
    assert!(letters.contains(&refused), "the id can be copied: {letters}");
    let check = shows(&host, &["check"], &["@helper", "state"]);
    assert!(check.contains("in use by a running matterhost"), "{check}");
    let failed = shows(&host, &["check", "--failed"], &["1 of 1 accounts work"]);
    assert!(!failed.contains("state") && !failed.contains("child"), "only what fails: {failed}");
}

/// Returns true for a sequence that changes colors.
fn has_colors(shown: &str) -> bool {
    shown.split("\u{1b}[").skip(1).any(|part| {
        let parameters = part.split_once(|c: char| c.is_ascii_alphabetic()).map_or("", |(head, _)| head);
        let is_color = |parameter: &str| parameter.starts_with(['3', '4', '9']) && parameter.len() == 2;
        part[parameters.len()..].starts_with('m') && parameters.split(';').any(is_color)
    })
}

#[test]
fn commands_have_colors_on_a_terminal_unless_they_are_refused() {
    let host = Host::new("", &[]);
    for (args, word) in [(["check"], "helpdesk"), (["status"], "helpdesk"), (["sinks"], "child")] {
        let shown = on_terminal(&host.dir, host.dir.matterhost(&args));
        assert!(has_colors(&shown), "{args:?}: {shown:?}");
        let mut command = host.dir.matterhost(&args);
        command.env("NO_COLOR", "1");
        let shown = on_terminal(&host.dir, command);
        assert!(!has_colors(&shown) && shown.contains(word), "{args:?}: {shown:?}");
    }
}

/// The number of accounts of a large host.
const MANY: usize = 1_000;

/// Returns the directory of a host with many accounts, each with a sink of its own, whose server cannot be reached.
fn large_host() -> ConfigDir {
    let dir = ConfigDir::with(&format!(
        "token_dir = \"tokens\"\n[servers.main]\nurl = \"http://{}\"\n[admin]\nunix = \"admin.sock\"\n\
         [sinks.archive]\ntype = \"file\"\npath = \"{{account}}.jsonl\"\n[log]\nformat = \"json\"\nlevel = \"warn\"\n",
        free_address()
    ));
    fs::create_dir(dir.path().join("tokens")).unwrap();
    for n in 0..MANY {
        dir.write(&format!("tokens/bot-{n}.token"), &format!("{TOKEN_PREFIX}-of-bot-{n}"));
    }
    dir
}

#[test]
fn a_thousand_accounts_in_trouble_stay_readable() {
    let dir = large_host();
    let mut running = RunningProgram::start(dir.matterhost(&["run"]));
    running.log.wait_for_fact("server_down");
    let lines = |shown: &str| shown.lines().map(str::to_owned).collect::<Vec<_>>();
    for (args, first, last) in [
        (["status", "--watch"], "account", "1000 connecting"),
        (["sinks", "--watch"], "sink", "1000 running"),
    ] {
        let screen = without_escapes(&on_terminal(&dir, dir.matterhost(&args)));
        let lines = lines(&screen);
        assert!(
            lines.len() < 24 && lines.iter().all(|line| line.chars().count() <= 80),
            "{args:?}: {screen}"
        );
        assert!(lines[0].trim_start().starts_with(first), "{args:?}: {screen}");
        assert_eq!(lines.last().unwrap(), last, "{args:?}: {screen}");
        assert!(lines[lines.len() - 2].starts_with("… and 9"), "{args:?}: {screen}");
    }
    let json: Value =
        serde_json::from_slice(&dir.matterhost(&["status", "--json"]).output().unwrap().stdout).unwrap();
    assert_eq!(json["accounts"].as_array().unwrap().len(), MANY);
    let failed = dir.matterhost(&["check", "--failed"]).output().unwrap();
    let shown = text(&failed.stdout);
    assert_eq!(failed.status.code(), Some(1), "{shown}");
    assert!(shown.contains("✗ main: ") && shown.contains("0 of 1000 accounts work"), "{shown}");
    assert!(lines(&shown).len() < 24, "one server is one failure: {shown}");
}

#[test]
fn the_demo_leaves_nothing_in_the_scrollback_and_shows_the_channel_in_words() {
    let dir = ConfigDir::with("");
    let address = free_address().to_string();
    let mut command = dir.matterhost(&["demo", "--seconds", "3", "--admin", &address]);
    command.env("NO_COLOR", "1");
    let shown = on_terminal(&dir, command);
    let (enter, leave) = ("\u{1b}[?1049h", "\u{1b}[?1049l");
    let (_, rest) = shown.split_once(enter).unwrap();
    let (screen, summary) = rest.split_once(leave).unwrap();
    assert!(
        !screen.contains('\n') && !has_colors(&shown),
        "a line's end on the screen would scroll it: {screen:?}"
    );
    for words in [
        &format!("http://{address}/#sign-in="),
        "In the channel, as the bots hear it:",
        "Press Ctrl-C to exit.",
    ] {
        assert!(screen.contains(words), "{words} in {screen:?}");
    }
    assert!(summary.contains("Every bot received every post by the others exactly once."), "{summary}");
}
