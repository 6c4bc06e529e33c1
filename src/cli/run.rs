//! `matterhost run`.

use clap::Args;

use super::{config::sources, output::print_config_error};
use crate::{
    config::{self, Bots, Config, FileArg, LogFormat},
    host::{self, Exit},
    telemetry::{logging, version},
};

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    file: FileArg,
    /// Format of the log lines [default: pretty]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
    /// Log filter: a level, or levels by module such as matterhost=debug,info [default: info]
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

/// Hosts the accounts until a signal or the end of standard output.
pub(super) fn run(args: &RunArgs, bots: &Bots) -> Exit {
    let read = sources(&args.file, args.overrides(), bots).and_then(|sources| {
        let config = Config::load(&sources, config::raise_open_files())?;
        Ok((config, sources))
    });
    let (config, sources) = match read {
        Ok(read) => read,
        Err(error) => return print_config_error(&error),
    };
    let level = logging::init(&config.log);
    tracing::info!(version = version::VERSION, commit = version::COMMIT, "this is matterhost");
    host::protect_memory();
    host::log_warnings(&config);
    host::run(config, sources, level).unwrap_or_else(|error| {
        tracing::error!("{error:#}");
        Exit::Failed
    })
}

impl RunArgs {
    /// Returns the configuration keys that the flags set: key, value and flag.
    pub(super) fn overrides(&self) -> Vec<(&'static str, String, &'static str)> {
        let format = self.log_format.map(|format| match format {
            LogFormat::Pretty => "pretty".to_owned(),
            LogFormat::Json => "json".to_owned(),
        });
        let level = self.log_level.clone().map(|level| ("log.level", level, "--log-level"));
        level.into_iter().chain(format.map(|format| ("log.format", format, "--log-format"))).collect()
    }
}
