//! A running host, seen and steered from the command line: the client of its admin API.

mod act;
mod client;
mod error;
mod host;
mod place;
mod sse;
mod status;
mod table;
mod tail;
mod unix;
mod words;

pub use act::act;
pub use client::Client;
pub use error::RemoteError;
pub use host::{difference, health, log_level, reload};
pub use place::Place;
pub use status::{Choice, status, watch};
pub use tail::{Tail, tail};
