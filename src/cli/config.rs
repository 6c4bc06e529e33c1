//! `matterhost config`, and reading the configuration for the other commands.

use clap::Subcommand;

use super::output::print;
use crate::{
    config::{self, Bots, Config, ConfigError, EXAMPLE, FileArg, Sources},
    host::Exit,
};

/// Print an example configuration
#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Print a commented configuration to start from
    #[command(after_help = "Example:\n  matterhost config example > matterhost.toml")]
    Example,
}

pub(super) fn run(command: &ConfigCommand) -> Exit {
    match command {
        ConfigCommand::Example => print(EXAMPLE.as_bytes()),
    }
}

/// Reads the configuration for a command without flags of its own for it.
pub(super) fn load(file: &FileArg, bots: &Bots) -> Result<Config, ConfigError> {
    Config::load(&sources(file, Vec::new(), bots)?, config::raise_open_files())
}

/// Returns the layers of the configuration: the files, the environment, and the keys set by `flags`; and the bots that it may
/// name.
pub(super) fn sources(
    file: &FileArg,
    flags: Vec<(&'static str, String, &'static str)>,
    bots: &Bots,
) -> Result<Sources, ConfigError> {
    Ok(Sources { files: file.find()?, environment: config::environment(), flags, bots: bots.clone() })
}
