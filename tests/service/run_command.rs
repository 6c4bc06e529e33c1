//! `matterhost run`.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    os::unix::process::ExitStatusExt as _,
    process::Stdio,
    time::{Duration, Instant},
};

use matterhost_simulator::{Fault, FaultKind};

use crate::program::{ConfigDir, Fixture, RunningProgram};

/// The capacity of a pipe on Linux.
const PIPE_BYTES: usize = 65_536;

#[test]
fn a_post_comes_as_a_cloud_event() {
    let fixture = Fixture::new();
    let dir = ConfigDir::with(&fixture.config());
    let mut running = RunningProgram::ready(&fixture, &dir);
    let id = fixture.post("hello there");
    let event = running.events.wait_for_post("hello there");
    assert_eq!(event["specversion"], "1.0");
    assert_eq!(event["id"], id.as_str());
    assert_eq!(event["source"], "/matterhost/main/helpdesk");
    assert_eq!(event["subject"], fixture.channel.as_str());
    assert_eq!(event["account"], "helpdesk");
    assert_eq!(event["recovered"], false);
    assert_eq!(event["data"]["sender_name"], "@ann");
}

#[test]
fn both_signals_deliver_the_remaining_events_and_exit_with_0() {
    for signal in ["TERM", "INT"] {
        let fixture = Fixture::new();
        let dir = ConfigDir::with(&fixture.config());
        let mut running = RunningProgram::ready(&fixture, &dir);
        fixture.post("one");
        running.events.wait_for_post("one");
        running.signal(signal);
        let (status, log) = running.wait_for_exit();
        assert_eq!(status.code(), Some(0), "{signal} {log:#?}");
        assert!(log.iter().any(|line| line.contains("all events are delivered")), "{log:#?}");
        assert!(log.iter().all(|line| !line.contains(&fixture.bot.token)));
    }
}

#[test]
fn a_second_signal_ends_at_once() {
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let fixture = Fixture::new();
        let dir = ConfigDir::with(&fixture.config());
        let mut command = dir.matterhost(&["run"]);
        // The pipe is full and has no reader: received events cannot be delivered.
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(&vec![b'\n'; PIPE_BYTES]).unwrap();
        command.stdout(writer);
        let mut running = RunningProgram::start_with_log_only(command);
        running.log.wait_for_fact("ready");
        fixture.post("nobody reads this");
        // The socket was closed after it had been read up to this point.
        fixture.simulator.inject(Fault::new(FaultKind::Close(1001)).times(1));
        running.log.wait_for_fact("closed");
        running.signal(signal);
        running.log.wait_for_json("the first signal", |line| line["signal"] == format!("SIG{signal}"));
        running.signal(signal);
        let (status, log) = running.wait_for_exit();
        assert_eq!(status.code(), Some(code), "{log:#?}");
        assert_eq!(status.signal(), None);
        drop(reader);
    }
}

#[test]
fn ctrl_c_with_a_broken_handler_says_that_nothing_is_lost_and_does_not_wait_for_retries() {
    let away = "type = \"webhook\"\nurl = \"http://127.0.0.1:1/\"\nsecret = \"whsec_mustnotshowrTwjUPD8ILPZIo2LaLaSw\"\n";
    let resting =
        "type = \"exec\"\ncommand = [\"python3\", \"-c\", \"exit(4)\"]\n[restart]\nmax_restarts = 1\n";
    for handler in [away, resting] {
        ends_soon_by_ctrl_c(&format!("[sinks.handler]\nevents = [\"posted\"]\n{handler}"));
    }
}

/// Interrupts a host whose handler accepts nothing. The next one delivers the event.
fn ends_soon_by_ctrl_c(sink: &str) {
    let fixture = Fixture::new();
    let dir = ConfigDir::with(&(fixture.config() + sink));
    let mut running = RunningProgram::ready(&fixture, &dir);
    let id = fixture.post("nobody hears this");
    running.log.wait_for_fact("stalled");
    let interrupted = Instant::now();
    running.signal("INT");
    let (status, log) = running.wait_for_exit();
    // The first retries come after half a second and a second; the deadline is 30 s.
    assert!(interrupted.elapsed() < Duration::from_secs(15), "{:?}: {log:#?}", interrupted.elapsed());
    assert_eq!(status.code(), Some(0), "{log:#?}");
    for expected in [
        "a second signal ends at once, and nothing is lost",
        "not all events are delivered; the rest is delivered after the next start",
    ] {
        assert!(log.iter().any(|line| line.contains(expected)), "{expected}: {log:#?}");
    }
    dir.write("matterhost.toml", &fixture.config());
    let mut running = RunningProgram::ready(&fixture, &dir);
    assert_eq!(running.events.wait_for_post("nobody hears this")["id"], *id);
}

#[test]
fn a_reader_that_goes_away_ends_the_host_with_0() {
    let fixture = Fixture::new();
    let dir = ConfigDir::with(&fixture.config());
    let (reader, writer) = std::io::pipe().unwrap();
    let mut command = dir.matterhost(&["run"]);
    command.stdout(writer);
    let mut running = RunningProgram::start_with_log_only(command);
    running.log.wait_for_fact("ready");
    fixture.post("first");
    let mut line = String::new();
    let mut reader = BufReader::new(reader);
    while !line.contains("first") {
        line.clear();
        reader.read_line(&mut line).unwrap();
    }
    drop(reader);
    fixture.post("nobody reads this");
    let (status, log) = running.wait_for_exit();
    assert_eq!(status.code(), Some(0), "{log:#?}");
    assert!(log.iter().any(|line| line.contains("standard output was closed")), "{log:#?}");
}

#[cfg(target_os = "linux")]
#[test]
fn an_output_that_cannot_be_written_ends_the_host_with_1() {
    let fixture = Fixture::new();
    let dir = ConfigDir::with(&fixture.config());
    let mut command = dir.matterhost(&["run"]);
    command.stdout(std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    let running = RunningProgram::start_with_log_only(command);
    let (status, log) = running.wait_for_exit();
    assert_eq!(status.code(), Some(1), "{log:#?}");
    assert!(log.iter().any(|line| line.contains("No space left")), "{log:#?}");
}

#[test]
fn a_disabled_and_enabled_bot_receives_events_again() {
    let fixture = Fixture::new();
    let config = fixture.config() + "[health]\nping_interval = \"1s\"\n[restart]\nmin_backoff = \"10ms\"\n";
    let dir = ConfigDir::with(&config);
    let mut running = RunningProgram::ready(&fixture, &dir);
    fixture.simulator.cycle(&fixture.bot.user_id);
    let closed = running.log.wait_for_fact("closed");
    assert!(closed["reason"] == "deaf" || closed["reason"] == "stale", "{closed}");
    running.log.wait_for_fact("ready");
    fixture.post("are you there?");
    running.events.wait_for_post("are you there?");
}

#[test]
fn a_server_that_is_away_at_first_is_waited_for() {
    let fixture = Fixture::new();
    fixture.simulator.inject(Fault::new(FaultKind::ServerError));
    let config = fixture.config() + "[restart]\nmin_backoff = \"10ms\"\n";
    let dir = ConfigDir::with(&config);
    let mut running = RunningProgram::start(dir.matterhost(&["run"]));
    running.log.wait_for_fact("closed");
    fixture.simulator.clear_faults();
    running.log.wait_for_fact("ready");
}

#[test]
fn the_log_is_plain_text_by_default() {
    let fixture = Fixture::new();
    let dir = ConfigDir::with(&fixture.config().replace("\"json\"", "\"pretty\""));
    let mut command = dir.matterhost(&["run", "--log-level", "debug"]);
    command.stdout(Stdio::null());
    let mut running = RunningProgram::start_with_log_only(command);
    running.log.wait_for_line("ready after");
    running.signal("TERM");
    let (status, log) = running.wait_for_exit();
    assert_eq!(status.code(), Some(0));
    assert!(
        log.iter().any(|line| line.contains("DEBUG") && line.contains("account=\"helpdesk\"")),
        "{log:#?}"
    );
    assert!(log.iter().all(|line| !line.contains('\u{1b}')), "colours in a file");
}
