//! The `matterhost` program. Everything is in the library.

use std::process::ExitCode;

use matterhost::program::Program;

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    Program::new().run()
}
