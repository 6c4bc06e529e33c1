//! A host whose admin API is asked.

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
use crate::program::{ConfigDir, DEADLINE, Fixture, RunningProgram};

/// A host with its world and its admin API.
pub(crate) struct AdminHost {
    pub(crate) running: RunningProgram,
    pub(crate) api: Api,
    pub(crate) dir: ConfigDir,
    pub(crate) fixture: Fixture,
}

/// Where the API is, and the token that is shown there.
#[derive(Clone, Copy)]
pub(crate) struct Api {
    pub(crate) address: SocketAddr,
    pub(crate) token: Option<&'static str>,
}

/// Where the API listens in tests.
pub(crate) const ANY_PORT: &str = "[admin]\nbind = \"127.0.0.1:0\"\n";

impl AdminHost {
    /// One account, `helpdesk`, which is ready.
    pub(crate) fn ready(more: &str) -> Self {
        let host = Self::start(Fixture::new(), &format!("{ANY_PORT}{more}"));
        host.await_state("helpdesk", "ready");
        host
    }

    /// Starts one, and waits until the API answers.
    pub(crate) fn start(fixture: Fixture, more: &str) -> Self {
        let dir = ConfigDir::with(&format!("{}{more}", fixture.config()));
        let mut running = RunningProgram::start(dir.matterhost(&["run"]));
        let address = wait_for_api(&mut running);
        let token = more.contains(TOKEN).then_some(TOKEN);
        Self { running, api: Api { address, token }, dir, fixture }
    }

    /// The same again, after its process has ended.
    pub(crate) fn restart(self) -> Self {
        let Self { running, dir, fixture, api } = self;
        running.signal("TERM");
        running.wait_for_exit();
        let mut running = RunningProgram::start(dir.matterhost(&["run"]));
        let address = wait_for_api(&mut running);
        Self { running, api: Api { address, ..api }, dir, fixture }
    }

    /// What the process has in memory, in KiB.
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

    /// Asks with these lines besides the usual ones.
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

    /// Listens to a stream.
    pub(crate) fn stream(&self, path: &str, lines: &[(&str, &str)]) -> EventStream {
        EventStream::of(self.request_streaming(path, lines))
    }

    /// Asks, and leaves the body where it is.
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

    /// Asks until it is so.
    pub(crate) fn await_account(&self, name: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + DEADLINE;
        loop {
            let account = self.account(name);
            if holds(&account) {
                return account;
            }
            assert!(Instant::now() < end, "{what} did not come: {account}");
            // Few enough to leave others their share of the rate.
            thread::sleep(3 * REQUEST_INTERVAL);
        }
    }

    pub(crate) fn await_state(&self, name: &str, state: &str) -> Value {
        self.await_account(name, state, |account| account["state"] == state)
    }
}

/// How long to wait between two requests: all together may ask 200 times a second.
pub(crate) const REQUEST_INTERVAL: Duration = Duration::from_millis(6);

/// A token that may do everything, where a test has one.
pub(crate) const TOKEN: &str = "mustnotshow-full-9f86d081";
/// One that may look.
pub(crate) const READ_TOKEN: &str = "mustnotshow-read-60303ae2";

/// Waits until the API answers; gives where.
pub(crate) fn wait_for_api(running: &mut RunningProgram) -> SocketAddr {
    let line =
        running.log.wait_for_json("the admin API", |line| line["message"] == "the admin API is listening");
    let url = line["url"].as_str().unwrap();
    url.split_once("://").unwrap_or_else(|| panic!("{url}")).1.parse().unwrap()
}

/// One more bot in the world's channel, and the section that hosts it.
pub(crate) fn add_bot(fixture: &Fixture, name: &str) -> (Account, String) {
    let bot = fixture.simulator.create_bot(name);
    fixture.simulator.add_to_team(fixture.team(), &bot.user_id);
    fixture.simulator.add_to_channel_quietly(&fixture.channel, &bot.user_id);
    let section = format!("[accounts.{name}]\ntoken = \"{}\"\n", bot.token);
    (bot, section)
}
