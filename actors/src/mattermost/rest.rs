//! The REST API: requests with their limits, responses, errors and the server's rate headers.

mod channels;
pub(super) mod client;
mod config;
mod error;
mod files;
pub(super) mod headers;
mod limits;
mod odd_row;
mod post_list;
mod posts;
mod request_stats;
mod response;
mod rows;
mod users;
mod writing;

pub use channels::{Channel, ChannelKind, ChannelList};
pub use client::{Client, http_client};
pub use config::ClientConfig;
pub use error::{RestError, RestErrorKind};
pub use files::{FileId, NewFile};
pub use headers::{Etag, RateHeaders};
pub use limits::{ClientLimits, MAX_CHANNELS};
pub use odd_row::OddRow;
pub use posts::{PER_PAGE, Page, PageRequest, Post, PostRange, PostsSince, SINCE_LIMIT};
pub use request_stats::{RequestCount, RequestOutcome, RequestStats, WaitStats};
pub use response::{RestResponse, SystemPing};
pub use users::{Me, User};
pub use writing::{EphemeralPost, NewPost, Reaction};
