//! The admin API: its data types, its server, the client used by the commands, and the web page.

pub mod client;
pub mod dto;
pub(crate) mod generated_token;
mod reply_key;
pub mod server;
pub mod ui;

pub use reply_key::reply_tokens;
