//! Where events go: implementations of [`matterhost_actors::ports::EventSink`].

mod build;
mod fan_out;
mod file;
mod filter;
mod lines;
mod queue;
mod rotate;
pub mod stdout;

#[cfg(test)]
mod tests;

pub use build::{SinkError, Sinks};
