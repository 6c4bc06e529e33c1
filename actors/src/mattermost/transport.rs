//! The transport beneath the HTTP client: DNS, TCP and TLS.
//!
//! The HTTP client sees one plain stream to one server. TLS is done here because the client's own
//! connector offers HTTP/2, does not accept an IPv6 address as a TLS name, and hides the cause of a failed
//! handshake; TCP is done here for `TCP_NODELAY`, keep-alive and a time limit for each address.

pub mod proxy;

mod connector;
mod dns;
mod error;
mod stream;
mod tls;
pub(super) mod url;

pub(super) use connector::ServerConnector;
pub(super) use dns::Dns;
pub(super) use error::{TransportError, TransportErrorKind};
pub use tls::{Tls, TlsError};
pub use url::{ServerUrl, UrlError};
