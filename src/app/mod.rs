//! The program: takes the command line apart, and does what it says.

mod dead_letter;
mod host;
mod operations;
mod posting;
mod reload;
mod remote;
pub mod service_manager;
mod signals;
mod state;
mod store;

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

pub use self::reload::{ReloadError, Reloader};
use self::store::Store;
use crate::{
    api::Action,
    check,
    cli::{self, CheckArgs, Cli, Command, ConfigCommand, DemoArgs, FileArg, RunArgs},
    config::{self, Config, ConfigError, EXAMPLE, Sources},
    demo,
    exit::Exit,
    logging,
};

/// Does what the command line says.
pub fn run(cli: Cli) -> Exit {
    match cli.command {
        Command::Run(args) => host(&args),
        Command::Check(args) if args.diff => remote::difference(&args.admin, args.json),
        Command::Check(args) => check(&args),
        Command::Status(args) => remote::status(args),
        Command::Restart(args) => remote::act(Action::Restart, &args),
        Command::Stop(args) => remote::act(Action::Stop, &args),
        Command::Start(args) => remote::act(Action::Start, &args),
        Command::Reset(args) => remote::act(Action::Reset, &args),
        Command::Audit(args) => remote::act(Action::Audit, &args),
        Command::Tail(args) => remote::tail(args),
        Command::Logs(command) => remote::logs(command),
        Command::Reload(args) => remote::reload(&args),
        Command::Health(args) => remote::health(&args),
        Command::DeadLetter(command) => dead_letter::run(&command),
        Command::Demo(args) => demo(&args),
        Command::State(command) => state::run(&command),
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
        tracing::warn!(key = warning.key, "{}; {}", warning.what, warning.remedy);
    }
    let store = match Store::open(&config.state) {
        Ok(store) => store,
        Err(error) => {
            tracing::error!("{error}");
            return Exit::Config;
        }
    };
    let exit = host::run((config, sources), store, level).unwrap_or_else(|error| {
        tracing::error!("{error:#}");
        Exit::Failed
    });
    logging::end();
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
            print(check::refused(&error).as_bytes());
            return Exit::Config;
        }
        Err(error) => return refuse(&error),
    };
    let report = check::run(&config);
    let text = if args.json { report.json() } else { report.table(io::stdout().is_terminal()) };
    match print(text.as_bytes()) {
        Exit::Done if !report.ok => Exit::Failed,
        exit => exit,
    }
}

fn load(file: &FileArg, flags: Vec<(&'static str, String, &'static str)>) -> Result<Config, ConfigError> {
    Config::load(&sources(file, flags)?, config::raise_open_files())
}

/// Where a configuration comes from.
fn sources(file: &FileArg, flags: Vec<(&'static str, String, &'static str)>) -> Result<Sources, ConfigError> {
    Ok(Sources { file: file.find()?, environment: config::environment(), flags })
}

/// Says on standard error why a configuration cannot be used.
fn refuse(error: &ConfigError) -> Exit {
    // When even standard error is closed, the exit code still tells.
    let _ = writeln!(io::stderr().lock(), "matterhost: {error}");
    Exit::Config
}

/// Prints to standard output. A reader that has heard enough is no failure.
fn print(text: &[u8]) -> Exit {
    let mut out = io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Ok(()) => Exit::Done,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
        Err(_) => Exit::Failed,
    }
}
