//! Sockets: listening, accepting, TLS and HTTP, below everything Mattermost.

pub(crate) mod endpoint;
pub(crate) mod http;
pub(crate) mod io;
pub(crate) mod listener;
pub(crate) mod tls;
pub(crate) mod transport;
