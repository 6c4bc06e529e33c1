//! The Mattermost client: what the rest of the program knows of HTTP, TLS and WebSockets.
//!
//! A [`Client`] belongs to one server and one Arbiter: it asks by REST and dials sockets. A [`Socket`]
//! splits into a [`SocketReader`], a stream of whole frames, and a [`SocketWriter`]. The text of a
//! frame is parsed once, borrowed, by [`parse_frame`]. Nothing in here decides anything: no retry, no
//! backoff, no deadline longer than one request.
//!
//! “Fact n” in the comments is a numbered observation of a real server, recorded in
//! `tests/fixtures/wire`.

mod rest;
mod socket;
mod transport;

pub use rest::{
    Channel, ChannelKind, Client, ClientConfig, ClientLimits, EphemeralPost, Etag, FileId, Me, NewFile,
    NewPost, PER_PAGE, Page, PageRequest, Post, PostRange, PostsSince, RateHeaders, Reaction, RequestCount,
    RequestOutcome, RequestStats, RestError, RestErrorKind, RestResponse, SINCE_LIMIT, SocketRequests,
    SystemPing, User, WaitStats, http_client,
};
pub use socket::{
    DialError, DialErrorKind, DialedSocket, EnvelopeError, EventEnvelope, Frame, Hello, Incoming, PostHead,
    PostedEvent, SendError, Socket, SocketError, SocketReader, SocketReply, SocketReplyError, SocketWriter,
    UserUpdated, parse_frame, post_author,
};
pub use transport::{ServerUrl, Tls, TlsError, UrlError, proxy};
