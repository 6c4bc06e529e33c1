//! Where events go.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;

use crate::model::Event;

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The sink has it; it is never handed over again.
    Acknowledged,
    /// Not now: hand it over again after the delay.
    Retry {
        /// The delay.
        after: Duration,
        /// Why.
        cause: String,
    },
    /// Never: it counts as acknowledged, and is told.
    Rejected {
        /// Why.
        cause: String,
    },
    /// The sink itself is broken: a fault of the account, which restarts; the event is handed over again then.
    Broken {
        /// Why.
        cause: String,
    },
}

/// An answer that is there at once, or comes later.
pub enum Delivered {
    /// It is there.
    Now(Outcome),
    /// It comes.
    Later(BoxFuture<'static, Outcome>),
}

/// Takes the events of accounts.
///
/// What it promises: it never blocks the calling thread; what it answers later, it answers in bounded time or is
/// dropped. What it is promised: of one account's channel one event at a time, in order, the next only after the
/// answer to the last; of different channels and accounts many at once.
pub trait EventSink: Send + Sync + 'static {
    /// Hands an event over.
    fn deliver(&self, event: &Arc<Event>) -> Delivered;
}

impl fmt::Debug for Delivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now(outcome) => f.debug_tuple("Now").field(outcome).finish(),
            Self::Later(_) => f.write_str("Later"),
        }
    }
}
