//! A simulated server with several bots, and a configuration for them that tests rewrite.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    time::Instant,
};

use matterhost_simulator::{Account, Simulator};
use serde_json::Value;

use crate::program::{ConfigDir, DEADLINE, RunningProgram};

/// A simulated server with several bots and a person in one channel.
pub(super) struct MultiBotFixture {
    pub(super) simulator: Simulator,
    pub(super) channels: Vec<String>,
    pub(super) person: Account,
    pub(super) bots: BTreeMap<String, Account>,
    team: String,
}

/// A configuration to write.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct HostConfig {
    /// All sections but those of accounts, by name.
    pub(super) sections: BTreeMap<String, String>,
    pub(super) bots: BTreeMap<String, BotConfig>,
}

/// The configuration of a bot.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct BotConfig {
    pub(super) server: String,
    pub(super) token: String,
    pub(super) sinks: Vec<String>,
}

impl MultiBotFixture {
    pub(super) fn with(bots: &[&str], channels: usize) -> Self {
        let simulator = Simulator::start().unwrap();
        let team = simulator.create_team("crew");
        let person = simulator.create_user("ann");
        simulator.add_to_team(&team, &person.user_id);
        let mut fixture = Self { simulator, channels: Vec::new(), person, bots: BTreeMap::new(), team };
        for bot in bots {
            let account = fixture.simulator.create_bot(bot);
            fixture.simulator.add_to_team(&fixture.team, &account.user_id);
            fixture.bots.insert((*bot).to_owned(), account);
        }
        for n in 0..channels {
            fixture.add_channel(&format!("room-{n}"));
        }
        fixture
    }

    fn add_channel(&mut self, name: &str) {
        let channel = self.simulator.create_channel(&self.team, name);
        for user in self.bots.values().chain([&self.person]) {
            self.simulator.add_to_channel_quietly(&channel, &user.user_id);
        }
        self.channels.push(channel);
    }

    /// Returns a configuration with one server, one file sink and all bots.
    pub(super) fn plan(&self) -> HostConfig {
        let mut plan = HostConfig::default();
        plan.section("log", "format = \"json\"");
        plan.section("admin", "enabled = false");
        plan.section(
            "servers.main",
            &format!("url = \"{}\"\nrequests_per_second = 1000", self.simulator.url()),
        );
        plan.section("sinks.archive", &file("archive"));
        for (bot, account) in &self.bots {
            let (server, token) = ("main".to_owned(), format!("token = \"{}\"", account.token));
            plan.bots.insert(bot.clone(), BotConfig { server, token, sinks: vec!["archive".into()] });
        }
        plan
    }

    /// Returns the numbers of authenticated sockets of a bot: in total, and now.
    pub(super) fn sockets(&self, bot: &str) -> (u64, usize) {
        let (seen, user) = (self.simulator.counters(), &self.bots[bot].user_id);
        (seen.opened_sockets(user), seen.open_sockets(user))
    }

    pub(super) fn post(&self, words: &str) -> String {
        self.simulator.post(&self.person.user_id, &self.channels[0], words).id
    }

    /// Waits until each of these bots has one socket.
    pub(super) fn await_sockets(&self, bots: &[&str]) {
        let all = |seen: &matterhost_simulator::Counters| {
            bots.iter().all(|bot| seen.open_sockets(&self.bots[*bot].user_id) == 1)
        };
        assert!(self.simulator.wait_for(all, DEADLINE), "not all of {bots:?} have one socket");
    }
}

/// Returns a sink that writes a file with this name.
pub(super) fn file(name: &str) -> String {
    format!("type = \"file\"\npath = \"{name}.jsonl\"\nfsync = false")
}

impl HostConfig {
    pub(super) fn section(&mut self, name: &str, keys: &str) {
        self.sections.insert(name.to_owned(), keys.to_owned());
    }

    pub(super) fn write(&self, dir: &ConfigDir) {
        let section = |(name, keys): (&String, &String)| format!("[{name}]\n{keys}\n");
        let bot = |(bot, plan): (&String, &BotConfig)| {
            let BotConfig { server, token, sinks } = plan;
            format!("[accounts.{bot}]\nserver = \"{server}\"\n{token}\nsinks = {sinks:?}\n")
        };
        let parts: Vec<_> = self.sections.iter().map(section).chain(self.bots.iter().map(bot)).collect();
        let text = parts.concat();
        dir.write("matterhost.toml", &text);
    }

    /// Starts a host with this configuration, and waits until all its bots are ready.
    pub(super) fn start(&self, dir: &ConfigDir) -> RunningProgram {
        self.write(dir);
        let mut running = RunningProgram::start(dir.matterhost(&["run"]));
        let mut waiting: BTreeSet<_> = self.bots.keys().cloned().collect();
        while !waiting.is_empty() {
            let ready = running.log.wait_for_fact("ready");
            waiting.remove(ready["account"].as_str().unwrap());
        }
        running
    }
}

/// Makes the host reload its configuration. Returns the log up to the end of the reload.
pub(super) fn reload(running: &mut RunningProgram) -> Vec<Value> {
    running.signal("HUP");
    log_until(running, "the configuration was reloaded")
}

/// Returns the log lines up to and including the message with this prefix.
pub(super) fn log_until(running: &mut RunningProgram, message: &str) -> Vec<Value> {
    let mut lines = Vec::new();
    loop {
        let line = running.log.wait_for_json(message, |_| true);
        let done = line["message"].as_str().unwrap().starts_with(message);
        lines.push(line);
        if done {
            return lines;
        }
    }
}

/// Returns the messages of log lines that are not facts.
pub(super) fn messages(lines: &[Value]) -> Vec<&str> {
    let no_fact = lines.iter().filter(|line| line["fact"].is_null());
    no_fact.filter_map(|line| line["message"].as_str()).collect()
}

/// Returns the posts in a sink's file: account and post id.
pub(super) fn posts(dir: &ConfigDir, file: &str) -> Vec<(String, String)> {
    let path: PathBuf = dir.path().join(format!("{file}.jsonl"));
    let text = fs::read_to_string(path).unwrap_or_default();
    // The last line may be incomplete.
    let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let posted = events.filter(|event| event["type"] == "com.mattermost.posted");
    posted
        .map(|event| {
            let account = event["source"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
            (account, event["id"].as_str().unwrap().to_owned())
        })
        .collect()
}

/// Waits until a bot's post is in a file.
pub(super) fn await_post(dir: &ConfigDir, file: &str, bot: &str, id: &str) {
    let end = Instant::now() + DEADLINE;
    while !posts(dir, file).iter().any(|(who, what)| who == bot && what == id) {
        assert!(Instant::now() < end, "{file} has no post {id} of {bot}: {:#?}", posts(dir, file));
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}
