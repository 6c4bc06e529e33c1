//! The command line.

use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;
use matterhost_actors::model::AccountName;

use crate::config::{ConfigError, LogFormat, Problem};

/// Where the configuration is looked for when nothing names it.
pub const DEFAULT_FILE: &str = "matterhost.toml";

/// The variable that names the configuration when no flag does.
pub const CONFIG_VARIABLE: &str = "MATTERHOST_CONFIG";

const EXAMPLES: &str = "\
Examples:
  matterhost demo                               see it work on a simulated server
  matterhost config example > matterhost.toml   begin with a commented configuration
  matterhost check                              ask every server and token whether they work
  matterhost run                                host the accounts; events come as lines of JSON
  matterhost run | jq .data.post.message        read along";

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

/// What handlers refused for good.
#[derive(Debug, Subcommand)]
pub enum DeadLetterCommand {
    /// Show the events that handlers refused for good, with the causes, oldest first
    #[command(
        after_help = "Example:\n  matterhost dead-letter list --sink hook --json | jq .event.data.post.message"
    )]
    List(DeadLetterListArgs),
    /// Send them to their sinks once more, in order; what is refused again is kept
    ///
    /// May be done while the host runs. Ends with 1 when some are left. Of a try that was killed on the way some
    /// events come twice.
    #[command(after_help = "Example:\n  matterhost dead-letter retry --sink hook")]
    Retry(DeadLetterArgs),
}

/// Which dead letters.
#[derive(Debug, Args)]
pub struct DeadLetterArgs {
    /// The configuration.
    #[command(flatten)]
    pub file: FileArg,
    /// Only those of this sink
    #[arg(long, value_name = "NAME")]
    pub sink: Option<String>,
}

/// What `dead-letter list` takes.
#[derive(Debug, Args)]
pub struct DeadLetterListArgs {
    /// Which.
    #[command(flatten)]
    pub which: DeadLetterArgs,
    /// Print each as a line of JSON, with the whole event, instead of a table
    #[arg(long)]
    pub json: bool,
}

/// What is kept between runs.
#[derive(Debug, Subcommand)]
pub enum StateCommand {
    /// List the accounts of which something is kept
    ///
    /// Changes nothing, and needs that no matterhost is running from the same directory.
    #[command(after_help = "Example:\n  matterhost state list --json | jq .[].account")]
    List {
        /// Where it is kept.
        #[command(flatten)]
        place: StateArgs,
        /// Print one JSON array instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Forget an account: at the next start it begins anew, at now
    ///
    /// Needs that no matterhost is running from the same directory.
    #[command(after_help = "Example:\n  matterhost state forget helpdesk --config bots.toml")]
    Forget {
        /// The account's name
        #[arg(value_parser = AccountName::new)]
        account: AccountName,
        /// Where it is kept.
        #[command(flatten)]
        place: StateArgs,
    },
}

/// Where what is kept between runs is found.
#[derive(Debug, Args)]
pub struct StateArgs {
    /// The configuration.
    #[command(flatten)]
    pub file: FileArg,
    /// The directory, instead of the one that the configuration names
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
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
    /// The configuration.
    #[command(flatten)]
    pub file: FileArg,
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}

/// What `demo` takes.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Ends after so many seconds with a summary [default: at Ctrl-C]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub seconds: Option<u64>,
}

/// Where the configuration is.
#[derive(Debug, Args)]
pub struct FileArg {
    /// The configuration: TOML, YAML or JSON [default: matterhost.toml in this directory]
    #[arg(long, short, value_name = "FILE", env = CONFIG_VARIABLE, hide_env_values = true)]
    pub config: Option<PathBuf>,
}

impl FileArg {
    /// The file that the flag names, else the variable, else the one that lies here.
    ///
    /// # Errors
    /// When nothing names one and none lies here.
    pub fn find(&self) -> Result<PathBuf, ConfigError> {
        let here = || Some(PathBuf::from(DEFAULT_FILE)).filter(|path| Path::exists(path));
        self.config.clone().or_else(here).ok_or_else(|| {
            let remedy = format!(
                "give --config FILE, set {CONFIG_VARIABLE}, or begin with \
                 `matterhost config example > {DEFAULT_FILE}`"
            );
            let problem = Problem::new("", format!("there is no {DEFAULT_FILE} in this directory"), remedy);
            ConfigError { file: None, problems: vec![problem] }
        })
    }
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
