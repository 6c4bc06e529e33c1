//! A small world that most tests share: a team, a channel, two bots in it.

use matterhost_simulator::{Account, Simulator};
use serde_json::Value;

use crate::client::{self, Socket, rest};

/// The world, and its server.
pub(crate) struct Fixture {
    pub(crate) simulator: Simulator,
    pub(crate) channel: String,
    pub(crate) bot: Account,
    pub(crate) peer: Account,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::with_simulator(Simulator::start().expect("a simulator"))
    }

    pub(crate) fn with_simulator(simulator: Simulator) -> Self {
        let team = simulator.create_team("crew");
        let channel = simulator.create_channel(&team, "lobby");
        let [bot, peer] = ["bot", "peer"].map(|name| {
            let account = simulator.create_bot(name);
            simulator.add_to_team(&team, &account.user_id);
            simulator.add_to_channel(&channel, &account.user_id);
            account
        });
        Self { simulator, channel, bot, peer }
    }

    pub(crate) fn socket(&self, account: &Account) -> Socket {
        let mut socket = Socket::open(self.simulator.address(), Some(&account.token), "");
        assert_eq!(socket.json()["event"], "hello");
        assert_eq!(socket.json()["event"], "status_change");
        socket
    }

    pub(crate) fn post(&self, text: &str) {
        self.simulator.post(&self.simulator.admin().user_id, &self.channel, text);
    }

    pub(crate) fn get(&self, path: &str, account: &Account) -> client::Response {
        rest(self.simulator.address(), "GET", path, Some(&account.token), None)
    }
}

/// The text of a `posted` event.
pub(crate) fn message(event: &Value) -> String {
    let post: Value = serde_json::from_str(event["data"]["post"].as_str().expect("a post")).expect("JSON");
    post["message"].as_str().expect("a message").to_owned()
}
