//! The commands about dead letters.

use clap::{Args, Subcommand};

use crate::config::FileArg;

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
