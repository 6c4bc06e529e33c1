//! Printing for all commands, and calling a running host.

use std::{
    fmt,
    io::{self, Write as _},
};

use actix::System;
use matterhost_actors::model::printable;

use crate::{
    admin::client::{AdminArgs, Client, Endpoint, RemoteError},
    config::ConfigError,
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
    let result = Endpoint::resolve(admin)
        .and_then(|endpoint| System::new().block_on(async { request(Client::new(endpoint)).await }));
    result.unwrap_or_else(|error| print_remote_error(&error))
}

fn print_remote_error(error: &RemoteError) -> Exit {
    if let RemoteError::Output(error) = error
        && error.kind() == io::ErrorKind::BrokenPipe
    {
        return Exit::Success;
    }
    print_error(error);
    match error {
        RemoteError::Config(_) => Exit::Config,
        RemoteError::Refused { problem } if !problem.problems.is_empty() => Exit::Config,
        _ => Exit::Failed,
    }
}
