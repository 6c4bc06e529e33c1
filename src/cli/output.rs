//! Printing for all commands, and calling a running host.

use std::{
    fmt,
    io::{self, Write as _},
};

use actix::System;
use matterhost_actors::model::printable;
use serde_json::json;

use crate::{
    admin::client::{AdminArgs, Client, Endpoint, RemoteError},
    config::{ConfigError, Problem},
    host::Exit,
};

/// Prints to standard output. A reader that has closed the pipe is not a failure.
pub(super) fn print(text: &[u8]) -> Exit {
    let mut out = io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Ok(()) => Exit::Success,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Success,
        Err(_) => Exit::Failed,
    }
}

/// Prints an error to standard error.
pub(super) fn print_error(error: impl fmt::Display) -> Exit {
    // If standard error is closed, the exit status still reports the failure.
    let _ = writeln!(io::stderr().lock(), "matterhost: {}", printable(&error.to_string()));
    Exit::Failed
}

/// Prints why the configuration is invalid.
pub(super) fn print_config_error(error: &ConfigError) -> Exit {
    print_error(error);
    Exit::Config
}

/// Sends `request` to the host that the arguments name, and prints the error if it fails.
pub(super) fn call_host(
    admin: &AdminArgs,
    request: impl AsyncFnOnce(Client) -> Result<Exit, RemoteError>,
) -> Exit {
    ask_host(admin, request).unwrap_or_else(|error| print_remote_error(&error))
}

/// Sends `request` to the host that the arguments name, and prints the error as JSON if it fails.
pub(super) fn call_host_for_json(
    admin: &AdminArgs,
    request: impl AsyncFnOnce(Client) -> Result<Exit, RemoteError>,
) -> Exit {
    ask_host(admin, request).unwrap_or_else(|error| {
        print(remote_error_json(&error).as_bytes());
        exit_of(&error)
    })
}

fn ask_host(
    admin: &AdminArgs,
    request: impl AsyncFnOnce(Client) -> Result<Exit, RemoteError>,
) -> Result<Exit, RemoteError> {
    let endpoint = Endpoint::resolve(admin)?;
    System::new().block_on(async { request(Client::new(endpoint)).await })
}

/// Formats an error as one JSON object: the error in words, and the problems of a refused configuration.
fn remote_error_json(error: &RemoteError) -> String {
    let problems = match error {
        RemoteError::Refused { problem } => json!(problem.problems),
        RemoteError::Config(invalid) => {
            let problem = |problem: &Problem| json!({ "key": problem.key, "problem": problem.message, "remedy": problem.remedy });
            invalid.problems.iter().map(problem).collect()
        }
        _ => json!([]),
    };
    let error = printable(&error.to_string());
    format!("{:#}\n", json!({ "ok": false, "error": error, "problems": problems }))
}

fn print_remote_error(error: &RemoteError) -> Exit {
    if let RemoteError::Output(error) = error
        && error.kind() == io::ErrorKind::BrokenPipe
    {
        return Exit::Success;
    }
    print_error(error);
    exit_of(error)
}

fn exit_of(error: &RemoteError) -> Exit {
    match error {
        RemoteError::Config(_) => Exit::Config,
        RemoteError::Refused { problem } if !problem.problems.is_empty() => Exit::Config,
        _ => Exit::Failed,
    }
}
