//! Where the API listens.

use std::{
    net::{SocketAddr, ToSocketAddrs as _},
    path::PathBuf,
};

use super::DEFAULT_BIND;
use crate::config::{servers::ReadContext, table::TableReader};

/// A path of a socket has at most so many bytes (`sun_path`, less the NUL).
const LONGEST_SOCKET_PATH: usize = 107;

/// Where the API listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// At a TCP address.
    Tcp {
        /// The address.
        address: SocketAddr,
        /// Whether the operator named another than the usual one: one that is taken then ends the host at its start.
        explicit: bool,
    },
    /// At a socket in the file system; who may open it may do everything that no token is asked for.
    Unix(PathBuf),
}

/// Reads `bind` and `unix`.
pub(super) fn read(section: &mut TableReader<'_>, context: &ReadContext<'_>) -> Option<ListenAddress> {
    let explicit = section.has("bind");
    let unix = section.optional::<PathBuf>("unix").map(|path| context.directory.join(path));
    let bind = section.read("bind", DEFAULT_BIND.to_owned());
    if explicit && section.has("unix") {
        section.refuse("unix", "bind and unix are given together", "keep one of them");
        return None;
    }
    match unix {
        Some(path) if path.as_os_str().len() > LONGEST_SOCKET_PATH => {
            let what = format!("{} is too long for a socket", path.display());
            section.refuse("unix", what, format!("take a path of at most {LONGEST_SOCKET_PATH} bytes"));
            None
        }
        Some(path) => Some(ListenAddress::Unix(path)),
        None if section.has("unix") => None,
        None => address(section, &bind)
            .map(|address| ListenAddress::Tcp { address, explicit: bind != DEFAULT_BIND }),
    }
}

fn address(section: &mut TableReader<'_>, bind: &str) -> Option<SocketAddr> {
    let remedy = "write an address and a port, like 127.0.0.1:8466 or [::1]:8466";
    // A name would be looked up by DNS, and could mean another machine tomorrow; but this one is everywhere the same.
    let local = bind.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    let bind = local.as_deref().unwrap_or(bind);
    let parsed = bind.parse::<SocketAddr>().ok().and_then(|address| address.to_socket_addrs().ok()?.next());
    if parsed.is_none() {
        section.refuse("bind", format!("{bind:?} is no address with a port"), remedy);
    }
    parsed
}
