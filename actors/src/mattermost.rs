//! The Mattermost client: REST requests and WebSockets, over HTTP and TLS.
//!
//! A [`Client`] belongs to one server and one Arbiter: it sends REST requests and dials sockets. A
//! [`Socket`] splits into a [`SocketReader`], a stream of whole frames, and a [`SocketWriter`].
//! [`parse_frame`] parses the text of a frame once, borrowing from it. This module makes no decisions:
//! it does not retry or back off, and has no deadline longer than one request.
//!
//! “Fact n” in the comments is a numbered observation of a real server, recorded in
//! `tests/fixtures/wire`.

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod rest;
mod socket;
mod transport;

pub use rest::{
    Bot, CONNECTIONS_PER_ARBITER, Channel, ChannelKind, ChannelList, ChannelRoles, Client, ClientConfig,
    ClientLimits, EphemeralPost, Etag, ExtraHeaders, HeaderError, IncomingFile, LookupRequest, MAX_CHANNELS,
    MadeCommand, Me, MentionKeywords, NewBot, NewFile, NewPost, OddRow, PER_PAGE, Page, PageRequest, Post,
    PostRange, PostsSince, RateHeaders, Reaction, RequestCount, RequestOutcome, RequestStats, RestError,
    RestErrorKind, RestResponse, RolePermissions, Roles, SINCE_LIMIT, SlashCommand, SystemPing, Team,
    TeamRoles, TokenRow, User, WaitStats, content_pieces, foreign_encoding, http_client,
};
pub use socket::{
    AddedToTeam, DialError, DialErrorKind, DialedSocket, EnvelopeError, EventEnvelope, Frame, Hello,
    Incoming, JsonProblem, PostHead, PostedEvent, SendError, Socket, SocketError, SocketReader, SocketReply,
    SocketReplyError, SocketRequests, SocketWriter, StatusChange, UserUpdated, parse_frame,
};
pub(crate) use socket::{OutlinedPost, PostedFrame, read_posted, split_number, user_act};
pub use transport::{
    Proxy, ProxyCredentials, ProxyParseError, ServerUrl, Tls, TlsError, TlsIdentity, UrlError,
    describe_send_error, proxy,
};
