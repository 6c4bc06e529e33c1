//! The admin API: its data types, the server, the client behind the commands, and the web page.

pub mod client;
pub mod dto;
pub mod server;
pub mod ui;
