//! Standard output and standard error as pipes that nobody reads, such as those of a paused pager or a stuck log driver.

#![expect(clippy::print_stdout, reason = "tests print the numbers that they measured")]

use std::{
    fs::{self, File},
    io::{ErrorKind, PipeReader, PipeWriter, Write as _, pipe},
    net::{SocketAddr, TcpListener},
    os::{fd::AsRawFd as _, unix::fs::OpenOptionsExt as _},
    process::Child,
    thread,
    time::{Duration, Instant},
};

use rustix::fs::OFlags;

use crate::{
    admin::host::Api,
    program::{ConfigDir, DEADLINE, Fixture},
};

/// The time that the program gets for the last events, and the time that its end may take beyond that.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(2);
const ENDS_WITHIN: Duration = Duration::from_secs(4);

/// A pipe that is never read.
struct UnreadPipe {
    _reader: PipeReader,
    writer: PipeWriter,
}

impl UnreadPipe {
    fn new() -> Self {
        let (reader, writer) = pipe().unwrap();
        Self { _reader: reader, writer }
    }

    /// Fills it to the last byte, without blocking.
    fn fill(&self) {
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

    /// Posts, and waits until the account has heard it.
    fn hear(&self, words: &str) {
        self.fixture.post(words);
        let file = self.dir.path().join("events.jsonl");
        wait_until(words, || fs::read_to_string(&file).is_ok_and(|text| text.contains(words)));
    }

    fn wait_for_socket(&self, number: u64) {
        let user = &self.fixture.bot.user_id;
        let opened = |counters: &matterhost_simulator::Counters| counters.opened_sockets(user) >= number;
        assert!(self.fixture.simulator.wait_for(opened, DEADLINE), "socket {number} is not opened");
    }

    /// Checks what must go on when nobody reads, then ends the program.
    fn verify(mut self) {
        self.wait_for_socket(1);
        self.api.await_state("helpdesk", "ready");
        self.hear("before the cut");
        self.fixture.simulator.drop_all_sockets();
        self.wait_for_socket(2);
        self.hear("after the cut");
        self.api.await_state("helpdesk", "ready");
        assert_eq!(self.api.get("/livez").status, 200);
        let start = Instant::now();
        let id = self.child.id().to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        wait_until("the end", || self.child.try_wait().unwrap().is_some());
        let took = start.elapsed();
        println!("ended {} ms after SIGTERM", took.as_millis());
        assert!(took < SHUTDOWN_DEADLINE + ENDS_WITHIN, "the end took {took:?}");
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
    let host = format!("[host]\nshutdown_deadline = \"{seconds}s\"\n[admin]\nbind = \"{address}\"\n");
    fixture.config().replace("[accounts.helpdesk]\n", account) + &second + sinks + &host
}

/// Returns an address at which nobody listens.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < end, "{what}: not in time");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn accounts_start_hear_and_come_back_although_nobody_has_ever_read_the_output() {
    Unread::start(Fixture::new(), true).verify();
}

#[test]
fn accounts_go_on_when_the_output_is_not_read_any_more() {
    let program = Unread::start(Fixture::new(), false);
    program.wait_for_socket(1);
    program.api.await_state("helpdesk", "ready");
    program.hear("while there is room");
    program.pipes.iter().for_each(UnreadPipe::fill);
    program.verify();
}
