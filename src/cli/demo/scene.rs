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

/// The bots, by what they might be for.
const BOTS: [&str; 3] = ["helpdesk", "deploys", "oncall"];
const PEOPLE: [&str; 2] = ["ana", "ben"];
/// A demo is short: it polls more often than a host in the field.
const POLL_INTERVAL: Duration = Duration::from_secs(5);
/// And pings more often, too.
const PING_LIMITS: PingSettings =
    PingSettings { interval: Duration::from_secs(3), timeout: Duration::from_secs(2) };

/// Everything that the demo plays with.
pub(super) struct Scene {
    pub(super) simulator: Arc<Simulator>,
    pub(super) channel: String,
    pub(super) people: Vec<Account>,
    pub(super) bots: Vec<Bot>,
    pub(super) supervisor: Addr<Supervisor>,
    pub(super) observer: Observer,
}

/// A bot and what it hears.
pub(super) struct Bot {
    pub(super) name: String,
    pub(super) user_id: String,
    pub(super) ears: Arc<CountingSink>,
}

impl Scene {
    /// Starts a server and a Supervisor, and hosts the bots.
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
        scene.host(&team).await?;
        Ok(scene)
    }

    async fn host(&mut self, team: &str) -> anyhow::Result<()> {
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
            let ears = Arc::new(CountingSink::default());
            let token = Token::new(account.token.as_str())?;
            let spec =
                AccountSpec { name: AccountName::new(bot)?, server: name.clone(), token, sink: ears.clone() };
            self.supervisor.send(AddAccount(spec)).await??;
            self.bots.push(Bot { name: bot.into(), user_id: account.user_id, ears });
        }
        Ok(())
    }

    /// Whether all bots are ready now.
    pub(super) async fn all_ready(&self) -> anyhow::Result<bool> {
        let accounts = self.supervisor.send(ListAccounts).await.context("the Supervisor is gone")?;
        Ok(accounts.iter().all(|account| account.state == AccountState::Ready))
    }

    /// Starts the server when the script could not. Nobody is enabled here: that moves `update_at` and ends the
    /// connection of a bot that was well.
    pub(super) fn restore_server(&self) -> anyhow::Result<()> {
        if !self.simulator.is_listening() {
            self.simulator.start_server().context("cannot start the simulated server again")?;
        }
        Ok(())
    }

    /// Posts made in the channel so far.
    pub(super) fn posts_created(&self) -> usize {
        self.simulator.posts_in(&self.channel).len()
    }

    /// One more post after the last blow.
    pub(super) fn post_final_message(&self) {
        if let Some(person) = self.people.first() {
            self.simulator.post(&person.user_id, &self.channel, "Good night, bots.");
        }
    }
}
