//! Where events go: implementations of [`matterhost_actors::ports::EventSink`].

pub mod again;
pub mod answers;
mod best_effort;
mod build;
mod changing;
pub mod dead_letter;
mod exec;
mod fan_out;
mod file;
mod filter;
mod lines;
mod made;
mod message;
mod metered;
mod pause;
mod queue;
mod rotate;
pub mod stdout;
mod supplies;
mod trouble;
mod turn;
mod webhook;
mod worker;

#[cfg(test)]
mod tests;

use supplies::Supplies;

pub use build::{SinkError, Sinks};
pub use changing::{Leaving, Prepared};
