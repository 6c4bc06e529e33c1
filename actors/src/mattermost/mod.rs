//! The Mattermost client: what the rest of the program knows of HTTP, TLS and WebSockets.
//!
//! A [`Client`] belongs to one server and one Arbiter: it asks by REST and dials sockets. A [`Socket`]
//! splits into a [`SocketReader`], a stream of whole frames, and a [`SocketWriter`]. The text of a
//! frame is parsed once, borrowed, by [`parse`]. Nothing in here decides anything: no retry, no
//! backoff, no deadline longer than one request.
//!
//! “Fact n” in the comments is a numbered observation of a real server, recorded in
//! `tests/fixtures/wire`.

pub mod proxy;

mod channels;
mod client;
mod config;
mod dial;
mod dial_error;
mod envelope;
mod error;
mod events;
mod failure;
mod files;
mod headers;
mod limits;
mod post_list;
mod posts;
mod requests;
mod rest;
mod socket;
mod tally;
mod tls;
mod transport;
mod url;
mod users;
mod writing;

pub use channels::{Channel, ChannelKind};
pub use client::{Client, http_client};
pub use config::ClientConfig;
pub use dial::Dialed;
pub use dial_error::{DialError, DialErrorKind};
pub use envelope::{EnvelopeError, EventEnvelope, Incoming, Reply, ReplyError, parse};
pub use error::{RestError, RestErrorKind};
pub use events::{Hello, PostHead, Posted, UserUpdated, author};
pub use files::{FileId, NewFile};
pub use headers::{Etag, RateHeaders};
pub use limits::ClientLimits;
pub use posts::{Cut, PER_PAGE, Page, Post, SINCE_LIMIT, Since, Span};
pub use requests::Requests;
pub use rest::{Answer, SystemPing};
pub use socket::{Frame, SendError, Socket, SocketError, SocketReader, SocketWriter};
pub use tally::{Requested, Status, Tally, Waited};
pub use tls::{Tls, TlsError};
pub use url::{ServerUrl, UrlError};
pub use users::{Me, User};
pub use writing::{EphemeralPost, NewPost, Reaction};
