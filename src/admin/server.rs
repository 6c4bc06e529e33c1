//! The server of the admin API. It has its own threads, so it responds while the hosts are busy.

mod access;
mod account_feed;
mod account_shares;
mod accounts;
mod all_accounts;
mod api_error;
mod authenticator;
mod backend;
mod body;
mod bot_actions;
mod cluster_routes;
mod event_log;
mod file_routes;
mod health;
mod host;
mod hosted_accounts;
mod http_server;
mod late_answers;
mod listener;
mod lists_of_others;
mod middleware;
mod open_connections;
mod openapi;
mod routes;
mod scope;
mod sign_in;
mod sink_operations;
mod sinks;
mod sse;
mod upload_body;
mod upload_space;

use std::{io, time::Duration};

pub use access::Access;
pub use all_accounts::{OtherMembers, OwnedAccount, Owner};
pub use backend::{Backend, Operations, ReloadRefused};
pub use hosted_accounts::HostedAccounts;
pub use listener::{ListenError, Listener};
pub use openapi::document as openapi;
pub use sink_operations::{SinkAnswer, SinkOperations, SinkRefused};

pub(crate) use {
    account_shares::{AccountPlace, AccountShares},
    api_error::ApiError,
    backend::RateLimit,
    body::{hold_request, read as read_body},
    http_server::{RequestHandling, RunningServer, serve},
    middleware::{answer_anybody, refuse_further_request},
    open_connections::OpenConnections,
};

/// A running server of the admin API.
#[derive(Debug)]
pub struct AdminServer(RunningServer);

impl AdminServer {
    /// Starts the server on its own threads; it accepts requests once this returns.
    ///
    /// # Errors
    /// When the thread cannot be started, or the listener cannot be used.
    pub fn start(listener: Listener, backend: Backend) -> io::Result<Self> {
        RunningServer::start("admin", listener, |listener| routes::server(listener, backend)).map(Self)
    }

    /// Stops the server and closes its open connections, within this time.
    pub async fn stop(self, within: Duration) {
        self.0.stop(within).await;
    }
}
