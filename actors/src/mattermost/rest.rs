//! The REST API: requests with their limits, responses, errors and the server's rate headers.

mod bot_accounts;
mod bounded_text;
mod channels;
pub(super) mod client;
mod client_config;
pub(super) mod connections;
mod error;
mod extra_headers;
mod file_requests;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
pub(super) mod headers;
mod limits;
mod lookups;
mod made_commands;
mod odd_row;
mod permissions;
mod post_list;
mod posts;
mod request_stats;
mod response;
mod row_splitter;
mod server_limits;
mod teams;
mod users;
mod writing;

pub use bot_accounts::{Bot, NewBot, TokenRow};
pub use channels::{Channel, ChannelKind, ChannelList};
pub use client::Client;
pub use client_config::ClientConfig;
pub use connections::http_client;
pub use error::{RestError, RestErrorKind};
pub use extra_headers::{ExtraHeaders, HeaderError};
pub use file_requests::{IncomingFile, NewFile, content_pieces};
pub use headers::{Etag, RateHeaders, foreign_encoding};
pub use limits::{ClientLimits, MAX_CHANNELS};
pub use lookups::LookupRequest;
pub use made_commands::{MadeCommand, SlashCommand};
pub use odd_row::OddRow;
pub use permissions::{ChannelRoles, RolePermissions, TeamRoles};
pub use posts::{PER_PAGE, Page, PageRequest, Post, PostRange, PostsSince, SINCE_LIMIT};
pub use request_stats::{RequestCount, RequestOutcome, RequestStats, WaitStats};
pub use response::{RestResponse, SystemPing};
pub use teams::Team;
pub use users::{Me, MentionKeywords, Roles, User};
pub use writing::{EphemeralPost, NewPost, Reaction};
