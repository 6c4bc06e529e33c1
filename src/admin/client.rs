//! The client of a running host's admin API, used by the commands.

mod account_commands;
mod args;
mod cluster_text;
mod endpoint;
mod error;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod http_client;
mod owner;
mod sink_text;
mod sinks;
mod sse;
mod status;
mod table;
mod tail;
mod text;
mod unknown_account;
mod watch;

pub use account_commands::{
    apply_action, health, log_level, preview_reload, reload, sign_in_link, take_action, upload_file,
};
pub use args::{ADMIN_VARIABLE, AdminArgs, TOKEN_VARIABLE};
pub use cluster_text::{cluster, drain, rebalance};
pub use endpoint::Endpoint;
pub use error::RemoteError;
pub use http_client::Client;
pub use sinks::{SinkQuery, act_on_sink, retry_letters, sinks, sinks_with_letters, skip, watch_sinks};
pub use status::{StatusQuery, account, status, watch};
pub use tail::{TailOptions, tail};
pub(crate) use text::ago;
