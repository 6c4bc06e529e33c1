//! What the actors need from outside, as traits. Each has one contract suite that every implementation runs.

mod api;
mod sink;

pub use api::{Api, ApiFactory, Mattermost};
pub use sink::{Delivered, EventSink, Outcome};
