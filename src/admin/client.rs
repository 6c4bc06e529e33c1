//! A running host, seen and steered from the command line: the client of its admin API.

mod actions;
mod args;
mod endpoint;
mod error;
mod format;
mod http_client;
mod process;
mod sse;
mod status;
mod table;
mod tail;
mod unix;

pub use actions::apply_action;
pub use args::{ADMIN_VARIABLE, AdminArgs, TOKEN_VARIABLE};
pub use endpoint::Endpoint;
pub use error::RemoteError;
pub use http_client::Client;
pub use process::{health, log_level, preview_reload, reload};
pub use status::{StatusQuery, status, watch};
pub use tail::{TailOptions, tail};
