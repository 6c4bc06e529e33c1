//! How bytes reach the server: DNS, TCP and TLS, beneath the HTTP client.
//!
//! The HTTP client sees one plain stream to one server. TLS is ours because the client's own
//! connector offers HTTP/2, cannot take the address of an IPv6 server for a TLS name, and hides why a
//! handshake failed; TCP is ours for `TCP_NODELAY`, keep-alive and a time for each address.

pub mod proxy;

mod connector;
mod dns;
mod stream;
mod tls;
pub(super) mod url;

pub(super) use connector::ServerConnector;
pub(super) use dns::Dns;
pub use tls::{Tls, TlsError};
pub use url::{ServerUrl, UrlError};
