//! The program; all of it is in the library.

use std::process::ExitCode;

use clap::Parser as _;
use matterhost::cli::{Cli, dispatch};

fn main() -> ExitCode {
    dispatch::run(Cli::parse()).into()
}
