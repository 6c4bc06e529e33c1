//! `[admin]`: the API, the metrics and the page by which a running host is seen and steered.

mod client;
mod listen;
mod ready;
mod tls;
mod token;

use std::net::SocketAddr;

pub use listen::ListenAddress;
pub use ready::ReadyPolicy;
pub use tls::AdminTls;
pub use token::AdminToken;

use super::{servers::ReadContext, table::TableReader, value::StringList};

/// Where an operator on the same machine finds it.
pub const DEFAULT_BIND: &str = "127.0.0.1:8466";
const DEFAULT_PORT: u16 = 8466;

/// A crowd of operators and their tools has fewer; each costs a file, and a system may allow no more than 1,024.
const CONNECTIONS: usize = 512;
const MOST_CONNECTIONS: usize = 20_000;
/// Connections that listen for what happens; they must leave room for the others.
const STREAMS: usize = 256;

/// How a running host is seen and steered.
#[derive(Debug, Clone)]
pub struct AdminConfig {
    /// Where it listens; nowhere when it is turned off.
    pub listen: Option<ListenAddress>,
    /// The token that may do everything.
    pub token: Option<AdminToken>,
    /// The token that may look.
    pub read_token: Option<AdminToken>,
    /// Names by which browsers may call it, besides addresses and `localhost`.
    pub hosts: Vec<String>,
    /// The certificate and its key.
    pub tls: Option<AdminTls>,
    /// When the host as a whole counts as ready.
    pub ready: ReadyPolicy,
    /// Connections at once.
    pub max_connections: usize,
    /// Connections at once that listen for what happens.
    pub max_streams: usize,
}

/// Reads the section.
pub(super) fn read(mut section: TableReader<'_>, context: &ReadContext<'_>) -> AdminConfig {
    let enabled = section.read("enabled", true);
    let listen = listen::read(&mut section, context);
    let token = token::read(&mut section, &token::FULL, context);
    let read_token = token::read(&mut section, &token::READ, context);
    let StringList(hosts) = section.read("hosts", StringList::default());
    let tls = tls::read(&mut section, context);
    let allow_plaintext = section.read("allow_plaintext", false);
    let ready = section.read("ready", ReadyPolicy::All);
    let max_connections = section.within("max_connections", CONNECTIONS, 16..=MOST_CONNECTIONS);
    let max_streams = section.within("max_streams", STREAMS, 1..=MOST_CONNECTIONS);
    if max_streams >= max_connections {
        section.refuse(
            "max_streams",
            "there is no connection left for anything else",
            "take less than max_connections",
        );
    }
    refuse_open_door(&mut section, listen.as_ref(), &Guards { tls: tls.is_some(), allow_plaintext });
    section.finish();
    let listen = listen.filter(|_| enabled);
    AdminConfig { listen, token, read_token, hosts, tls, ready, max_connections, max_streams }
}

/// What stands between a network and the API, besides a token.
struct Guards {
    tls: bool,
    allow_plaintext: bool,
}

/// Whoever reaches it from elsewhere must show a token, and nobody on the way may read it.
fn refuse_open_door(section: &mut TableReader<'_>, listen: Option<&ListenAddress>, guards: &Guards) {
    let Some(ListenAddress::Tcp { address, .. }) = listen else { return };
    if address.ip().is_loopback() {
        return;
    }
    if !token::FULL.is_set(section) {
        let what = format!("{address} can be reached from other machines, and there is no token");
        section.refuse(
            "bind",
            what,
            "give token_file (`openssl rand -hex 32` makes a token), or bind 127.0.0.1",
        );
    }
    if !guards.tls && !guards.allow_plaintext {
        let what =
            format!("{address} can be reached from other machines, and tokens would travel in the clear");
        let remedy = "give tls_cert_file and tls_key_file, bind 127.0.0.1, or say allow_plaintext = true where \
                      something else keeps the way secret";
        section.refuse("bind", what, remedy);
    }
}

impl Default for AdminConfig {
    /// The usual place on this machine, and nothing else.
    fn default() -> Self {
        Self {
            listen: Some(ListenAddress::Tcp {
                address: SocketAddr::from(([127, 0, 0, 1], DEFAULT_PORT)),
                explicit: false,
            }),
            token: None,
            read_token: None,
            hosts: Vec::new(),
            tls: None,
            ready: ReadyPolicy::All,
            max_connections: CONNECTIONS,
            max_streams: STREAMS,
        }
    }
}

impl AdminConfig {
    /// Where it listens over TCP, if it does.
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self.listen {
            Some(ListenAddress::Tcp { address, .. }) => Some(address),
            Some(ListenAddress::Unix(_)) | None => None,
        }
    }

    /// How many files it may have open at once.
    pub(super) fn open_files(&self) -> usize {
        /// Its threads' own, and what it listens on.
        const OWN: usize = 16;
        if self.listen.is_some() { self.max_connections + OWN } else { 0 }
    }
}

#[cfg(test)]
mod tests;
