//! What the actors need from outside, as traits. Each has one contract suite that every implementation runs.

mod api;
mod poster;
mod sink;
mod store;
mod writing;

pub use api::{Api, ApiFactory, HttpApi};
pub use poster::Poster;
pub use sink::{Delivered, EventSink, Outcome};
pub use store::{CursorStore, MemoryStore, StoreError};
pub use writing::{ApiFuture, WriteApi};
