//! The transport beneath the HTTP client: DNS, TCP and TLS.
//!
//! The HTTP client sees one plain stream to one server. TLS is done here because the client's own
//! connector offers HTTP/2, does not accept an IPv6 address as a TLS name, and hides the cause of a failed
//! handshake; TCP is done here for `TCP_NODELAY`, keep-alive, proxies
//! and a race between the server's addresses; interim responses are left out here.

pub mod proxy;

mod connector;
mod dns;
mod error;
mod explain;
mod interim;
mod race;
mod stream;
mod tls;
pub(super) mod url;
mod verifier;

pub(super) use connector::ServerConnector;
pub(super) use dns::Dns;
pub use error::describe_send_error;
pub(super) use error::{REDIRECT_TEXT, TransportError, TransportErrorKind, remedy_of, write_error};

pub use proxy::{Proxy, ProxyCredentials, ProxyParseError};
pub use tls::{Tls, TlsError, TlsIdentity};
pub use url::{ServerUrl, UrlError};
