//! The admin API: how a running host is seen and steered. On threads of its own, so that it answers when the hosts are
//! busy.

mod account_feed;
mod accounts;
mod api_error;
mod authenticator;
mod backend;
mod body;
mod event_log;
mod files;
mod health;
mod host;
mod listener;
mod middleware;
mod openapi;
mod routes;
mod servers;
mod sse;

use std::{fs, io, path::PathBuf, sync::mpsc, thread, time::Duration};

use actix_web::dev::ServerHandle;

pub use backend::{Backend, Operations, ReloadRefused};
pub use listener::{ListenError, Listener};
pub use openapi::document as openapi;

/// How long an open request may take when the host ends.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// The admin API at work.
#[derive(Debug)]
pub struct AdminServer {
    server: ServerHandle,
    thread: thread::JoinHandle<()>,
    socket: Option<PathBuf>,
}

impl AdminServer {
    /// Starts its threads. From then on it answers.
    ///
    /// # Errors
    /// When there is no thread for it, or the listener cannot be used.
    pub fn start(listener: Listener, backend: Backend) -> io::Result<Self> {
        let socket = listener.socket_path();
        let (told, tell) = mpsc::channel();
        let thread = thread::Builder::new().name("admin".into()).spawn(move || {
            let runner = actix_rt::System::new();
            runner.block_on(async move {
                match routes::server(listener, backend) {
                    Ok(server) => {
                        // Whoever waits for it is there: it waits below.
                        let _ = told.send(Ok(server.handle()));
                        if let Err(error) = server.await {
                            tracing::error!(%error, "the admin API has ended");
                        }
                    }
                    Err(error) => drop(told.send(Err(error))),
                }
            });
        })?;
        let server = tell.recv().unwrap_or_else(|_| Err(io::Error::other("its thread has died")))?;
        Ok(Self { server, thread, socket })
    }

    /// Ends it. Open connections are closed.
    pub async fn stop(self) {
        // Before the door is shut: afterwards it could be another run's.
        if let Some(Err(error)) = self.socket.as_deref().map(fs::remove_file) {
            tracing::debug!(%error, "the socket of the admin API cannot be removed");
        }
        if tokio::time::timeout(CLOSE_WITHIN, self.server.stop(false)).await.is_err()
            || !self.thread.is_finished()
        {
            // The process ends in a moment, and its threads with it.
            tracing::debug!("the admin API is still closing");
        }
    }
}
