//! The log's format for systemd's journal, and for other outputs.

use std::{
    fs::File,
    os::{fd::OwnedFd, unix::fs::MetadataExt as _},
    process::{Command, Stdio},
};

use crate::program::{ConfigDir, Fixture, Lines, RunningProgram};

/// Returns the value by which systemd identifies a stream in `JOURNAL_STREAM`.
fn named(stream: &File) -> String {
    let metadata = stream.metadata().unwrap();
    format!("{}:{}", metadata.dev(), metadata.ino())
}

fn pretty(fixture: &Fixture) -> ConfigDir {
    ConfigDir::with(&fixture.config().replace("format = \"json\"", "format = \"pretty\""))
}

/// Runs the program until it is ready, with a pipe as standard error; `journal` receives the pipe's identifier.
fn lines_until_ready(journal: impl FnOnce(&mut Command, String)) -> Vec<String> {
    let fixture = Fixture::new();
    let dir = pretty(&fixture);
    let (reader, writer) = std::io::pipe().unwrap();
    let writer = File::from(OwnedFd::from(writer));
    let mut command = dir.matterhost(&["run"]);
    journal(&mut command, named(&writer));
    let child = command.stdout(Stdio::null()).stderr(writer).spawn().unwrap();
    // The command holds the other end of the pipe.
    drop(command);
    let mut running = RunningProgram::of(child, Lines::read(reader));
    running.log.wait_for_line("ready after");
    running.signal("TERM");
    running.wait_for_exit().1
}

#[test]
fn the_journal_gets_priorities_and_neither_times_nor_colours() {
    let lines = lines_until_ready(|command, name| {
        command.env("JOURNAL_STREAM", name);
    });
    let starts_well =
        |line: &&String| line.starts_with("<6>INFO matterhost") || line.starts_with("<4>WARN matterhost");
    assert!(lines.iter().all(|line| starts_well(&line)), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("account=\"helpdesk\" generation=1")), "{lines:#?}");
    assert!(lines.iter().all(|line| !line.contains('\x1b')), "{lines:#?}");
}

#[test]
fn other_outputs_than_the_journal_get_times_and_no_priorities() {
    // A child process of a service inherits the variable, but may write to another stream.
    for journal in [None, Some("8:1")] {
        let lines = lines_until_ready(|command, _| {
            command.envs(journal.map(|journal| ("JOURNAL_STREAM", journal)));
        });
        assert!(lines.iter().all(|line| line.starts_with("20") && line.contains("Z ")), "{lines:#?}");
    }
}

#[test]
fn the_first_line_names_the_version_and_the_commit() {
    let fixture = Fixture::new();
    let dir = ConfigDir::with(&fixture.config());
    let mut running = RunningProgram::start(dir.matterhost(&["run"]));
    let first = running.log.wait_for_json("the first line", |_| true);
    let printed = crate::program::text(&crate::program::output(&["--version"]).stdout);
    let [version, commit] = ["version", "commit"].map(|key| first[key].as_str().unwrap());
    assert_eq!(printed, format!("matterhost {version} ({commit})\n"), "{first}");
}

#[test]
fn a_child_that_floods_its_standard_error_gets_its_budget_of_lines() {
    let fixture = Fixture::new();
    let sink = "[sinks.noisy]\ntype = \"exec\"\ncommand = [\"sh\", \"-c\", \"exec yes babble >&2\"]\n";
    let dir = ConfigDir::with(&(fixture.config() + sink));
    let running = RunningProgram::ready(&fixture, &dir);
    running.signal("TERM");
    let (status, lines) = running.wait_for_exit();
    assert!(status.success());
    // The flood goes on for the seconds until the child is killed.
    // The warnings about the child repeat its last lines.
    let babble =
        lines.iter().filter(|line| line.contains("babble") && !line.contains("its last lines")).count();
    assert_eq!(babble, 300);
}
