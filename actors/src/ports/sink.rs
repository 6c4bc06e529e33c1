//! The destination of events.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;

use super::EventStorage;
use crate::model::Event;

/// The longest delay before an event is delivered again; a sink that wants it later is asked more often. People who mend
/// a handler do not know which delay it asked for.
pub const LONGEST_RETRY: Duration = Duration::from_secs(300);

/// The result of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The sink has accepted the event; it is never delivered again.
    Acknowledged,
    /// The sink accepts no event now, as far as is known: this one is delivered again after the delay.
    Retry {
        /// The delay.
        after: Duration,
        /// The reason.
        cause: String,
    },
    /// The sink does not accept this event now, but it accepts those of other channels: the event holds its channel for
    /// the delay.
    Hold {
        /// The delay.
        after: Duration,
        /// The reason.
        cause: String,
    },
    /// The sink refuses the event for good: it counts as acknowledged, and the rejection is reported.
    Rejected {
        /// The reason.
        cause: String,
    },
    /// The sink itself is broken: the account restarts, which is charged, and delivers the event again.
    Broken {
        /// The reason.
        cause: String,
    },
}

/// The result of a delivery, available now or later.
pub enum Delivered {
    /// The result.
    Now(Outcome),
    /// The future of the result.
    Later(BoxFuture<'static, Outcome>),
}

/// A receiver of the accounts' events.
///
/// An implementation never blocks the calling thread. A later result arrives in bounded time, or its future is
/// dropped. Within a channel of an account, events are delivered one at a time and in order, each after the result
/// of the one before; events of different channels and accounts are delivered concurrently.
pub trait EventSink: Send + Sync + 'static {
    /// Delivers an event.
    fn deliver(&self, event: &Arc<Event>) -> Delivered;

    /// Delivers an event to a sink whose handlers keep values, with the storage of its channel.
    fn deliver_with(&self, event: &Arc<Event>, storage: &EventStorage) -> Delivered {
        let _ = storage;
        self.deliver(event)
    }

    /// Returns the names of the sinks that the events go to, for people; empty if they have none.
    fn names(&self) -> Arc<[Arc<str>]> {
        Arc::default()
    }
}

impl fmt::Debug for Delivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now(outcome) => f.debug_tuple("Now").field(outcome).finish(),
            Self::Later(_) => f.write_str("Later"),
        }
    }
}
