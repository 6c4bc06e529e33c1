//! The client of a running host's admin API, used by the commands.

mod actions;
mod args;
mod endpoint;
mod error;
mod http_client;
mod sse;
mod status;
mod table;
mod tail;
mod text;

pub use actions::{apply_action, health, log_level, preview_reload, reload, sign_in_link};
pub use args::{ADMIN_VARIABLE, AdminArgs, TOKEN_VARIABLE};
pub use endpoint::Endpoint;
pub use error::RemoteError;
pub use http_client::Client;
pub use status::{StatusQuery, status, watch};
pub use tail::{TailOptions, tail};
