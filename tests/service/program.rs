//! Runs the program and reads its output, with a deadline instead of sleeps.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use matterhost_simulator::{Account, Simulator};
use serde_json::Value;
use tempfile::TempDir;

// By path, because other test binaries include this file, too.
#[path = "command.rs"]
mod command;

pub(crate) use command::{Program, refuse_secrets};

/// Time limit for expected output: long, for a machine under load.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// Time limit for reading the rest after the program has ended: the system already holds its output.
const LEFT_OVER: Duration = Duration::from_secs(5);

/// Returns a command that runs the program with an empty environment.
pub(crate) fn matterhost(args: &[&str]) -> Program {
    let mut command = Command::new(env!("CARGO_BIN_EXE_matterhost"));
    command.args(args).env_clear();
    Program(command)
}

/// Runs the program until it ends.
pub(crate) fn output(args: &[&str]) -> Output {
    matterhost(args).output().unwrap()
}

/// Returns the path of an example. `cargo test` does not build the examples if a target is named.
pub(crate) fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join("examples").join(name);
    assert!(program.exists(), "{}: build it with `cargo build --workspace --examples`", program.display());
    program
}

/// Converts output to text.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A temporary directory with a configuration.
pub(crate) struct ConfigDir(TempDir);

impl ConfigDir {
    pub(crate) fn with(config: &str) -> Self {
        let dir = Self(tempfile::tempdir().unwrap());
        dir.write("matterhost.toml", config);
        dir
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Returns a command that runs the program in this directory, which also holds its state.
    pub(crate) fn matterhost(&self, args: &[&str]) -> Program {
        self.command(matterhost(args))
    }

    /// Returns a command that runs an example in this directory.
    pub(crate) fn example(&self, name: &str, args: &[&str]) -> Program {
        let mut command = Command::new(example(name));
        command.args(args).env_clear();
        self.command(Program(command))
    }

    fn command(&self, mut command: Program) -> Program {
        command.current_dir(self.0.path()).env("XDG_STATE_HOME", self.0.path().join("state"));
        command
    }
}

/// A simulated server with a bot and a person in one channel.
pub(crate) struct Fixture {
    pub(crate) simulator: Simulator,
    pub(crate) bot: Account,
    pub(crate) person: Account,
    pub(crate) channel: String,
    team: String,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::on(Simulator::start().unwrap())
    }

    pub(crate) fn on(simulator: Simulator) -> Self {
        let (bot, person) = (simulator.create_bot("helper"), simulator.create_user("ann"));
        let team = simulator.create_team("crew");
        let channel = simulator.create_channel(&team, "lobby");
        for user in [&bot, &person] {
            simulator.add_to_team(&team, &user.user_id);
            simulator.add_to_channel(&channel, &user.user_id);
        }
        Self { simulator, bot, person, channel, team }
    }

    /// Adds channels with both as members, and returns their ids.
    pub(crate) fn add_channels(&self, count: usize) -> Vec<String> {
        let make = |n| {
            let channel = self.simulator.create_channel(&self.team, &format!("side-{n}"));
            for user in [&self.bot, &self.person] {
                self.simulator.add_to_channel_quietly(&channel, &user.user_id);
            }
            channel
        };
        (0..count).map(make).collect()
    }

    /// Returns the team of the channel.
    pub(crate) fn team(&self) -> &str {
        &self.team
    }

    /// Returns a configuration that hosts the bot.
    pub(crate) fn config(&self) -> String {
        let (url, token) = (self.simulator.url(), &self.bot.token);
        format!(
            "[servers.main]\nurl = \"{url}\"\n[accounts.helpdesk]\ntoken = \"{token}\"\n[log]\nformat = \"json\"\n"
        )
    }

    /// Returns the texts of the bot's posts.
    pub(crate) fn bot_posts(&self) -> Vec<String> {
        let posts = self.simulator.posts_in(&self.channel).into_iter();
        posts
            .filter(|post| post.user_id == self.bot.user_id && post.kind.is_empty())
            .map(|post| post.message)
            .collect()
    }

    /// Waits until the bot has posted a text.
    pub(crate) fn await_post(&self, words: &str) {
        let end = Instant::now() + DEADLINE;
        while !self.bot_posts().iter().any(|post| post == words) {
            assert!(Instant::now() < end, "no {words:?} in {:?}", self.bot_posts());
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn post(&self, words: &str) -> String {
        self.simulator.post(&self.person.user_id, &self.channel, words).id
    }
}

/// Returns an event as `run` prints it.
pub(crate) fn example_event() -> Value {
    let fixture = Fixture::new();
    let dir = ConfigDir::with(&fixture.config());
    let mut running = RunningProgram::ready(&fixture, &dir);
    fixture.post("an event");
    running.events.wait_for_post("an event")
}

/// Waits until nothing is missing. A busy machine may take its time, as long as less and less is missing.
///
/// # Errors
/// Fails with the missing items if they did not become fewer within the deadline.
pub(crate) fn wait_until_complete<T>(missing: impl Fn() -> Vec<T>) -> Result<(), Vec<T>> {
    let (mut fewest, mut end) = (usize::MAX, Instant::now() + DEADLINE);
    loop {
        let missing = missing();
        if missing.is_empty() {
            return Ok(());
        }
        if missing.len() < fewest {
            (fewest, end) = (missing.len(), Instant::now() + DEADLINE);
        }
        if Instant::now() >= end {
            return Err(missing);
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// A running program.
pub(crate) struct RunningProgram {
    child: Child,
    pub(crate) events: Lines,
    pub(crate) log: Lines,
}

/// The lines of a stream. Any line with a secret fails the test, even if the test does not wait for it.
pub(crate) struct Lines {
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl RunningProgram {
    pub(crate) fn start(command: impl Into<Command>) -> Self {
        let mut command = command.into();
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let events = Lines::read(child.stdout.take().unwrap());
        let log = Lines::read(child.stderr.take().unwrap());
        Self { child, events, log }
    }

    /// Starts it without capturing standard output.
    pub(crate) fn start_with_log_only(command: impl Into<Command>) -> Self {
        let mut command = command.into();
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = Lines::read(child.stderr.take().unwrap());
        Self { child, events: Lines::read(std::io::empty()), log }
    }

    /// Wraps a process that is already running, with its log.
    pub(crate) fn of(child: Child, log: Lines) -> Self {
        Self { child, events: Lines::read(std::io::empty()), log }
    }

    /// Starts `run` with the fixture's server and waits until its bot is ready.
    pub(crate) fn ready(fixture: &Fixture, dir: &ConfigDir) -> Self {
        Self::ready_with(fixture, dir.matterhost(&["run"]))
    }

    /// Runs a command with the fixture's server and waits until its bot is ready.
    pub(crate) fn ready_with(fixture: &Fixture, command: impl Into<Command>) -> Self {
        let mut running = Self::start(command);
        running.log.wait_for_fact("ready");
        assert_eq!(fixture.simulator.counters().open_sockets(&fixture.bot.user_id), 1);
        running
    }

    /// Returns its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    /// Waits until it ends. Returns its exit status and its whole log.
    pub(crate) fn wait_for_exit(mut self) -> (ExitStatus, Vec<String>) {
        let start = Instant::now();
        // The log ends with the process.
        self.log.read_to_end();
        let status = self.child.wait().unwrap();
        assert!(start.elapsed() < DEADLINE);
        (status, std::mem::take(&mut self.log.seen))
    }
}

impl Drop for RunningProgram {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Lines {
    pub(crate) fn read(stream: impl Read + Send + 'static) -> Self {
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { lines, seen: Vec::new() }
    }

    fn next(&mut self, end: Instant) -> Result<String, RecvTimeoutError> {
        let line = self.lines.recv_timeout(end.saturating_duration_since(Instant::now()))?;
        refuse_secrets(&line);
        Ok(line)
    }

    /// Waits for a JSON line that matches.
    pub(crate) fn wait_for_json(&mut self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + DEADLINE;
        while let Ok(line) = self.next(end) {
            let value: Value =
                serde_json::from_str(&line).unwrap_or_else(|_| panic!("this line is not JSON: {line}"));
            self.seen.push(line);
            if holds(&value) {
                return value;
            }
        }
        panic!("no line matches {what}; lines: {:#?}", self.seen);
    }

    /// Waits for a line that contains a text.
    pub(crate) fn wait_for_line(&mut self, words: &str) {
        let end = Instant::now() + DEADLINE;
        while let Ok(line) = self.next(end) {
            self.seen.push(line);
            if self.seen.last().is_some_and(|line| line.contains(words)) {
                return;
            }
        }
        panic!("no line contains {words}; lines: {:#?}", self.seen);
    }

    /// Waits for a fact in the log.
    pub(crate) fn wait_for_fact(&mut self, fact: &str) -> Value {
        self.wait_for_json(fact, |line| line["fact"] == fact)
    }

    /// Waits for a post with a text.
    pub(crate) fn wait_for_post(&mut self, words: &str) -> Value {
        self.wait_for_json(words, |event| {
            event["type"] == "com.mattermost.posted" && event["data"]["post"]["message"] == words
        })
    }

    /// Reads the available lines without waiting.
    pub(crate) fn drain(&mut self) {
        self.seen.extend(self.lines.try_iter());
    }

    /// Returns the last lines that were read.
    pub(crate) fn last(&self, count: usize) -> &[String] {
        &self.seen[self.seen.len().saturating_sub(count)..]
    }

    /// Waits until the stream ends.
    pub(crate) fn read_to_end(&mut self) {
        let end = Instant::now() + DEADLINE;
        loop {
            match self.next(end) {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => panic!("the stream did not end; lines: {:#?}", self.seen),
            }
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        let end = Instant::now() + LEFT_OVER;
        // A second panic would abort all tests.
        while !thread::panicking() && self.next(end).is_ok() {}
    }
}
