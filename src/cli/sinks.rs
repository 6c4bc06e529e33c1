//! `matterhost sinks` and `matterhost sink`.

use clap::{Args, Subcommand};
use matterhost_actors::model::AccountName;

use super::output::{call_host, print};
use crate::{
    admin::{
        client::{self, AdminArgs, SinkQuery},
        dto::{SinkAction, SkipRequest},
    },
    host::Exit,
};

#[derive(Debug, Args)]
pub(super) struct SinksArgs {
    /// Show every detail of this sink instead of a table of all sinks
    #[arg(value_name = "NAME")]
    sink: Option<String>,
    #[command(flatten)]
    admin: AdminArgs,
    /// Refresh the output every second, until Ctrl-C
    #[arg(long, short)]
    watch: bool,
    /// Print JSON instead of a table; with --watch, one line per refresh
    #[arg(long)]
    json: bool,
}

/// Restart a sink, make it try at once what waits, or take an event away from it
#[derive(Debug, Subcommand)]
pub(super) enum SinkCommand {
    /// End the child process of a sink and start it again at once, with its whole restart budget
    ///
    /// A webhook or a file has no process: its pauses end, and what waits is tried at once. No event is lost.
    #[command(after_help = "Example:\n  matterhost sink restart child")]
    Restart(NamedSink),
    /// End the pauses of a sink, start its child process if none runs, and try at once what waits
    #[command(after_help = "Example:\n  matterhost sink retry-now hook")]
    RetryNow(NamedSink),
    /// Take the first event of a channel away from a sink, so that the channel continues; it becomes a dead letter
    ///
    /// `matterhost sinks NAME` shows which events wait.
    #[command(
        after_help = "Example:\n  matterhost sink skip hook --account helpdesk --channel 4yk9g7h3ftdtzppyq4qb8j9fth"
    )]
    Skip(SkipArgs),
}

#[derive(Debug, Args)]
pub(super) struct NamedSink {
    /// The sink
    #[arg(value_name = "NAME")]
    sink: String,
    #[command(flatten)]
    admin: AdminArgs,
}

#[derive(Debug, Args)]
pub(super) struct SkipArgs {
    #[command(flatten)]
    named: NamedSink,
    /// The account
    #[arg(long, value_name = "NAME", value_parser = AccountName::new)]
    account: AccountName,
    /// The id of the channel
    #[arg(long, value_name = "ID")]
    channel: String,
    /// Skip nothing if another event is the first by now
    #[arg(long, value_name = "ID")]
    event: Option<String>,
}

pub(super) fn run(args: SinksArgs) -> Exit {
    let SinksArgs { sink, admin, watch, json } = args;
    let query = SinkQuery { sink, json };
    call_host(&admin, async |client| {
        if watch {
            return client::watch_sinks(&client, &query).await.map(|()| Exit::Success);
        }
        Ok(print(client::sinks(&client, &query).await?.as_bytes()))
    })
}

pub(super) fn act(command: SinkCommand) -> Exit {
    let (named, action) = match command {
        SinkCommand::Restart(named) => (named, SinkAction::Restart),
        SinkCommand::RetryNow(named) => (named, SinkAction::RetryNow),
        SinkCommand::Skip(args) => return skip(args),
    };
    call_host(&named.admin, async |client| {
        Ok(print(client::act_on_sink(&client, &named.sink, action).await?.as_bytes()))
    })
}

fn skip(args: SkipArgs) -> Exit {
    let SkipArgs { named, account, channel, event } = args;
    let request = SkipRequest { account: account.to_string(), channel, event };
    call_host(&named.admin, async |client| {
        Ok(print(client::skip(&client, &named.sink, &request).await?.as_bytes()))
    })
}
