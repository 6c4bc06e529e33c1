//! The admin API of the program, over real sockets.

#![expect(clippy::print_stdout, reason = "a test tells the numbers that it saw")]

mod accounts;
mod acting;
mod callers;
mod description;
mod floods;
mod garbage;
mod host;
mod http;
mod meanwhile;
mod places;
mod process;
mod slow;
mod sse;
mod streams;
