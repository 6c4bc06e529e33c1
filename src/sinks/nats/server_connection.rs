//! The connection of a sink: opened, watched, and opened again.

use std::{cell::RefCell, sync::atomic::Ordering, time::Duration};

use async_nats::{Client, connection::State, jetstream::Context};
use matterhost_actors::policy::{Backoff, Delays};
use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout},
};

use super::event_stream;
use crate::{config::NatsConfig, nats, nats::NatsError};

/// The delays between attempts to connect and to open the stream: a server is back within seconds.
const RECONNECT: Delays =
    Delays { min: Duration::from_millis(250), max: Duration::from_secs(5), random_factor: 0.2 };
/// The interval at which the connection is looked at: events in flight wait for it.
const LOOK: Duration = Duration::from_millis(200);

/// The connection of a sink.
pub(super) struct ServerConnection {
    config: NatsConfig,
    /// The name that the server shows.
    name: String,
    state: RefCell<ConnectionState>,
    /// Counts the losses of the connection.
    losses: watch::Sender<u64>,
    /// Notified when the stream is to be opened again.
    reopen: Notify,
}

/// The state of a connection.
#[derive(Clone)]
pub(super) enum ConnectionState {
    /// The first attempt has no result yet.
    Beginning,
    /// The stream is open.
    Open(Context),
    /// The stream cannot be used, for this reason.
    Failed(String),
}

impl ServerConnection {
    pub(super) fn new(config: NatsConfig, sink: &str) -> Self {
        Self {
            config,
            name: format!("matterhost sink {sink}"),
            state: RefCell::new(ConnectionState::Beginning),
            losses: watch::Sender::new(0),
            reopen: Notify::new(),
        }
    }

    /// Returns the state.
    pub(super) fn state(&self) -> ConnectionState {
        let state = self.state.borrow().clone();
        match state {
            ConnectionState::Open(context) if context.client().connection_state() != State::Connected => {
                ConnectionState::Failed("the connection to NATS is lost".into())
            }
            state => state,
        }
    }

    /// Returns a receiver of the losses from now on. What was sent before is not answered any more.
    pub(super) fn losses(&self) -> watch::Receiver<u64> {
        self.losses.subscribe()
    }

    /// Opens the stream again, which may be gone.
    pub(super) fn reopen(&self) {
        self.reopen.notify_one();
    }

    /// Keeps the stream open for ever. `report` gets each change: the error, if the stream cannot be used.
    pub(super) async fn keep(&self, report: impl Fn(Option<&NatsError>)) {
        let (mut backoff, mut client) = (Backoff::new(RECONNECT), None);
        loop {
            match self.open(&mut client).await {
                Ok((opened, context)) => {
                    *self.state.borrow_mut() = ConnectionState::Open(context);
                    backoff.reset();
                    report(None);
                    self.watch(&opened, || report(None)).await;
                }
                Err(error) => {
                    *self.state.borrow_mut() = ConnectionState::Failed(error.to_string());
                    report(Some(&error));
                    sleep(backoff.next_delay()).await;
                }
            }
        }
    }

    /// Opens the stream, by the connection that there is or a new one.
    async fn open(&self, client: &mut Option<Client>) -> Result<(Client, Context), NatsError> {
        let client = match client {
            Some(client) => client,
            none => none.insert(nats::connect(&self.config.access, &self.name, None).await?),
        };
        let context = event_stream::context(&self.config, client.clone());
        event_stream::open(&context, &self.config).await?;
        Ok((client.clone(), context))
    }

    /// Counts losses until the stream is to be opened again, and calls `changed` for each.
    async fn watch(&self, client: &Client, changed: impl Fn()) {
        let statistics = client.statistics();
        let look =
            || (client.connection_state() == State::Connected, statistics.connects.load(Ordering::Relaxed));
        let mut before = look();
        while timeout(LOOK, self.reopen.notified()).await.is_err() {
            let now = look();
            if now != before {
                self.losses.send_modify(|losses| *losses += 1);
                changed();
            }
            before = now;
        }
    }
}
