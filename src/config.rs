//! The configuration: read from a file, the environment and flags, validated as a whole, and turned into types that
//! the rest of the program uses without further checks.
//!
//! The layers are defaults, the file, `MATTERHOST__SECTION__KEY` variables and flags; each overrides the ones before
//! it. All errors are reported together, each with its key and a remedy, and no message ever contains a token.

mod accounts;
mod admin;
mod api_accounts;
mod audit;
mod bot_factories;
mod catch_up;
mod cluster;
mod dead_letter;
mod delivery;
mod diff;
mod file_arg;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod health;
mod hooks;
mod host;
mod key_reader;
mod log;
mod metrics;
mod nats_access;
mod open_files;
mod overrides;
mod problem;
mod read;
mod readable_files;
mod replies;
mod restart;
mod route;
mod secret_files;
mod secret_source;
mod servers;
mod sinks;
mod slash_commands;
mod sources;
mod state;
mod syntax;
mod template;
mod value;
mod written_file;

pub use accounts::{AccountConfig, AccountSource};
pub use admin::{
    AdminConfig, AdminTls, AdminToken, AdminTokenError, DEFAULT_BIND, ListenAddress, RandomError,
    ReadyPolicy, ScopedToken, TokenScope,
};
pub use api_accounts::{AccountRefused, ApiAccounts, NewAccount, PlannedChange, StoredFiles};
pub use bot_factories::{BotFactory, Bots};
pub use cluster::ClusterConfig;
pub use dead_letter::DeadLetterConfig;
pub use diff::{Change, ChangeStatus, ConfigDiff, Effect, ItemKind};
pub use file_arg::{CONFIG_VARIABLE, DEFAULT_FILE, FileArg};
pub use hooks::{HooksConfig, MAX_HOOKS};
pub use key_reader::KnownKey;
pub use log::{LogConfig, LogFormat, parse_level};
pub use metrics::MetricsConfig;
pub use nats_access::{NatsAccess, NatsCredentials};
pub use open_files::{needed as open_files_needed, raise as raise_open_files};
pub use problem::{ConfigError, Problem, did_you_mean};
pub use read::known_keys;
pub use route::{CaFile, ClientCertificate, Transport};
pub use secret_source::read_secret;
pub use servers::ServerConfig;
pub(crate) use sinks::INTERRUPTED_RETRY;
pub use sinks::{
    AttemptLimits, BotConfig, ChannelType, ExecConfig, FileConfig, FilterConfig, NatsConfig, PauseScope,
    Recovered, Secret, Secrets, SinkConfig, SinkKind, WebhookConfig,
};
pub use slash_commands::{CommandConfig, CommandMethod, Commands};
pub use sources::{Directory, Layout, Sources, environment};
pub use state::StateConfig;
pub use written_file::{SECRET_MODE, write_file};

use std::{path::Path, sync::Arc, time::Duration};

use matterhost_actors::hosting::HostSettings;

use self::{api_accounts::AccountReader, sources::NamedTexts};

/// The commented configuration that `matterhost config example` prints. It is valid once the token's variable is set.
pub const EXAMPLE: &str = include_str!("config/example.toml");

/// A validated configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The servers, sorted by name.
    pub servers: Vec<ServerConfig>,
    /// The accounts, sorted by name; each is on one of the servers.
    pub accounts: Vec<AccountConfig>,
    /// The sinks, sorted by name; at least one.
    pub sinks: Vec<SinkConfig>,
    /// Storage for events that handlers reject.
    pub dead_letter: DeadLetterConfig,
    /// Settings shared by all accounts.
    pub host: HostSettings,
    /// The time limit for stopping the whole host.
    pub shutdown_deadline: Duration,
    /// Storage for cursors between runs.
    pub state: StateConfig,
    /// The admin API's settings.
    pub admin: AdminConfig,
    /// The settings of slash commands, buttons and dialogs; `None` if the host takes none.
    pub hooks: Option<HooksConfig>,
    /// The log's settings.
    pub log: LogConfig,
    /// The metrics' settings.
    pub metrics: MetricsConfig,
    /// The cluster that the process is a member of, if it is of one.
    pub cluster: Option<ClusterConfig>,
    /// Settings that are valid but unwise.
    pub warnings: Vec<Problem>,
    /// Files in directories of tokens that cannot be used: their accounts are left out, or keep their previous tokens.
    pub left_out: Vec<Problem>,
    /// The directories whose files belong to the configuration.
    pub layout: Layout,
    /// The accounts that the admin API keeps, also those that are left out.
    pub api_accounts: ApiAccounts,
    /// The parts of the configuration that one more account is read with.
    reader: Arc<AccountReader>,
}

impl Config {
    /// Returns this configuration with every key that takes effect only at the next start replaced by its value in
    /// the running one.
    #[must_use]
    pub fn keeping_next_start_keys(mut self, running: &Self) -> Self {
        self.admin = running.admin.clone();
        self.hooks.clone_from(&running.hooks);
        self.state = running.state.clone();
        self.metrics = running.metrics;
        self.cluster.clone_from(&running.cluster);
        self.log.format = running.log.format;
        self.log.otlp_endpoint.clone_from(&running.log.otlp_endpoint);
        self.host.arbiters = running.host.arbiters;
        self.host.accounts_per_arbiter = running.host.accounts_per_arbiter;
        self
    }

    /// Reads and validates a configuration. `open_files` is this process's limit of open files, if it is known.
    ///
    /// # Errors
    /// Returns every problem of the configuration at once.
    pub fn load(sources: &Sources, open_files: Option<u64>) -> Result<Self, ConfigError> {
        Self::read(sources, open_files, None, &NamedTexts::new())
    }

    /// Reads the configuration again for a host that runs with this one.
    ///
    /// # Errors
    /// Returns every problem of the configuration at once.
    pub fn reload(&self, sources: &Sources, open_files: Option<u64>) -> Result<Self, ConfigError> {
        Self::read(sources, open_files, Some(self), &NamedTexts::new())
    }

    /// Reads the files in the directories of the configuration again. The files that are named are taken as they were.
    ///
    /// # Errors
    /// Returns every problem of the configuration at once.
    pub fn reload_directories(
        &self,
        sources: &Sources,
        open_files: Option<u64>,
    ) -> Result<Self, ConfigError> {
        Self::read(sources, open_files, Some(self), self.layout.named_texts())
    }

    fn read(
        sources: &Sources,
        open_files: Option<u64>,
        running: Option<&Self>,
        pinned: &NamedTexts,
    ) -> Result<Self, ConfigError> {
        let file = || sources.first_file().map(Path::to_owned);
        read::config(sources, open_files, running, pinned)
            .map_err(|problems| ConfigError { file: file(), problems })
    }
}

#[cfg(test)]
mod tests;
