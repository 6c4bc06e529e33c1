//! The interfaces between the actors and the outside, as traits. Each has one contract suite that every
//! implementation runs.

mod account_fence;
mod api;
mod event_storage;
mod file_download;
mod http_api;
mod memory_store;
mod poster;
mod sink;
mod store;
mod witness_relay;

pub use account_fence::AccountFence;
pub use api::{Api, ApiFactory, ApiFuture};
pub use event_storage::EventStorage;
pub(crate) use event_storage::{SharedValues, kept_key};
pub use file_download::FileDownload;
pub use http_api::HttpApi;
pub use memory_store::MemoryStore;
pub use poster::Poster;
pub use sink::{Delivered, EventSink, LONGEST_RETRY, Outcome};
pub use store::{CursorStore, StoreError};
pub use witness_relay::WitnessRelay;
