//! A simulator as a process of its own, for measurements.

use std::env::args_os;
use std::process::ExitCode;

fn main() -> ExitCode {
    matterhost_simulator::serve(args_os())
}
