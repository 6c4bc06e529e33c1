//! The `matterhost` program. Everything is in the library.

use std::process::ExitCode;

use clap::Parser as _;
use matterhost::cli::{self, Cli};

fn main() -> ExitCode {
    cli::run(Cli::parse()).into()
}
