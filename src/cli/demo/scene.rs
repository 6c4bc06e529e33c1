//! The demo's server, channel, people and bots.

use std::{sync::Arc, time::Duration};

use actix::{Actor as _, Addr};
use anyhow::Context as _;
use matterhost_actors::{
    hosting::{
        AccountSpec, AddAccount, AddServer, HealthSettings, HostSettings, ListAccounts, Observer, ServerSpec,
        Supervisor,
    },
    mattermost::{ClientConfig, ClientLimits},
    model::{AccountName, AccountState, ServerName, Token},
    policy::{GateLimits, PingSettings},
    ports::HttpApi,
};
use matterhost_simulator::{Account, Simulator};

use super::counting_sink::CountingSink;

const BOTS: [&str; 3] = ["helpdesk", "deploys", "oncall"];
const PEOPLE: [&str; 2] = ["ana", "ben"];
/// Shorter than the default, because a demo is short.
const POLL_INTERVAL: Duration = Duration::from_secs(5);
/// Shorter than the default, for the same reason.
const PING_LIMITS: PingSettings =
    PingSettings { interval: Duration::from_secs(3), per_second: 100.0, timeout: Duration::from_secs(2) };

/// The simulated server with its users, and the host with its bots.
pub(super) struct Scene {
    pub(super) simulator: Arc<Simulator>,
    pub(super) channel: String,
    pub(super) people: Vec<Account>,
    pub(super) bots: Vec<Bot>,
    pub(super) supervisor: Addr<Supervisor>,
    pub(super) observer: Observer,
}

/// A bot and its sink.
pub(super) struct Bot {
    pub(super) name: String,
    pub(super) user_id: String,
    pub(super) sink: Arc<CountingSink>,
}

impl Scene {
    /// Starts the server and a Supervisor, and adds the bots.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let simulator = Simulator::start().context("cannot start the simulated server")?;
        let team = simulator.create_team("company");
        let channel = simulator.create_channel(&team, "town-square");
        let people = PEOPLE.map(|name| simulator.create_user(name));
        for person in &people {
            simulator.add_to_team(&team, &person.user_id);
            simulator.add_to_channel_quietly(&channel, &person.user_id);
        }
        let health = HealthSettings {
            poll_interval: POLL_INTERVAL,
            ping_limits: PING_LIMITS,
            ..HealthSettings::default()
        };
        let supervisor = Supervisor::new(HostSettings { health, ..HostSettings::default() });
        let observer = supervisor.observer();
        let supervisor = supervisor.start();
        let simulator = Arc::new(simulator);
        let mut scene =
            Self { simulator, channel, people: people.into(), bots: Vec::new(), supervisor, observer };
        scene.add_bots(&team).await?;
        Ok(scene)
    }

    async fn add_bots(&mut self, team: &str) -> anyhow::Result<()> {
        let url = self.simulator.url().parse().context("the simulator's address")?;
        let user_agent = concat!("matterhost/", env!("CARGO_PKG_VERSION"));
        let client = ClientConfig::new(url, None, ClientLimits::default(), user_agent);
        let name = ServerName::new("simulator")?;
        let api = Arc::new(HttpApi::new(client));
        let server = ServerSpec { name: name.clone(), api, limits: GateLimits::default() };
        self.supervisor.send(AddServer(server)).await?;
        for bot in BOTS {
            let account = self.simulator.create_bot(bot);
            self.simulator.add_to_team(team, &account.user_id);
            self.simulator.add_to_channel_quietly(&self.channel, &account.user_id);
            let sink = Arc::new(CountingSink::default());
            let token = Token::new(account.token.as_str())?;
            let spec = AccountSpec {
                name: AccountName::new(bot)?,
                server: name.clone(),
                token,
                sink: sink.clone(),
                settings: None,
            };
            self.supervisor.send(AddAccount(spec)).await??;
            self.bots.push(Bot { name: bot.into(), user_id: account.user_id, sink });
        }
        Ok(())
    }

    /// Returns true if all bots are ready now.
    pub(super) async fn all_ready(&self) -> anyhow::Result<bool> {
        let accounts = self.supervisor.send(ListAccounts).await.context("the Supervisor has stopped")?;
        Ok(accounts.iter().all(|account| account.state == AccountState::Ready))
    }

    /// Starts the server if the script left it stopped. Enables no bot, because that would change `update_at` and end
    /// the connection of a healthy bot.
    pub(super) fn restore_server(&self) -> anyhow::Result<()> {
        if !self.simulator.is_listening() {
            self.simulator.start_server().context("cannot restart the simulated server")?;
        }
        Ok(())
    }

    /// Returns the number of posts in the channel.
    pub(super) fn posts_created(&self) -> usize {
        self.simulator.posts_in(&self.channel).len()
    }

    /// Posts once more after the last fault.
    pub(super) fn post_final_message(&self) {
        if let Some(person) = self.people.first() {
            self.simulator.post(&person.user_id, &self.channel, "Good night, bots.");
        }
    }
}
