//! Standard output and standard error as pipes that are not read, such as those of a paused pager or a stuck log driver.

#![expect(clippy::print_stdout, reason = "tests print the numbers that they measured")]

use std::{
    fs::{self, File},
    io::{ErrorKind, PipeReader, PipeWriter, Write as _, pipe},
    net::SocketAddr,
    os::{fd::AsRawFd as _, unix::fs::OpenOptionsExt as _},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::fs::OFlags;

use crate::{
    admin::host::{Api, free_address},
    program::{ConfigDir, DEADLINE, Fixture, Lines, RunningProgram, example},
};

/// The time limit for the end of the program, and the time that the system may take beyond that on a machine under load.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(2);
const MARGIN: Duration = Duration::from_millis(900);

/// A pipe that is never read.
pub(crate) struct UnreadPipe {
    _reader: PipeReader,
    pub(crate) writer: PipeWriter,
}

impl UnreadPipe {
    pub(crate) fn new() -> Self {
        let (reader, writer) = pipe().unwrap();
        Self { _reader: reader, writer }
    }

    /// Fills it to the last byte, without blocking.
    pub(crate) fn fill(&self) {
        let mode = OFlags::NONBLOCK.bits().try_into().unwrap();
        let path = format!("/proc/self/fd/{}", self.writer.as_raw_fd());
        let mut stream = File::options().write(true).custom_flags(mode).open(path).unwrap();
        for size in [4096, 1] {
            loop {
                match stream.write(&vec![b'.'; size]) {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }
}

/// The log of a host in Rust, as an example of the library sets it up.
#[test]
fn bots_in_rust_answer_although_the_log_is_never_read() {
    let pipe = UnreadPipe::new();
    pipe.fill();
    let mut example = Command::new(example("commands"));
    example.stderr(pipe.writer.try_clone().unwrap()).stdout(Stdio::piped());
    let mut child = example.spawn().unwrap();
    let mut lines = Lines::read(child.stdout.take().unwrap());
    let _running = RunningProgram::of(child, Lines::read(std::io::empty()));
    lines.wait_for_line("Deploying 2 to staging for ana.");
    lines.read_to_end();
}

/// A running program with unread output; its account writes events to a file.
struct Unread {
    child: Child,
    fixture: Fixture,
    dir: ConfigDir,
    pipes: [UnreadPipe; 2],
    api: Api,
}

impl Unread {
    fn start(fixture: Fixture, filled: bool) -> Self {
        let address = free_address();
        let dir = ConfigDir::with(&config(&fixture, address));
        let pipes = [UnreadPipe::new(), UnreadPipe::new()];
        if filled {
            pipes.iter().for_each(UnreadPipe::fill);
        }
        let [stdout, stderr] = pipes.each_ref().map(|pipe| pipe.writer.try_clone().unwrap());
        let child = dir.matterhost(&["run"]).stdout(stdout).stderr(stderr).spawn().unwrap();
        Self { child, fixture, dir, pipes, api: Api { address, token: None } }
    }

    /// Posts, and waits until the account has received the post.
    fn post_and_wait(&self, words: &str) {
        self.fixture.post(words);
        let file = self.dir.path().join("events.jsonl");
        wait_until(words, || fs::read_to_string(&file).is_ok_and(|text| text.contains(words)));
    }

    fn wait_for_socket(&self, number: u64) {
        let user = &self.fixture.bot.user_id;
        let opened = |counters: &matterhost_simulator::Counters| counters.opened_sockets(user) >= number;
        assert!(self.fixture.simulator.wait_for(opened, DEADLINE), "socket {number} is not opened");
    }

    /// Checks that accounts and API work although the output is not read, then ends the program.
    fn verify(mut self) {
        self.wait_for_socket(1);
        self.api.await_state("helpdesk", "ready");
        self.post_and_wait("before the cut");
        self.fixture.simulator.drop_all_sockets();
        self.wait_for_socket(2);
        self.post_and_wait("after the cut");
        self.api.await_state("helpdesk", "ready");
        assert_eq!(self.api.get("/livez").status, 200);
        let start = Instant::now();
        let id = self.child.id().to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        wait_until("the end", || self.child.try_wait().unwrap().is_some());
        let took = start.elapsed();
        println!("ended {} ms after SIGTERM", took.as_millis());
        assert!(took < SHUTDOWN_DEADLINE + MARGIN, "the end took {took:?}");
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn config(fixture: &Fixture, address: SocketAddr) -> String {
    let listener = fixture.simulator.create_bot("listener");
    fixture.simulator.add_to_channel(&fixture.channel, &listener.user_id);
    let account = "[accounts.helpdesk]\nsinks = [\"events\"]\n";
    let second = format!("[accounts.listener]\ntoken = \"{}\"\nsinks = [\"output\"]\n", listener.token);
    let sinks =
        "[sinks.output]\ntype = \"stdout\"\n[sinks.events]\ntype = \"file\"\npath = \"events.jsonl\"\n";
    let seconds = SHUTDOWN_DEADLINE.as_secs();
    let host = format!(
        "[host]\nshutdown_deadline = \"{seconds}s\"\n[admin]\nbind = \"{address}\"\nallow_anonymous = true\n"
    );
    fixture.config().replace("[accounts.helpdesk]\n", account) + &second + sinks + &host
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < end, "{what}: not in time");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn accounts_start_receive_and_reconnect_although_the_output_is_never_read() {
    Unread::start(Fixture::new(), true).verify();
}

#[test]
fn accounts_continue_when_the_output_is_no_longer_read() {
    let program = Unread::start(Fixture::new(), false);
    program.wait_for_socket(1);
    program.api.await_state("helpdesk", "ready");
    program.post_and_wait("while there is room");
    program.pipes.iter().for_each(UnreadPipe::fill);
    program.verify();
}
