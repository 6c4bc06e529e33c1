use std::{
    net::{SocketAddr, ToSocketAddrs as _},
    path::PathBuf,
};

use super::DEFAULT_BIND;
use crate::config::{key_reader::TableReader, servers::ReadContext};

/// The longest path of a socket, in bytes (`sun_path` without its NUL).
const LONGEST_SOCKET_PATH: usize = 107;

/// The address that the API listens at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// A TCP address.
    Tcp {
        /// The IP address and port.
        address: SocketAddr,
        /// True if the address is not the default one. The host fails to start if such an address is taken.
        explicit: bool,
    },
    /// A Unix socket, which only the user of the process can open.
    Unix(PathBuf),
}

/// Reads `bind` and `unix`.
pub(super) fn read(section: &mut TableReader<'_>, context: &ReadContext<'_>) -> Option<ListenAddress> {
    let explicit = section.has("bind");
    let unix = section.optional_path("unix", context);
    let bind = section.read("bind", DEFAULT_BIND.to_owned());
    if explicit && section.has("unix") {
        section.refuse("unix", "bind and unix are set together", "keep one of them");
        return None;
    }
    match unix {
        Some(path) if path.as_os_str().len() > LONGEST_SOCKET_PATH => {
            let message = format!("{} is too long for a Unix socket", path.display());
            section.refuse("unix", message, format!("use a path of at most {LONGEST_SOCKET_PATH} bytes"));
            None
        }
        Some(path) => Some(ListenAddress::Unix(path)),
        None if section.has("unix") => None,
        None => address(section, &bind)
            .map(|address| ListenAddress::Tcp { address, explicit: bind != DEFAULT_BIND }),
    }
}

/// Reads an address with a port.
pub(in crate::config) fn address(section: &mut TableReader<'_>, bind: &str) -> Option<SocketAddr> {
    let remedy = "write an address and a port, like 127.0.0.1:8466 or [::1]:8466";
    // `localhost` is safe to resolve here. Other names need DNS and may point to another machine later.
    let local = bind.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    let bind = local.as_deref().unwrap_or(bind);
    let parsed = bind.parse::<SocketAddr>().ok().and_then(|address| address.to_socket_addrs().ok()?.next());
    if parsed.is_none() {
        section.refuse("bind", format!("{bind:?} is not an address with a port"), remedy);
    }
    parsed
}
