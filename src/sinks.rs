//! Sinks, the destinations of events: implementations of [`matterhost_actors::ports::EventSink`].

mod action_order;
mod best_effort;
mod board;
pub mod cloud_event;
pub mod dead_letter;
mod event_data;
mod exec;
mod failing_events;
mod fan_out;
mod filter;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod handler;
mod hook_events;
mod hook_places;
mod hosted_bots;
mod late_update;
mod letter_target;
pub mod lines;
mod message;
mod metered;
pub mod monitor;
mod nats;
mod queue;
mod registry;
pub mod reply;
mod running_sink;
mod shared_slots;
mod start_gate;
mod typing;
mod watched;
mod webhook;
mod worker;

#[cfg(test)]
mod tests;

pub use board::{SinkBoard, SinkHandle};
pub use hook_events::{AskedSink, HOOK_EVENTS, SinkAnswer};
pub use registry::{PreparedSinks, RemovedSinks, SinkError, SinkRegistry};

pub(crate) use nats::probe as probe_nats;

use handler::HandlerDeps;
