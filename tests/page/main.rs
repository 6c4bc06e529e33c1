//! The web page in a real browser: the program itself with its admin API, the simulator, and Chromium by `WebDriver`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]
#![expect(clippy::print_stdout, reason = "a failed test prints the log of the program")]

mod access;
mod accessibility;
mod browser;
mod browser_pool;
mod changes;
mod chrome_commands;
mod driver;
mod failing_accounts;
#[path = "../service/free_port.rs"]
mod free_port;
mod harness;
mod many_accounts;
#[path = "../service/program.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod program;
mod scripts;
mod sinks;
