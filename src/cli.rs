//! The command line.
pub mod check;
pub(crate) mod dead_letter_run;
pub mod demo;
pub mod dispatch;
pub(crate) mod remote_run;
pub(crate) mod state_run;
pub mod state_table;

mod dead_letter;
mod remote;
mod state;

use clap::{Args, CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;

pub use dead_letter::{DeadLetterArgs, DeadLetterCommand, DeadLetterListArgs};
pub use remote::{ActionArgs, HealthArgs, LogsCommand, ReloadArgs, StatusArgs, TailArgs};
pub use state::{StateArgs, StateCommand};

use crate::{
    admin::client::AdminArgs,
    config::{FileArg, LogFormat},
};

const EXAMPLES: &str = "\
Examples:
  matterhost demo                               see it work on a simulated server
  matterhost config example > matterhost.toml   begin with a commented configuration
  matterhost check                              ask every server and token whether they work
  matterhost run                                host the accounts; events come as lines of JSON
  matterhost run | jq .data.post.message        read along
  matterhost status --watch                     see how the accounts of a running host are";

/// Hosts Mattermost bot accounts: no bot goes deaf, and one broken account never touches another.
#[derive(Debug, Parser)]
#[command(name = "matterhost", version, after_help = EXAMPLES, max_term_width = 100)]
#[command(arg_required_else_help = true, subcommand_required = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What there is to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Host the accounts: each event goes to its sinks, or to standard output as a line of CloudEvents JSON
    ///
    /// Logs go to standard error. SIGTERM or SIGINT hands over what was heard and ends; a second one ends at once.
    #[command(after_help = "Example:\n  matterhost run --config bots.toml --log-format json >> events.jsonl")]
    Run(RunArgs),
    /// Read the configuration, then ask every server and every token, and show the answers
    ///
    /// Ends with 1 when something does not work, with a remedy for each; with 78 when the configuration itself
    /// cannot be used.
    #[command(after_help = "Example:\n  matterhost check --config bots.toml --json | jq .ok")]
    Check(CheckArgs),
    /// Show the accounts of a running host: which are ill, and why
    #[command(after_help = "Examples:\n  matterhost status --watch\n  matterhost status helpdesk\n  \
                            matterhost status --json | jq -r '.accounts[] | select(.state != \"ready\").name'")]
    Status(StatusArgs),
    /// End the connections of accounts and start the next at once; start those that are stopped
    #[command(after_help = "Example:\n  matterhost restart helpdesk")]
    Restart(ActionArgs),
    /// Stop accounts until they are started again
    #[command(after_help = "Example:\n  matterhost stop helpdesk")]
    Stop(ActionArgs),
    /// Start accounts that are stopped, tripped, or waiting
    #[command(after_help = "Example:\n  matterhost start helpdesk")]
    Start(ActionArgs),
    /// Give accounts their whole restart budget back; start those that were tripped
    #[command(after_help = "Example:\n  matterhost reset helpdesk")]
    Reset(ActionArgs),
    /// Compare what the server has with what was received, now
    #[command(after_help = "Example:\n  matterhost audit helpdesk && matterhost tail helpdesk --level debug")]
    Audit(ActionArgs),
    /// Follow what happens to the accounts of a running host
    #[command(after_help = "Example:\n  matterhost tail helpdesk --level debug")]
    Tail(TailArgs),
    /// What a running host logs
    #[command(subcommand)]
    Logs(LogsCommand),
    /// Have a running host read its configuration again, and show what was changed
    ///
    /// Where something is wrong with it, nothing is changed, and all of it is told. `check --diff` says beforehand
    /// what it would do. SIGHUP does the same.
    #[command(after_help = "Example:\n  matterhost check --diff && matterhost reload")]
    Reload(ReloadArgs),
    /// Ask whether a running host is well: for probes
    ///
    /// Ends with 0 when it is, with 1 when not.
    #[command(after_help = "Example:\n  matterhost health --ready")]
    Health(HealthArgs),
    /// What handlers refused for good
    #[command(subcommand)]
    DeadLetter(DeadLetterCommand),
    /// Watch three bots on a built-in simulated server that disables them, resets them and restarts
    ///
    /// Needs nothing but this program. Ends with 1 when a bot did not hear every post once.
    #[command(after_help = "Example:\n  matterhost demo --seconds 30")]
    Demo(DemoArgs),
    /// See and mend what is kept between runs
    #[command(subcommand)]
    State(StateCommand),
    /// Help with the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print completions for a shell
    #[command(after_help = "Example:\n  matterhost completions bash > /etc/bash_completion.d/matterhost")]
    Completions {
        /// The shell to complete in
        shell: Shell,
    },
}

/// Help with the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print a commented configuration to begin with
    #[command(after_help = "Example:\n  matterhost config example > matterhost.toml")]
    Example,
}

/// What `run` takes.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The configuration.
    #[command(flatten)]
    pub file: FileArg,
    /// How a line of the log looks [default: pretty]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
    /// What is logged: a level, or modules with levels like matterhost=debug,info [default: info]
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
}

/// What `check` takes.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The configuration, and the host that runs by it.
    #[command(flatten)]
    pub admin: AdminArgs,
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub json: bool,
    /// Ask no server; have the running host say what a reload of its configuration would change
    #[arg(long)]
    pub diff: bool,
}

/// What `demo` takes.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Ends after so many seconds with a summary [default: at Ctrl-C]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub seconds: Option<u64>,
}

impl RunArgs {
    /// The keys that the flags set.
    pub fn overrides(&self) -> Vec<(&'static str, String, &'static str)> {
        let format = self.log_format.map(|format| match format {
            LogFormat::Pretty => "pretty".to_owned(),
            LogFormat::Json => "json".to_owned(),
        });
        let level = self.log_level.clone().map(|level| ("log.level", level, "--log-level"));
        level.into_iter().chain(format.map(|format| ("log.format", format, "--log-format"))).collect()
    }
}

/// The script that completes commands in a shell.
pub fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "matterhost", &mut script);
    script
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn each_shell_has_completions() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell, Shell::Elvish] {
            assert!(String::from_utf8(completions(shell)).unwrap().contains("matterhost"), "{shell}");
        }
    }
}
