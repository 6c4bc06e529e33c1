//! The way in: open, or refusing connections while the port stays ours.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::SimulatorError;
use crate::server::listener::{self, Port};
use crate::state::Shared;

/// How long closing may take.
const CLOSE_WAIT: Duration = Duration::from_secs(5);

/// The port with its listener, if one is open.
pub(crate) struct Endpoint {
    pub(crate) port: Port,
    tls: Option<TlsAcceptor>,
    pub(crate) shared: Arc<Shared>,
    listening: Mutex<Option<JoinHandle<()>>>,
}

impl Endpoint {
    pub(crate) fn new(port: Port, tls: Option<TlsAcceptor>, shared: Arc<Shared>) -> Arc<Self> {
        Arc::new(Self { port, tls, shared, listening: Mutex::new(None) })
    }

    fn listening(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.listening.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_open(&self) -> bool {
        self.listening().is_some()
    }

    /// Listens, if nothing listens yet.
    pub(crate) fn open(&self) -> Result<(), SimulatorError> {
        let mut listening = self.listening();
        if listening.is_none() {
            let _runtime = self.shared.runtime.enter();
            let listener = self.port.listen().map_err(SimulatorError::Listen)?;
            *listening = Some(listener::accept(listener, &self.shared, self.tls.clone()));
        }
        Ok(())
    }

    /// Closes the listening socket and waits until it is closed.
    pub(crate) fn close(&self) {
        let Some(task) = self.listening().take() else {
            return;
        };
        let (closed, wait) = mpsc::channel();
        task.abort();
        self.shared.runtime.spawn(async move {
            // The task's end, aborted or not, is the listener's.
            let _ = task.await;
            let _ = closed.send(());
        });
        let _ = wait.recv_timeout(CLOSE_WAIT);
    }
}
