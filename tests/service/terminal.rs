//! The tables that an operator sees on a terminal of 80 columns.

use std::{process::Command, time::Instant};

use crate::{
    program::{DEADLINE, text},
    sinks_view::Host,
};

/// Runs a program on a terminal with 80 columns, and prints what it shows without colors.
const TERMINAL: &str = r#"
import fcntl, os, pty, re, struct, sys, termios
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
os.waitpid(child, 0)
print(re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", shown.decode()).replace("\r", ""), end="")
"#;

/// Runs a command until its whole output satisfies the condition. No table may be wider than the terminal.
fn shows(host: &Host, args: &[&str], words: &[&str]) -> String {
    let end = Instant::now() + DEADLINE;
    loop {
        let program = Command::from(host.dir.matterhost(args));
        let mut python = Command::new("python3");
        python.args(["-c", TERMINAL]).arg(program.get_program()).args(program.get_args());
        python.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let shown = text(&python.current_dir(host.dir.path()).output().unwrap().stdout);
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
