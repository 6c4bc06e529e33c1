//! The Mattermost client: what the rest of the program knows of HTTP, TLS and WebSockets.
//!
//! A [`Client`] belongs to one server and one Arbiter: it asks by REST and dials sockets. A [`Socket`]
//! splits into a [`SocketReader`], a stream of whole frames, and a [`SocketWriter`]. The text of a
//! frame is parsed once, borrowed, by [`parse`]. Nothing in here decides anything: no retry, no
//! backoff, no deadline longer than one request.
//!
//! “Fact n” in the comments is a numbered observation of a real server, recorded in
//! `tests/fixtures/wire`.

mod rest;
mod socket;
mod transport;

pub use rest::{
    Answer, Channel, ChannelKind, Client, ClientConfig, ClientLimits, Cut, EphemeralPost, Etag, FileId, Me,
    NewFile, NewPost, PER_PAGE, Page, Post, RateHeaders, Reaction, Requested, Requests, RestError,
    RestErrorKind, SINCE_LIMIT, Since, Span, Status, SystemPing, Tally, User, Waited, http_client,
};
pub use socket::{
    DialError, DialErrorKind, Dialed, EnvelopeError, EventEnvelope, Frame, Hello, Incoming, PostHead, Posted,
    Reply, ReplyError, SendError, Socket, SocketError, SocketReader, SocketWriter, UserUpdated, author,
    parse,
};
pub use transport::{ServerUrl, Tls, TlsError, UrlError, proxy};
