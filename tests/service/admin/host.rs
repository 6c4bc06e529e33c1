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
    http::{self, Answer, Reading},
    sse::Stream,
};
use crate::program::{DEADLINE, Dir, Running, World};

/// A host with its world and its admin API.
pub(crate) struct Host {
    pub(crate) running: Running,
    pub(crate) api: Api,
    pub(crate) dir: Dir,
    pub(crate) world: World,
}

/// Where the API is, and the token that is shown there.
#[derive(Clone, Copy)]
pub(crate) struct Api {
    pub(crate) address: SocketAddr,
    pub(crate) token: Option<&'static str>,
}

/// Where the API listens in tests.
pub(crate) const ANYWHERE: &str = "[admin]\nbind = \"127.0.0.1:0\"\n";

impl Host {
    /// One account, `helpdesk`, which is ready.
    pub(crate) fn ready(more: &str) -> Self {
        let host = Self::start(World::new(), &format!("{ANYWHERE}{more}"));
        host.await_state("helpdesk", "ready");
        host
    }

    /// Starts one, and waits until the API answers.
    pub(crate) fn start(world: World, more: &str) -> Self {
        let dir = Dir::with(&format!("{}{more}", world.config()));
        let mut running = Running::start(dir.matterhost(&["run"]));
        let address = answers(&mut running);
        let token = more.contains(TOKEN).then_some(TOKEN);
        Self { running, api: Api { address, token }, dir, world }
    }

    /// The same again, after its process has ended.
    pub(crate) fn again(self) -> Self {
        let Self { running, dir, world, api } = self;
        running.signal("TERM");
        running.ended();
        let mut running = Running::start(dir.matterhost(&["run"]));
        let address = answers(&mut running);
        Self { running, api: Api { address, ..api }, dir, world }
    }

    /// What the process has in memory, in KiB.
    pub(crate) fn memory_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.running.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Deref for Host {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.api
    }
}

impl Api {
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], b"")
    }

    pub(crate) fn post(&self, path: &str) -> Answer {
        self.ask("POST", path, &[], b"")
    }

    pub(crate) fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.ask(method, path, &[("content-type", "application/json")], body.to_string().as_bytes())
    }

    /// Asks with these lines besides the usual ones.
    pub(crate) fn ask(&self, method: &str, path: &str, lines: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut stream = http::connect(self.address);
        stream.write_all(self.head(method, path, lines, body.len()).as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        http::read(stream).unwrap_or_else(|| panic!("no answer to {method} {path}"))
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
        http::head(method, path, &all)
    }

    /// Listens to a stream.
    pub(crate) fn listen(&self, path: &str, lines: &[(&str, &str)]) -> Stream {
        Stream::of(self.open(path, lines))
    }

    /// Asks, and leaves the body where it is.
    pub(crate) fn open(&self, path: &str, lines: &[(&str, &str)]) -> Reading {
        let mut stream = http::connect(self.address);
        stream.write_all(self.head("GET", path, lines, 0).as_bytes()).unwrap();
        http::read_head(stream).unwrap()
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
            thread::sleep(3 * WITHIN_THE_RATE);
        }
    }

    pub(crate) fn await_state(&self, name: &str, state: &str) -> Value {
        self.await_account(name, state, |account| account["state"] == state)
    }
}

/// How long to wait between two requests: all together may ask 200 times a second.
pub(crate) const WITHIN_THE_RATE: Duration = Duration::from_millis(6);

/// A token that may do everything, where a test has one.
pub(crate) const TOKEN: &str = "mustnotshow-full-9f86d081";
/// One that may look.
pub(crate) const READER: &str = "mustnotshow-read-60303ae2";

/// Waits until the API answers; gives where.
pub(crate) fn answers(running: &mut Running) -> SocketAddr {
    let line = running.log.json("the admin API", |line| line["message"] == "the admin API answers");
    let url = line["url"].as_str().unwrap();
    url.split_once("://").unwrap_or_else(|| panic!("{url}")).1.parse().unwrap()
}

/// One more bot in the world's channel, and the section that hosts it.
pub(crate) fn sibling(world: &World, name: &str) -> (Account, String) {
    let bot = world.simulator.create_bot(name);
    world.simulator.add_to_team(world.team(), &bot.user_id);
    world.simulator.add_to_channel_quietly(&world.channel, &bot.user_id);
    let section = format!("[accounts.{name}]\ntoken = \"{}\"\n", bot.token);
    (bot, section)
}
