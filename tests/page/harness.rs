//! The program with its admin API, and a simulated server with bots on it.

use std::{
    net::{TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use matterhost_simulator::{Account, TOKEN_PREFIX};

use crate::program::{ConfigDir, DEADLINE, Fixture, RunningProgram};

/// The token that may do everything.
pub(crate) fn full_token() -> String {
    format!("{TOKEN_PREFIX}-may-do-all")
}

/// The token that may look.
pub(crate) fn read_only_token() -> String {
    format!("{TOKEN_PREFIX}-may-look-only")
}

/// Nobody waits in a test.
const QUICK: &str = "[health]\nping_interval = \"1s\"\n[restart]\nmin_backoff = \"10ms\"\n";

/// A program at work. Its page is at `url`.
pub(crate) struct PageHarness {
    pub(crate) fixture: Fixture,
    /// The bot of the account `oncall`.
    pub(crate) oncall: Account,
    pub(crate) url: String,
    dir: ConfigDir,
    running: Option<RunningProgram>,
}

impl PageHarness {
    /// Hosts `helpdesk` and `oncall`; there is no token.
    pub(crate) fn start() -> Self {
        Self::with("")
    }

    /// The same with two tokens.
    pub(crate) fn with_tokens() -> Self {
        Self::with(&format!("token = \"{}\"\nread_token = \"{}\"\n", full_token(), read_only_token()))
    }

    fn with(admin: &str) -> Self {
        let fixture = Fixture::new();
        let oncall = fixture.simulator.create_bot("oncall");
        let more = format!("[accounts.oncall]\ntoken = \"{}\"\n", oncall.token);
        let port = free_port();
        let config = format!("{}{more}{QUICK}{}", fixture.config(), admin_section(port, admin));
        let dir = ConfigDir::with(&config);
        let mut harness =
            Self { fixture, oncall, url: format!("http://127.0.0.1:{port}/"), dir, running: None };
        harness.start_program();
        harness
    }

    /// Starts the program, and waits until both bots are ready.
    pub(crate) fn start_program(&mut self) {
        let mut running = RunningProgram::start(self.dir.matterhost(&["run"]));
        for _ in ["helpdesk", "oncall"] {
            running.log.wait_for_fact("ready");
        }
        self.running = Some(running);
    }

    /// Ends the program, as its service manager does.
    pub(crate) fn stop_program(&mut self) {
        let running = self.running.take().unwrap();
        running.signal("TERM");
        let (status, log) = running.wait_for_exit();
        assert_eq!(status.code(), Some(0), "{log:#?}");
    }
}

impl Drop for PageHarness {
    /// A test that failed tells what the program said.
    fn drop(&mut self) {
        if let Some(running) = self.running.take().filter(|_| thread::panicking()) {
            running.signal("TERM");
            let (status, log) = running.wait_for_exit();
            println!("the program ended with {status}; it said {log:#?}");
        }
    }
}

/// The section that opens the page's door.
pub(crate) fn admin_section(port: u16, more: &str) -> String {
    format!("[admin]\nbind = \"127.0.0.1:{port}\"\n{more}")
}

/// A port that nobody listens on now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// Waits until somebody listens on the port.
pub(crate) fn await_listener(port: u16) {
    let end = Instant::now() + DEADLINE;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < end, "nobody listens on {port}");
        thread::sleep(Duration::from_millis(5));
    }
}
