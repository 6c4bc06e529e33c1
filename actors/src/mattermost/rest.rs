//! The REST API: requests with their limits, responses, errors and the server's rate headers.

mod channels;
pub(super) mod client;
mod client_config;
mod error;
pub(super) mod headers;
mod limits;
mod post_list;
mod posts;
mod request_stats;
mod response;
mod uploads;
mod users;
mod writing;

pub use channels::{Channel, ChannelKind};
pub use client::{Client, http_client};
pub use client_config::ClientConfig;
pub use error::{RestError, RestErrorKind};
pub use headers::{Etag, RateHeaders};
pub use limits::ClientLimits;
pub use posts::{PER_PAGE, Page, PageRequest, Post, PostRange, PostsSince, SINCE_LIMIT};
pub use request_stats::{RequestCount, RequestOutcome, RequestStats, WaitStats};
pub use response::{RestResponse, SystemPing};
pub use uploads::{FileId, NewFile};
pub use users::{Me, User};
pub use writing::{EphemeralPost, NewPost, Reaction};
