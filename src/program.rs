//! The entry point of the program, also for programs with bots of their own.

use std::process::ExitCode;

use clap::Parser as _;
use matterhost_actors::bots::Bot;

use crate::{
    cli::{self, Cli},
    config::Bots,
};

/// The whole program `matterhost`, with bots in Rust built in.
///
/// It has all that the program has: the configuration and its reload, the state, hooks for slash commands, buttons and dialogs, the
/// admin API with its page, metrics, clusters and commands. Accounts whose sink names a bot deliver to it:
///
/// ```no_run
/// use std::process::ExitCode;
///
/// use matterhost::Program;
/// use matterhost_actors::bots::{Bot, BotResult, Context, Post};
///
/// struct Echo;
///
/// impl Bot for Echo {
///     async fn posted(&self, context: &Context, post: &Post) -> BotResult {
///         context.reply_in_thread(format!("You said: {}", post.message)).await?;
///         Ok(())
///     }
/// }
///
/// fn main() -> ExitCode {
///     Program::new().bot("echo", || Echo).run()
/// }
/// ```
///
/// ```toml
/// [servers.main]
/// url = "https://chat.example.com"
///
/// [accounts.helpdesk]
/// token_file = "helpdesk.token"
///
/// [sinks.echo]
/// type = "bot"
/// ```
#[derive(Debug, Default)]
#[must_use]
pub struct Program {
    bots: Bots,
}

impl Program {
    /// Returns the program without bots of its own.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a bot under a name, which a sink with `type = "bot"` has, or names in its key `bot`.
    ///
    /// `make` is called for each account that delivers to such a sink, and once more to look for mistakes in the bot. For one bot that
    /// several accounts share, return a clone of its `Arc`.
    pub fn bot<B: Bot>(self, name: &str, make: impl Fn() -> B + Send + Sync + 'static) -> Self {
        Self { bots: self.bots.with(name, make) }
    }

    /// Carries out the command in the arguments of the process, such as `run`, and returns the exit status. Call it in `main`, before
    /// there are other threads: commands that start a host make threads and signal handlers of their own.
    pub fn run(self) -> ExitCode {
        cli::run(Cli::parse(), &self.bots).into()
    }
}
