//! The command line: one file per command, with its arguments, its work and its output.

mod account;
mod account_files;
mod accounts;
mod check;
mod cluster_command;
mod completions;
mod config;
mod dead_letter;
#[cfg(feature = "demo")]
mod demo;
mod health;
mod logs;
mod man;
mod output;
mod post;
mod progress;
mod provisioning;
mod reload;
mod run;
mod sign_in;
mod sinks;
mod state;
mod status;
mod tail;

use clap::{Parser, Subcommand};

#[cfg(feature = "demo")]
use self::demo::DemoArgs;
use self::{
    account::AccountCommand,
    accounts::ActionArgs,
    check::CheckArgs,
    cluster_command::ClusterCommand,
    completions::CompletionsArgs,
    config::ConfigCommand,
    dead_letter::DeadLetterCommand,
    health::HealthArgs,
    logs::LogsCommand,
    man::ManArgs,
    post::PostArgs,
    provisioning::BotsCommand,
    reload::ReloadArgs,
    run::RunArgs,
    sign_in::SignInArgs,
    sinks::{SinkCommand, SinksArgs},
    state::StateCommand,
    status::StatusArgs,
    tail::TailArgs,
};
use crate::{
    admin::dto::Action,
    config::Bots,
    host::Exit,
    telemetry::{logging, version::FULL_VERSION},
};

const EXAMPLES: &str = "\
Examples:
  matterhost demo                               watch it work on a simulated server
  matterhost config example > matterhost.toml   start from a commented configuration
  matterhost check                              test every server and every token
  matterhost run                                host the accounts; events are written as JSON lines
  matterhost bots create NAME --team crew       create a bot with an administrator's token
  matterhost status --watch                     show the accounts of a running host
A bot does not answer?
  matterhost status NAME                        is it connected, and does an event wait?
  matterhost sinks                              does its handler accept events, and what did it say?
  matterhost dead-letter list                   which events did it refuse?";

/// Hosts Mattermost bot accounts: no bot goes deaf, and one broken account never affects another.
#[derive(Debug, Parser)]
#[command(name = "matterhost", version = FULL_VERSION, after_help = EXAMPLES, max_term_width = 100)]
#[command(arg_required_else_help = true, subcommand_required = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Host the accounts and deliver each event to its sinks, or to standard output as a line of CloudEvents JSON
    ///
    /// Logs go to standard error. SIGTERM or SIGINT delivers the remaining events and exits; a second signal exits
    /// immediately.
    #[command(after_help = "Example:\n  matterhost run --config bots.toml --log-format json >> events.jsonl")]
    Run(RunArgs),
    /// Read the configuration, then test every server and every token and show the results
    ///
    /// Exits with 1 if a test fails, and suggests a remedy for each failure; exits with 78 if the configuration
    /// is invalid.
    #[command(after_help = "Example:\n  matterhost check --config bots.toml --json | jq .ok")]
    Check(CheckArgs),
    /// Show the accounts of a running host: which are unhealthy, and why
    #[command(after_help = "Examples:\n  matterhost status --watch\n  matterhost status helpdesk\n  \
                            matterhost status --json | jq -r '.accounts[] | select(.state != \"ready\").name'")]
    Status(StatusArgs),
    /// Show the sinks of a running host: which do not accept events, why, and what waits
    ///
    /// `matterhost sink` acts on them.
    #[command(after_help = "Examples:\n  matterhost sinks --watch\n  matterhost sinks hook\n  \
                            matterhost sinks --json | jq -r '.sinks[] | select(.state != \"running\").name'")]
    Sinks(SinksArgs),
    /// Restart a sink, make it try at once what waits, or take an event away from it
    #[command(subcommand)]
    Sink(SinkCommand),
    /// Close the connections of accounts and reconnect immediately; start accounts that are stopped
    #[command(after_help = "Example:\n  matterhost restart helpdesk")]
    Restart(ActionArgs),
    /// Stop accounts until they are started again
    #[command(after_help = "Example:\n  matterhost stop helpdesk")]
    Stop(ActionArgs),
    /// Start accounts that are stopped, tripped, or waiting
    #[command(after_help = "Example:\n  matterhost start helpdesk")]
    Start(ActionArgs),
    /// Restore the full restart budget of accounts; start those that were tripped
    #[command(after_help = "Example:\n  matterhost reset helpdesk")]
    Reset(ActionArgs),
    /// Compare the posts on the server with the posts received, now
    #[command(after_help = "Example:\n  matterhost audit helpdesk && matterhost tail helpdesk --level debug")]
    Audit(ActionArgs),
    /// Post as an account of a running host
    ///
    /// Prints the id of the post; several if the text was split. Waits until the account can post, as long as
    /// `replies.deadline`.
    #[command(
        after_help = "Examples:\n  matterhost post helpdesk staff/town-square 'The backup is done.' --key backup-2026-11-28\n  \
                            df -h | matterhost post helpdesk @ann"
    )]
    Post(PostArgs),
    /// Follow what happens to the accounts of a running host
    #[command(after_help = "Example:\n  matterhost tail helpdesk --level debug")]
    Tail(TailArgs),
    /// Show the cluster of a running host, or give the accounts of a member away
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// Show or change the log level of a running host
    #[command(subcommand)]
    Logs(LogsCommand),
    /// Make a running host read its configuration again, and show what changed
    ///
    /// If the configuration is invalid, every problem is listed and nothing changes. `check --diff` shows beforehand
    /// what would change. SIGHUP also reloads.
    #[command(after_help = "Example:\n  matterhost check --diff && matterhost reload")]
    Reload(ReloadArgs),
    /// Print a link that opens the page of a running host, once and within ten minutes
    #[command(after_help = "Example:\n  xdg-open \"$(matterhost sign-in)\"")]
    SignIn(SignInArgs),
    /// Ask whether a running host is healthy, for probes
    ///
    /// Exits with 0 if the host is healthy, and with 1 if not.
    #[command(after_help = "Example:\n  matterhost health --ready")]
    Health(HealthArgs),
    /// Create and manage bot accounts with an administrator's token, which is not kept
    #[command(subcommand)]
    Bots(BotsCommand),
    /// Add or remove the files of an account in the configuration's directories
    #[command(subcommand)]
    Account(AccountCommand),
    /// Show, resend or drop the events that handlers rejected permanently
    #[command(subcommand)]
    DeadLetter(DeadLetterCommand),
    /// Watch three bots on a built-in simulated server that disables them, drops their connections and restarts
    ///
    /// Needs nothing but this program. Exits with 1 if a bot did not receive every post exactly once.
    #[cfg(feature = "demo")]
    #[command(after_help = "Example:\n  matterhost demo --seconds 30")]
    Demo(DemoArgs),
    /// Show or remove the state that is stored between runs
    #[command(subcommand)]
    State(StateCommand),
    /// Print an example configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Write man pages for all commands, for packages
    #[command(hide = true)]
    Man(ManArgs),
    /// Print shell completions
    #[command(after_help = "Example:\n  matterhost completions bash > /etc/bash_completion.d/matterhost")]
    Completions(CompletionsArgs),
}

/// Runs the command of a program with these bots, and returns its exit status.
pub fn run(cli: Cli, bots: &Bots) -> Exit {
    let exit = dispatch(cli.command, bots);
    logging::flush();
    exit
}

fn dispatch(command: Command, bots: &Bots) -> Exit {
    match command {
        Command::Run(args) => run::run(&args, bots),
        Command::Check(args) => check::run(&args, bots),
        Command::Status(args) => status::run(args),
        Command::Sinks(args) => sinks::run(args),
        Command::Sink(command) => sinks::act(command),
        Command::Restart(args) => accounts::run(Action::Restart, &args),
        Command::Stop(args) => accounts::run(Action::Stop, &args),
        Command::Start(args) => accounts::run(Action::Start, &args),
        Command::Reset(args) => accounts::run(Action::Reset, &args),
        Command::Audit(args) => accounts::run(Action::Audit, &args),
        Command::Post(args) => post::run(args),
        Command::Tail(args) => tail::run(args),
        Command::Cluster(command) => cluster_command::run(command),
        Command::Logs(command) => logs::run(command),
        Command::Reload(args) => reload::run(&args),
        Command::SignIn(args) => sign_in::run(&args),
        Command::Health(args) => health::run(&args),
        Command::Bots(command) => provisioning::run(command, bots),
        Command::Account(command) => account::run(&command, bots),
        Command::DeadLetter(command) => dead_letter::run(&command, bots),
        #[cfg(feature = "demo")]
        Command::Demo(args) => demo::run(&args),
        Command::State(command) => state::run(&command, bots),
        Command::Config(command) => config::run(&command),
        Command::Man(args) => man::run(&args),
        Command::Completions(args) => completions::run(&args),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_set_keys() {
        let cli = Cli::parse_from(["matterhost", "run", "--log-format", "json", "--log-level", "warn"]);
        let Command::Run(args) = cli.command else { panic!("not run") };
        let expected =
            [("log.level", "warn".into(), "--log-level"), ("log.format", "json".into(), "--log-format")];
        assert_eq!(args.overrides(), expected);
    }
}
