//! A running host and a client of its admin API.

use std::{
    fs,
    io::Write as _,
    net::SocketAddr,
    ops::Deref,
    thread,
    time::{Duration, Instant},
};

use matterhost_simulator::Account;
use serde_json::Value;

use super::{
    http_client::{self, Response, StreamingResponse},
    sse::EventStream,
};
use crate::{
    free_port::free_port,
    program::{ConfigDir, DEADLINE, Fixture, RunningProgram},
};

/// A running host with its simulated server and its admin API.
pub(crate) struct AdminHost {
    pub(crate) running: RunningProgram,
    pub(crate) api: Api,
    pub(crate) dir: ConfigDir,
    pub(crate) fixture: Fixture,
}

/// The address of an API, and a token for it.
#[derive(Clone, Copy)]
pub(crate) struct Api {
    pub(crate) address: SocketAddr,
    pub(crate) token: Option<&'static str>,
}

/// The `[admin]` section of tests.
pub(crate) const ANY_PORT: &str = "[admin]\nbind = \"127.0.0.1:0\"\n";

impl AdminHost {
    /// Starts a host with the account `helpdesk` and waits until it is ready.
    pub(crate) fn ready(more: &str) -> Self {
        let host = Self::start(Fixture::new(), &format!("{ANY_PORT}{more}"));
        host.await_state("helpdesk", "ready");
        host
    }

    /// Starts a host and waits until its API responds.
    pub(crate) fn start(fixture: Fixture, more: &str) -> Self {
        let dir = ConfigDir::with(&format!("{}{more}", fixture.config()));
        let mut host = Self::start_in(dir, fixture, None);
        host.api.token = match more {
            open if open.contains("allow_anonymous = true") => None,
            configured if configured.contains(TOKEN) => Some(TOKEN),
            _ => Some(generated_token(&host.dir)),
        };
        host
    }

    /// Starts the host of a directory, whose API takes a token, and waits until it responds.
    pub(crate) fn start_in(dir: ConfigDir, fixture: Fixture, token: Option<&'static str>) -> Self {
        let mut running = RunningProgram::start(dir.matterhost(&["run"]));
        let address = wait_for_api(&mut running);
        Self { running, api: Api { address, token }, dir, fixture }
    }

    /// Stops the host and starts it again.
    pub(crate) fn restart(self) -> Self {
        let Self { running, dir, fixture, api } = self;
        running.signal("TERM");
        running.wait_for_exit();
        Self::start_in(dir, fixture, api.token)
    }

    /// Returns the resident memory of the process, in KiB.
    pub(crate) fn memory_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.running.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Deref for AdminHost {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.api
    }
}

impl Api {
    pub(crate) fn get(&self, path: &str) -> Response {
        self.request("GET", path, &[], b"")
    }

    pub(crate) fn post(&self, path: &str) -> Response {
        self.request("POST", path, &[], b"")
    }

    pub(crate) fn send(&self, method: &str, path: &str, body: &Value) -> Response {
        self.request(method, path, &[("content-type", "application/json")], body.to_string().as_bytes())
    }

    /// Sends a request with additional headers.
    pub(crate) fn request(&self, method: &str, path: &str, lines: &[(&str, &str)], body: &[u8]) -> Response {
        let mut stream = http_client::connect(self.address);
        stream.write_all(self.head(method, path, lines, body.len()).as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        http_client::read(stream).unwrap_or_else(|| panic!("no answer to {method} {path}"))
    }

    fn head(&self, method: &str, path: &str, lines: &[(&str, &str)], length: usize) -> String {
        let (host, length) = (self.address.to_string(), length.to_string());
        let bearer = self.token.map(|token| format!("Bearer {token}"));
        let given = |name: &str| lines.iter().any(|(key, _)| *key == name);
        let mut all = lines.to_vec();
        all.extend((!given("host")).then_some(("host", host.as_str())));
        all.extend((length != "0").then_some(("content-length", length.as_str())));
        all.extend(
            bearer.as_deref().filter(|_| !given("authorization")).map(|token| ("authorization", token)),
        );
        http_client::head(method, path, &all)
    }

    /// Opens a stream of events.
    pub(crate) fn stream(&self, path: &str, lines: &[(&str, &str)]) -> EventStream {
        EventStream::of(self.request_streaming(path, lines))
    }

    /// Sends a request and returns the response with its body unread.
    pub(crate) fn request_streaming(&self, path: &str, lines: &[(&str, &str)]) -> StreamingResponse {
        let mut stream = http_client::connect(self.address);
        stream.write_all(self.head("GET", path, lines, 0).as_bytes()).unwrap();
        http_client::read_head(stream).unwrap()
    }

    pub(crate) fn account(&self, name: &str) -> Value {
        let answer = self.get(&format!("/v1/accounts/{name}"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// Polls an account until the condition holds.
    pub(crate) fn await_account(&self, name: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + DEADLINE;
        loop {
            let account = self.account(name);
            if holds(&account) {
                return account;
            }
            assert!(Instant::now() < end, "no {what} in time: {account}");
            // Slow enough to leave others their share of the rate.
            thread::sleep(3 * REQUEST_INTERVAL);
        }
    }

    pub(crate) fn await_state(&self, name: &str, state: &str) -> Value {
        self.await_account(name, state, |account| account["state"] == state)
    }
}

/// The pause between two requests, because the API admits 200 per second.
pub(crate) const REQUEST_INTERVAL: Duration = Duration::from_millis(6);

/// The full token, in tests with tokens.
pub(crate) const TOKEN: &str = "mustnotshow-full-9f86d081";
/// The read-only token.
pub(crate) const READ_TOKEN: &str = "mustnotshow-read-60303ae2";

/// Returns the token that a host without one in its configuration has generated.
pub(crate) fn generated_token(dir: &ConfigDir) -> &'static str {
    let file = dir.path().join("state/matterhost/admin.token");
    // A test has one or two, and the address of its API is copied freely.
    fs::read_to_string(file).unwrap().trim().to_owned().leak()
}

/// Returns an unused address.
pub(crate) fn free_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}

/// Waits until the API responds; returns its address.
pub(crate) fn wait_for_api(running: &mut RunningProgram) -> SocketAddr {
    let line =
        running.log.wait_for_json("the admin API", |line| line["message"] == "the admin API is listening");
    let url = line["url"].as_str().unwrap();
    url.split_once("://").unwrap_or_else(|| panic!("{url}")).1.parse().unwrap()
}

/// Adds a bot to the channel; returns it with its section of the configuration.
pub(crate) fn add_bot(fixture: &Fixture, name: &str) -> (Account, String) {
    let bot = fixture.simulator.create_bot(name);
    fixture.simulator.add_to_team(fixture.team(), &bot.user_id);
    fixture.simulator.add_to_channel_quietly(&fixture.channel, &bot.user_id);
    let section = format!("[accounts.{name}]\ntoken = \"{}\"\n", bot.token);
    (bot, section)
}
