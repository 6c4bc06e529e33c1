//! The handle: starting, stopping, listening again.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::SimulatorError;
use crate::counters::Counters;
use crate::options::{Options, SimulatorBuilder};
use crate::server::endpoint::Endpoint;
use crate::server::listener::Port;
use crate::server::tls;
use crate::state::Shared;

/// How long a call waits for sockets that it ended to be gone.
const GONE_WAIT: Duration = Duration::from_secs(5);

/// A running server. Dropping it ends its sockets, its runtime and its thread.
///
/// Every call is synchronous, may come from any thread but the simulator's own, and has taken effect when
/// it returns.
pub struct Simulator {
    pub(crate) shared: Arc<Shared>,
    pub(crate) endpoint: Arc<Endpoint>,
    ca_pem: Option<String>,
    url: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Simulator {
    /// A server with the real one's sizes and times, on a free port of the loopback address.
    ///
    /// # Errors
    /// When no port or thread is to be had.
    pub fn start() -> Result<Self, SimulatorError> {
        Self::builder().start()
    }

    /// A server with options.
    pub fn builder() -> SimulatorBuilder {
        SimulatorBuilder::new()
    }

    pub(crate) fn launch(options: Options) -> Result<Self, SimulatorError> {
        let port = Port::reserve(options.bind, options.send_buffer).map_err(SimulatorError::Listen)?;
        let (ca_pem, tls) = match options.tls.then(|| tls::authority(port.address.ip())) {
            Some(made) => made.map(|(pem, tls)| (Some(pem), Some(tls)))?,
            None => (None, None),
        };
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}{}", port.address, options.sub_path);
        let (stop, thread, shared) = spawn(options).map_err(SimulatorError::Runtime)?;
        let simulator = Self {
            endpoint: Endpoint::new(port, tls, Arc::clone(&shared)),
            shared,
            ca_pem,
            url,
            stop: Some(stop),
            thread: Some(thread),
        };
        simulator.shared.change(|state| {
            state.site_url.clone_from(&simulator.url);
            let admin = state.world.admin_id.clone();
            state.create_token(&admin, "admin")
        });
        simulator.endpoint.open()?;
        Ok(simulator)
    }

    /// Where clients connect: scheme, address and sub-path, without a trailing slash.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.endpoint.port.address
    }

    /// The certificate authority to trust, when the server speaks TLS.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// Drops every socket without a close frame, forgets all connections and refuses new ones, as a
    /// server that stops does (fact 16). The world stays.
    pub fn stop_server(&self) {
        self.endpoint.close();
        self.shared.change(|state| {
            state.tcp.values().for_each(|tcp| tcp.control.drop_connection());
            state.hub.clear();
        });
        self.shared.wait_until(GONE_WAIT, |state| state.tcp.is_empty());
    }

    /// Listens again on the same port. Does nothing when it listens already.
    ///
    /// # Errors
    /// When the port cannot be listened on.
    pub fn start_server(&self) -> Result<(), SimulatorError> {
        self.endpoint.open()
    }

    /// Returns true while connections are accepted.
    pub fn is_listening(&self) -> bool {
        self.endpoint.is_open()
    }

    /// Returns the counters of the server.
    pub fn counters(&self) -> Counters {
        self.shared.lock().counters.clone()
    }

    /// Blocks until the counters fulfil a condition, or the time is over; tells which.
    pub fn wait_for(&self, mut holds: impl FnMut(&Counters) -> bool, timeout: Duration) -> bool {
        self.shared.wait_until(timeout, |state| holds(&state.counters))
    }

    /// Waits until connections that were ended are gone.
    pub(crate) fn wait_gone(&self, keys: &[u64]) {
        self.shared.wait_until(GONE_WAIT, |state| keys.iter().all(|key| !state.tcp.contains_key(key)));
    }
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It ends at once; if it panicked there is nothing left to end.
            let _ = thread.join();
        }
    }
}

type Spawned = (oneshot::Sender<()>, JoinHandle<()>, Arc<Shared>);

fn spawn(options: Options) -> io::Result<Spawned> {
    let runtime = runtime(options.worker_threads)?;
    let shared = Shared::new(options, runtime.handle().clone());
    let (stop, stopped) = oneshot::channel::<()>();
    let thread = thread::Builder::new().name("simulator".to_owned()).spawn(move || {
        let _ = runtime.block_on(stopped);
        // Tasks hold the shared state, and the state's handle does not keep the runtime: it ends here.
        runtime.shutdown_timeout(GONE_WAIT);
    })?;
    Ok((stop, thread, shared))
}

fn runtime(worker_threads: usize) -> io::Result<Runtime> {
    let mut builder = if worker_threads > 1 {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(worker_threads);
        builder
    } else {
        Builder::new_current_thread()
    };
    builder.enable_all().build()
}
