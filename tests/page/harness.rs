//! The program with its admin API and a simulated server with two bots.

use std::{
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use matterhost_simulator::{Account, TOKEN_PREFIX};

use crate::{
    free_port::free_port,
    program::{ConfigDir, DEADLINE, Fixture, RunningProgram},
};

/// Returns the full token.
pub(crate) fn full_token() -> String {
    format!("{TOKEN_PREFIX}-may-do-all")
}

/// Returns the read-only token.
pub(crate) fn read_only_token() -> String {
    format!("{TOKEN_PREFIX}-may-look-only")
}

/// Short intervals for tests.
const SHORT_INTERVALS: &str = "[health]\nping_interval = \"1s\"\n[restart]\nmin_backoff = \"10ms\"\n";

/// A running program, with its page at `url`.
pub(crate) struct PageHarness {
    pub(crate) fixture: Fixture,
    /// The bot of the account `oncall`.
    pub(crate) oncall: Account,
    pub(crate) url: String,
    dir: ConfigDir,
    running: Option<RunningProgram>,
}

impl PageHarness {
    /// Starts the program with `helpdesk` and `oncall`, open to everyone.
    pub(crate) fn start() -> Self {
        Self::with("allow_anonymous = true\n")
    }

    /// Starts the program without a token in its configuration, so that it generates one.
    pub(crate) fn closed() -> Self {
        Self::with("")
    }

    /// Starts the program with a full and a read-only token.
    pub(crate) fn with_tokens() -> Self {
        Self::with(&format!("token = \"{}\"\nread_token = \"{}\"\n", full_token(), read_only_token()))
    }

    fn with(admin: &str) -> Self {
        let fixture = Fixture::new();
        let oncall = fixture.simulator.create_bot("oncall");
        let more = format!("[accounts.oncall]\ntoken = \"{}\"\n", oncall.token);
        let port = free_port();
        let config = format!("{}{more}{SHORT_INTERVALS}{}", fixture.config(), admin_section(port, admin));
        let dir = ConfigDir::with(&config);
        let mut harness =
            Self { fixture, oncall, url: format!("http://127.0.0.1:{port}/"), dir, running: None };
        harness.start_program();
        harness
    }

    /// Starts the program and waits until both bots are ready.
    pub(crate) fn start_program(&mut self) {
        let mut running = RunningProgram::start(self.dir.matterhost(&["run"]));
        for _ in ["helpdesk", "oncall"] {
            running.log.wait_for_fact("ready");
        }
        self.running = Some(running);
    }

    /// Makes a link for signing in.
    pub(crate) fn sign_in_link(&self) -> String {
        let output = self.dir.matterhost(&["sign-in"]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Stops the program with SIGTERM.
    pub(crate) fn stop_program(&mut self) {
        let running = self.running.take().unwrap();
        running.signal("TERM");
        let (status, log) = running.wait_for_exit();
        assert_eq!(status.code(), Some(0), "{log:#?}");
    }
}

impl Drop for PageHarness {
    /// Prints the log of the program if the test failed.
    fn drop(&mut self) {
        if let Some(running) = self.running.take().filter(|_| thread::panicking()) {
            running.signal("TERM");
            let (status, log) = running.wait_for_exit();
            println!("the program ended with {status}; its log: {log:#?}");
        }
    }
}

/// Returns the `[admin]` section for this port.
pub(crate) fn admin_section(port: u16, more: &str) -> String {
    format!("[admin]\nbind = \"127.0.0.1:{port}\"\n{more}")
}

/// Waits until a process listens on the port.
pub(crate) fn await_listener(port: u16) {
    let end = Instant::now() + DEADLINE;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < end, "no process listens on {port}");
        thread::sleep(Duration::from_millis(5));
    }
}
