//! The configuration: read from a file, the environment and flags, checked as a whole, and handed on as a type
//! that the rest of the program takes without asking again.
//!
//! Layers lie on each other: defaults, the file, `MATTERHOST__SECTION__KEY`, flags. Everything that is wrong is
//! told at once, each with its key and how to mend it, and no token is ever part of a message.

mod accounts;
mod admin;
mod audit;
mod catch_up;
mod dead_letter;
mod delivery;
mod diff;
mod example;
mod file_arg;
mod files;
mod health;
mod host;
mod log;
mod metrics;
mod open_files;
mod problem;
mod read;
mod replies;
mod restart;
mod secret_source;
mod servers;
mod sinks;
mod sources;
mod state;
mod syntax;
mod table;
mod token;
mod value;

use std::time::Duration;

use matterhost_actors::hosting::HostSettings;

pub use accounts::AccountConfig;
pub use admin::{AdminConfig, AdminTls, AdminToken, DEFAULT_BIND, ListenAddress, ReadyPolicy};
pub use dead_letter::DeadLetterConfig;
pub use diff::{Change, ChangeStatus, ConfigDiff, Effect, ItemKind};
pub use example::EXAMPLE;
pub use file_arg::{CONFIG_VARIABLE, DEFAULT_FILE, FileArg};
pub use log::{LogConfig, LogFormat, parse_level};
pub use metrics::MetricsConfig;
pub use open_files::{needed as open_files_needed, raise as raise_open_files};
pub use problem::{ConfigError, Problem};
pub use read::known_keys;
pub use servers::{CaFile, ServerConfig};
pub use sinks::{
    ChannelType, ExecConfig, FileConfig, FilterConfig, Secret, Secrets, SinkConfig, SinkKind, WebhookConfig,
};
pub use sources::{Sources, environment};
pub use state::StateConfig;
pub use table::KnownKey;

/// A configuration that was checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The servers, by name.
    pub servers: Vec<ServerConfig>,
    /// The accounts, by name; each is on one of the servers.
    pub accounts: Vec<AccountConfig>,
    /// The sinks, by name; at least one.
    pub sinks: Vec<SinkConfig>,
    /// Where sinks keep what is refused for good.
    pub dead_letter: DeadLetterConfig,
    /// What all accounts share.
    pub host: HostSettings,
    /// How long the whole host may take to stop.
    pub shutdown_deadline: Duration,
    /// Where cursors are kept between runs.
    pub state: StateConfig,
    /// How the running host is seen and steered.
    pub admin: AdminConfig,
    /// What is logged, and how.
    pub log: LogConfig,
    /// What is counted and measured.
    pub metrics: MetricsConfig,
    /// What is unwise, but not wrong.
    pub warnings: Vec<Problem>,
}

impl Config {
    /// The same, with the keys that hold from the next start of the process on as they are in the one that runs.
    #[must_use]
    pub fn keeping_next_start_keys(mut self, running: &Self) -> Self {
        self.admin = running.admin.clone();
        self.state = running.state.clone();
        self.metrics = running.metrics;
        self.log.format = running.log.format;
        self.log.otlp_endpoint.clone_from(&running.log.otlp_endpoint);
        self.host.arbiters = running.host.arbiters;
        self
    }

    /// Reads and checks a configuration. `open_files` is how many this process may open, where that is known.
    ///
    /// # Errors
    /// All that is wrong with it, at once.
    pub fn load(sources: &Sources, open_files: Option<u64>) -> Result<Self, ConfigError> {
        read::config(sources, open_files)
            .map_err(|problems| ConfigError { file: Some(sources.file.clone()), problems })
    }
}

#[cfg(test)]
mod tests;
