//! The program: takes the command line apart, and does what it says.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use super::{CheckArgs, Cli, Command, ConfigCommand, DemoArgs, RunArgs, check, demo};
use crate::host::Exit;
use crate::host::store::Store;
use crate::{
    admin::dto::Action,
    cli,
    config::{self, Config, ConfigError, EXAMPLE, FileArg, Sources},
    telemetry::logging,
};

/// Does what the command line says.
pub fn run(cli: Cli) -> Exit {
    match cli.command {
        Command::Run(args) => host(&args),
        Command::Check(args) if args.diff => super::remote_run::preview_reload(&args.admin, args.json),
        Command::Check(args) => check(&args),
        Command::Status(args) => super::remote_run::status(args),
        Command::Restart(args) => super::remote_run::act(Action::Restart, &args),
        Command::Stop(args) => super::remote_run::act(Action::Stop, &args),
        Command::Start(args) => super::remote_run::act(Action::Start, &args),
        Command::Reset(args) => super::remote_run::act(Action::Reset, &args),
        Command::Audit(args) => super::remote_run::act(Action::Audit, &args),
        Command::Tail(args) => super::remote_run::tail(args),
        Command::Logs(command) => super::remote_run::logs(command),
        Command::Reload(args) => super::remote_run::reload(&args),
        Command::Health(args) => super::remote_run::health(&args),
        Command::DeadLetter(command) => super::dead_letter_run::run(&command),
        Command::Demo(args) => demo(&args),
        Command::State(command) => super::state_run::run(&command),
        Command::Config(ConfigCommand::Example) => print(EXAMPLE.as_bytes()),
        Command::Completions { shell } => print(&cli::completions(shell)),
    }
}

fn host(args: &RunArgs) -> Exit {
    let read = sources(&args.file, args.overrides()).and_then(|sources| {
        let config = Config::load(&sources, config::raise_open_files())?;
        Ok((config, sources))
    });
    let (config, sources) = match read {
        Ok(read) => read,
        Err(error) => return refuse(&error),
    };
    let level = logging::init(&config.log);
    for warning in &config.warnings {
        tracing::warn!(key = warning.key, "{}; {}", warning.message, warning.remedy);
    }
    let store = match Store::open(&config.state) {
        Ok(store) => store,
        Err(error) => {
            tracing::error!("{error}");
            return Exit::Config;
        }
    };
    let exit = crate::host::run((config, sources), store, level).unwrap_or_else(|error| {
        tracing::error!("{error:#}");
        Exit::Failed
    });
    logging::flush();
    exit
}

fn demo(args: &DemoArgs) -> Exit {
    demo::run(args.seconds.map(Duration::from_secs)).unwrap_or_else(|error| {
        // When even standard error is closed, the exit code still tells.
        let _ = writeln!(io::stderr().lock(), "matterhost: {error:#}");
        Exit::Failed
    })
}

fn check(args: &CheckArgs) -> Exit {
    let config = match load(&args.admin.file, Vec::new()) {
        Ok(config) => config,
        Err(error) if args.json => {
            print(check::config_error_json(&error).as_bytes());
            return Exit::Config;
        }
        Err(error) => return refuse(&error),
    };
    let report = check::run(&config);
    let text = if args.json { report.json() } else { report.table(io::stdout().is_terminal()) };
    match print(text.as_bytes()) {
        Exit::Success if !report.ok => Exit::Failed,
        exit => exit,
    }
}

pub(super) fn load(
    file: &FileArg,
    flags: Vec<(&'static str, String, &'static str)>,
) -> Result<Config, ConfigError> {
    Config::load(&sources(file, flags)?, config::raise_open_files())
}

/// Where a configuration comes from.
fn sources(file: &FileArg, flags: Vec<(&'static str, String, &'static str)>) -> Result<Sources, ConfigError> {
    Ok(Sources { file: file.find()?, environment: config::environment(), flags })
}

/// Says on standard error why a configuration cannot be used.
pub(super) fn refuse(error: &ConfigError) -> Exit {
    // When even standard error is closed, the exit code still tells.
    let _ = writeln!(io::stderr().lock(), "matterhost: {error}");
    Exit::Config
}

/// Prints to standard output. A reader that has heard enough is no failure.
pub(super) fn print(text: &[u8]) -> Exit {
    let mut out = io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Ok(()) => Exit::Success,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Success,
        Err(_) => Exit::Failed,
    }
}
