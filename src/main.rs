//! The program; all of it is in the library.

use std::process::ExitCode;

use clap::Parser as _;
use matterhost::{app, cli::Cli};

fn main() -> ExitCode {
    app::run(Cli::parse()).into()
}
