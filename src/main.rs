//! The `matterhost` program. Everything is in the library.

use std::process::ExitCode;

use matterhost::program::Program;

fn main() -> ExitCode {
    Program::new().run()
}
