//! The commands that ask a running host.

use std::io::{self, Write as _};

use actix::System;

use super::dispatch::print;
use super::{ActionArgs, HealthArgs, LogsCommand, ReloadArgs, StatusArgs, TailArgs};
use crate::host::Exit;
use crate::{
    admin::{
        client::{self, AdminArgs, Client, Endpoint, RemoteError, StatusQuery, TailOptions},
        dto::Action,
    },
    config::ConfigDiff,
};

pub(super) fn status(args: StatusArgs) -> Exit {
    let StatusArgs { account, admin, watch, json, state, server } = args;
    let choice = StatusQuery { account, state, server, json };
    ask(&admin, async |client| {
        if watch {
            return client::watch(&client, &choice).await.map(|()| Exit::Success);
        }
        Ok(print(client::status(&client, &choice).await?.as_bytes()))
    })
}

pub(super) fn act(action: Action, args: &ActionArgs) -> Exit {
    ask(&args.admin, async |client| {
        let (done, failed) = client::apply_action(&client, action, &args.accounts).await;
        let exit = print(done.as_bytes());
        failed.map_or(Ok(exit), Err)
    })
}

pub(super) fn tail(args: TailArgs) -> Exit {
    let TailArgs { accounts, admin, server, fact, level, json } = args;
    let accounts = accounts.iter().map(ToString::to_string).collect();
    let what = TailOptions { accounts, server, fact, level, json };
    ask(&admin, async |client| client::tail(&client, &what).await.map(|()| Exit::Success))
}

pub(super) fn logs(command: LogsCommand) -> Exit {
    let LogsCommand::Level { level, admin } = command;
    ask(&admin, async |client| Ok(print(client::log_level(&client, level).await?.as_bytes())))
}

pub(super) fn reload(args: &ReloadArgs) -> Exit {
    ask(&args.admin, async |client| Ok(show(&client::reload(&client).await?, args.json)))
}

pub(super) fn preview_reload(admin: &AdminArgs, json: bool) -> Exit {
    ask(admin, async |client| Ok(show(&client::preview_reload(&client).await?, json)))
}

pub(super) fn health(args: &HealthArgs) -> Exit {
    ask(&args.admin, async |client| Ok(print(client::health(&client, args.ready).await?.as_bytes())))
}

fn show(difference: &ConfigDiff, json: bool) -> Exit {
    // Names and keys cannot fail to be written.
    let json = json.then(|| serde_json::to_string_pretty(difference).unwrap_or_default());
    print(format!("{}\n", json.unwrap_or_else(|| difference.to_string())).as_bytes())
}

/// Asks the host that the command line means, and says what went wrong.
fn ask(admin: &AdminArgs, question: impl AsyncFnOnce(Client) -> Result<Exit, RemoteError>) -> Exit {
    let asked = Endpoint::resolve(admin)
        .and_then(|endpoint| System::new().block_on(async { question(Client::new(endpoint)).await }));
    asked.unwrap_or_else(|error| refuse(&error))
}

fn refuse(error: &RemoteError) -> Exit {
    if let RemoteError::Output(error) = error
        && error.kind() == io::ErrorKind::BrokenPipe
    {
        // Whoever reads has heard enough.
        return Exit::Success;
    }
    // When even standard error is closed, the exit code still tells.
    let _ = writeln!(io::stderr().lock(), "matterhost: {error}");
    match error {
        RemoteError::Config(_) => Exit::Config,
        RemoteError::Refused { problem } if !problem.problems.is_empty() => Exit::Config,
        _ => Exit::Failed,
    }
}
