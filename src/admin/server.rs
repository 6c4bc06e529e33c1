//! The server of the admin API. It has its own threads, so it responds while the hosts are busy.

mod access;
mod account_feed;
mod accounts;
mod api_error;
mod authenticator;
mod backend;
mod body;
mod bot_actions;
mod event_log;
mod health;
mod host;
mod late_answers;
mod listener;
mod middleware;
mod openapi;
mod routes;
mod scope;
mod sign_in;
mod sink_operations;
mod sinks;
mod sse;

use std::{io, sync::mpsc, thread, time::Duration};

use actix_web::dev::ServerHandle;

use self::listener::SocketFile;

pub use access::Access;
pub use backend::{Backend, Operations, ReloadRefused};
pub use listener::{ListenError, Listener};
pub use openapi::document as openapi;
pub use sink_operations::{SinkAnswer, SinkOperations, SinkRefused};

/// The time limit for stopping the server when the host ends.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// A running server of the admin API.
#[derive(Debug)]
pub struct AdminServer {
    server: ServerHandle,
    thread: thread::JoinHandle<()>,
    socket: Option<SocketFile>,
}

impl AdminServer {
    /// Starts the server on its own threads; it accepts requests once this returns.
    ///
    /// # Errors
    /// When the thread cannot be started, or the listener cannot be used.
    pub fn start(listener: Listener, backend: Backend) -> io::Result<Self> {
        let socket = listener.socket_file();
        let (sender, started) = mpsc::channel();
        let thread = thread::Builder::new().name("admin".into()).spawn(move || {
            let runner = actix_rt::System::new();
            runner.block_on(async move {
                match routes::server(listener, backend) {
                    Ok(server) => {
                        // The receiver below is still waiting.
                        let _ = sender.send(Ok(server.handle()));
                        if let Err(error) = server.await {
                            tracing::error!(%error, "the admin API has stopped");
                        }
                    }
                    Err(error) => drop(sender.send(Err(error))),
                }
            });
        })?;
        let server = started
            .recv()
            .unwrap_or_else(|_| Err(io::Error::other("the thread of the admin API has died")))?;
        Ok(Self { server, thread, socket })
    }

    /// Stops the server and closes its open connections, within this time.
    pub async fn stop(self, within: Duration) {
        // Removed before the server stops: afterwards it could be the socket of another run.
        if let Some(Err(error)) = self.socket.as_ref().map(SocketFile::remove) {
            tracing::debug!(%error, "cannot remove the socket of the admin API");
        }
        if tokio::time::timeout(within.min(STOP_TIMEOUT), self.server.stop(false)).await.is_err()
            || !self.thread.is_finished()
        {
            // The threads end with the process in a moment.
            tracing::debug!("the admin API is still closing");
        }
    }
}
