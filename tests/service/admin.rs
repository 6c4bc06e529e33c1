//! The admin API of the program, over real sockets.

#![expect(clippy::print_stdout, reason = "tests print their measurements")]

mod accounts;
mod actions;
mod authentication;
mod bot_actions;
mod closed;
mod endpoints;
mod files;
mod floods;
pub(crate) mod host;
pub(crate) mod http_client;
mod isolation;
mod malformed_requests;
mod openapi;
mod process;
mod put_accounts;
mod scopes;
mod slow_clients;
mod sse;
mod streams;
