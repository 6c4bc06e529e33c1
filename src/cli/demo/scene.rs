//! The demo's server, channel, people and bots.

use std::{collections::HashMap, env, fs, path::Path, sync::Arc};

use actix::{Actor as _, Addr};
use anyhow::Context as _;
use matterhost_actors::{
    bots::BotSink,
    hosting::{AccountSpec, AddAccount, AddServer, ListAccounts, Observer, ServerSpec, Supervisor},
    model::{AccountName, AccountState, Token},
    ports::{EventSink, HttpApi, Poster},
};
use matterhost_simulator::{Account, Simulator};
use serde_json::json;
use tempfile::TempDir;

use super::{channel_bot::ChannelBot, chat::Chat, demo_sink::DemoSink};
use crate::{
    config::{Config, ServerConfig, Sources},
    sinks::{SinkHandle, SinkRegistry},
    telemetry::metrics::Metrics,
};

/// The bot with a handler in a child process.
pub(super) const HELPDESK: &str = "helpdesk";
/// The bot that only listens.
pub(super) const DEPLOYS: &str = "deploys";
/// The bot whose answer grows.
pub(super) const ONCALL: &str = "oncall";
pub(super) const BOTS: [&str; 3] = [HELPDESK, DEPLOYS, ONCALL];
const PEOPLE: [&str; 2] = ["ana", "ben"];

/// The sink of the handler, and the variable with the token, in the demo's configuration.
const HANDLER: &str = "handler";
const TOKEN_VARIABLE: &str = "HELPDESK_TOKEN";

/// The simulated server with its users, and the host with its bots.
pub(super) struct Scene {
    pub(super) simulator: Arc<Simulator>,
    pub(super) channel: String,
    pub(super) people: Vec<Account>,
    pub(super) bots: Vec<DemoBot>,
    pub(super) supervisor: Addr<Supervisor>,
    pub(super) observer: Observer,
    pub(super) config: Config,
    pub(super) sinks: SinkRegistry,
    pub(super) chat: Chat,
    /// The directory of the configuration, the dead letters and the handler's memory; removed at the end.
    _directory: TempDir,
}

/// A bot and its sink.
pub(super) struct DemoBot {
    pub(super) name: &'static str,
    pub(super) user_id: String,
    pub(super) sink: Arc<DemoSink>,
}

/// The posts that a bot should have received, and those that it has.
pub(super) struct PostCount {
    pub(super) bot: &'static str,
    pub(super) expected: usize,
    pub(super) received: usize,
}

impl PostCount {
    pub(super) fn is_right(&self) -> bool {
        self.expected == self.received
    }
}

impl Scene {
    /// Starts the server and a Supervisor, and adds the bots. `admin` is the address for the page, if it is given.
    pub(super) async fn start(admin: Option<&str>) -> anyhow::Result<Self> {
        let simulator = Simulator::start().context("cannot start the simulated server")?;
        let team = simulator.create_team("company");
        let channel = simulator.create_channel(&team, "town-square");
        let people = PEOPLE.map(|name| simulator.create_user(name));
        let accounts = BOTS.map(|name| simulator.create_bot(name));
        for user in people.iter().chain(&accounts) {
            simulator.add_to_team(&team, &user.user_id);
            simulator.add_to_channel_quietly(&channel, &user.user_id);
        }
        let directory = tempfile::tempdir().context("cannot create a directory for the demo")?;
        let [helpdesk, ..] = &accounts;
        let config = configure(directory.path(), simulator.url(), &helpdesk.token, admin)?;
        let supervisor = Supervisor::new(config.host.clone());
        let observer = supervisor.observer();
        let supervisor = supervisor.start();
        let poster: Arc<dyn Poster> = Arc::new(supervisor.clone());
        let sinks = SinkRegistry::start(&config, &poster, &Metrics::new(true), None, None)?;
        let mut scene = Self {
            simulator: Arc::new(simulator),
            channel,
            people: people.into(),
            bots: Vec::new(),
            supervisor,
            observer,
            config,
            sinks,
            chat: Chat::default(),
            _directory: directory,
        };
        scene.add_bots(&accounts, &poster).await?;
        Ok(scene)
    }

    async fn add_bots(&mut self, accounts: &[Account], poster: &Arc<dyn Poster>) -> anyhow::Result<()> {
        let server = self.config.servers.first().context("the demo's server")?;
        self.supervisor.send(AddServer(server_spec(server))).await?;
        let server = server.name.clone();
        for (name, account) in BOTS.into_iter().zip(accounts) {
            let configured = self.config.accounts.iter().find(|account| account.name.as_str() == name);
            let sink = match configured {
                Some(configured) => self.sinks.sink_for(configured),
                None => self.channel_bot(name, poster),
            };
            let sink = Arc::new(DemoSink::new(sink));
            let spec = AccountSpec {
                name: AccountName::new(name)?,
                server: server.clone(),
                token: Token::new(account.token.as_str())?,
                sink: sink.clone(),
                settings: None,
            };
            self.supervisor.send(AddAccount(spec)).await??;
            self.bots.push(DemoBot { name, user_id: account.user_id.clone(), sink });
        }
        Ok(())
    }

    /// Returns the sink of the handler in a child process.
    pub(super) fn handler(&self) -> Option<SinkHandle> {
        self.sinks.board().get(HANDLER)
    }

    fn channel_bot(&self, name: &str, poster: &Arc<dyn Poster>) -> Arc<dyn EventSink> {
        let bot = ChannelBot { chat: self.chat.clone(), answers: name == ONCALL };
        Arc::new(BotSink::new(bot, Arc::clone(poster)))
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

    /// Returns the number of posts in the channel, and what each bot has received of those by others.
    pub(super) fn count_posts(&self) -> (usize, Vec<PostCount>) {
        let posts = self.simulator.posts_in(&self.channel);
        let counts = self.bots.iter().map(|bot| PostCount {
            bot: bot.name,
            expected: posts.iter().filter(|post| post.user_id != bot.user_id).count(),
            received: bot.sink.posts(),
        });
        (posts.len(), counts.collect())
    }

    /// Posts once more after the last fault.
    pub(super) fn post_final_message(&self) {
        if let Some(person) = self.people.first() {
            self.simulator.post(&person.user_id, &self.channel, "Good night, bots.");
        }
    }
}

fn server_spec(server: &ServerConfig) -> ServerSpec {
    let api = Arc::new(HttpApi::new(server.client.clone()));
    ServerSpec { name: server.name.clone(), api, limits: server.limits }
}

/// Writes a configuration as a user would, and reads it. The times are shorter than the defaults, because a demo is short.
fn configure(directory: &Path, url: &str, token: &str, admin: Option<&str>) -> anyhow::Result<Config> {
    let program = env::current_exe().context("the path of this program")?;
    let memory = directory.join("memory");
    fs::write(&memory, "")?;
    let config = json!({
        "servers": { "simulator": { "url": url } },
        "health": { "poll_interval": "5s", "ping_interval": "3s", "ping_timeout": "2s" },
        "state": { "store": "memory" },
        "accounts": { HELPDESK: { "token_env": TOKEN_VARIABLE, "sinks": [HANDLER] } },
        "sinks": { HANDLER: { "type": "exec", "command": [program, "demo", "--handler", memory] } },
    });
    let file = directory.join("matterhost.json");
    fs::write(&file, config.to_string())?;
    let flags = admin.map(|address| ("admin.bind", address.to_owned(), "--admin"));
    let sources = Sources {
        files: vec![file],
        environment: HashMap::from([(TOKEN_VARIABLE.into(), token.into())]),
        flags: flags.into_iter().collect(),
        ..Sources::default()
    };
    let mut config = Config::load(&sources, None)?;
    config.admin.generated_token_file = None;
    Ok(config)
}
