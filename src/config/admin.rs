//! `[admin]`: the admin API, with the metrics and the web page it serves.

mod listen;
mod ready;
mod scoped_tokens;
mod tls;
mod token;

pub use listen::ListenAddress;
pub use ready::ReadyPolicy;
pub use scoped_tokens::{ScopedToken, TokenScope};
pub use tls::AdminTls;
pub use token::{AdminToken, AdminTokenError, RandomError};
pub(super) use {listen::address as read_address, tls::read as read_tls};

pub(super) use scoped_tokens::warn_of_unknown_accounts;

use std::{
    collections::HashMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use super::{
    ConfigError, Sources,
    key_reader::{Diagnostics, TableReader},
    servers::ReadContext,
    sources::{Collected, NamedTexts},
    state,
    value::StringList,
};

/// The default address of the admin API.
pub const DEFAULT_BIND: &str = "127.0.0.1:8466";
const DEFAULT_PORT: u16 = 8466;

/// More than many operators and their tools use. Each connection needs a file descriptor, and some systems allow only
/// 1,024.
const CONNECTIONS: usize = 512;
const MOST_CONNECTIONS: usize = 20_000;
/// Streaming connections; fewer than `CONNECTIONS`, so that other requests are still served.
const STREAMS: usize = 256;

/// The file of a token that the host generates, in the directory for it.
const GENERATED_TOKEN_FILE: &str = "admin.token";

/// The settings of the admin API.
#[derive(Debug, Clone)]
pub struct AdminConfig {
    /// The address to listen at; `None` if the API is disabled.
    pub listen: Option<ListenAddress>,
    /// The token with full access; without it the host generates one.
    pub token: Option<AdminToken>,
    /// The token with read-only access.
    pub read_token: Option<AdminToken>,
    /// Further tokens, each with a scope.
    pub scoped_tokens: Vec<ScopedToken>,
    /// True if everyone who can connect has full access, without a token.
    pub allow_anonymous: bool,
    /// The file of the generated token; `None` if there is no directory for it.
    pub generated_token_file: Option<PathBuf>,
    /// Host names that browsers may use, besides addresses and `localhost`.
    pub hosts: Vec<String>,
    /// The certificate and its key.
    pub tls: Option<AdminTls>,
    /// The rule by which the host as a whole counts as ready.
    pub ready: ReadyPolicy,
    /// The limit of simultaneous connections.
    pub max_connections: usize,
    /// The limit of simultaneous streaming connections.
    pub max_streams: usize,
}

pub(super) fn read(mut section: TableReader<'_>, context: &ReadContext<'_>) -> AdminConfig {
    let enabled = section.read("enabled", true);
    let listen = listen::read(&mut section, context);
    let token = token::read(&mut section, &token::FULL, context);
    let read_token = token::read(&mut section, &token::READ, context);
    let scoped_tokens = scoped_tokens::read(&mut section, context);
    let allow_anonymous = read_allow_anonymous(&mut section, !scoped_tokens.is_empty());
    let StringList(hosts) = section.read("hosts", StringList::default());
    let tls = tls::read(&mut section, context);
    let allow_plaintext = section.read("allow_plaintext", false);
    let ready = section.read("ready", ReadyPolicy::All);
    let max_connections = section.within("max_connections", CONNECTIONS, 16..=MOST_CONNECTIONS);
    let max_streams = section.within("max_streams", STREAMS, 1..=MOST_CONNECTIONS);
    if max_streams >= max_connections {
        section.refuse(
            "max_streams",
            "streams could use up all connections",
            "use less than max_connections",
        );
    }
    require_protection(&mut section, listen.as_ref(), &Protection { tls: tls.is_some(), allow_plaintext });
    let config = AdminConfig {
        listen: listen.filter(|_| enabled),
        token,
        read_token,
        scoped_tokens,
        allow_anonymous,
        generated_token_file: None,
        hosts,
        tls,
        ready,
        max_connections,
        max_streams,
    };
    scoped_tokens::refuse_equal(&mut section, &config);
    section.finish();
    config
}

/// Reads `allow_anonymous`. It contradicts a token, which would then protect nothing.
fn read_allow_anonymous(section: &mut TableReader<'_>, has_scoped: bool) -> bool {
    let allow = section.read("allow_anonymous", false);
    if allow && (has_scoped || token::FULL.is_set(section) || token::READ.is_set(section)) {
        let message = "a token is set, but everyone would have full access without it";
        section.refuse("allow_anonymous", message, "remove allow_anonymous, or the tokens");
    } else if allow {
        let message =
            "everyone who can connect has full access: every user and every program of this machine";
        section.warn("allow_anonymous", message, "remove it: the commands of the same user find the token");
    }
    allow
}

/// Protection of the API against the network, besides a token.
struct Protection {
    tls: bool,
    allow_plaintext: bool,
}

/// Requires a token and encryption for an address that other machines can reach.
fn require_protection(
    section: &mut TableReader<'_>,
    listen: Option<&ListenAddress>,
    protection: &Protection,
) {
    let Some(ListenAddress::Tcp { address, .. }) = listen else { return };
    if address.ip().is_loopback() {
        return;
    }
    if !token::FULL.is_set(section) {
        let message = format!("{address} can be reached from other machines, and there is no token");
        section.refuse(
            "bind",
            message,
            "set token_file (`openssl rand -hex 32` generates a token), or bind 127.0.0.1",
        );
    }
    if !protection.tls && !protection.allow_plaintext {
        let message =
            format!("{address} can be reached from other machines, and tokens would be sent in the clear");
        let remedy = "set tls_cert_file and tls_key_file, bind 127.0.0.1, or set allow_plaintext = true if \
                      something else encrypts the connection";
        section.refuse("bind", message, remedy);
    }
}

impl Default for AdminConfig {
    /// The default address on this machine, without TLS and without a file for the generated token.
    fn default() -> Self {
        Self {
            listen: Some(ListenAddress::Tcp {
                address: SocketAddr::from(([127, 0, 0, 1], DEFAULT_PORT)),
                explicit: false,
            }),
            token: None,
            read_token: None,
            scoped_tokens: Vec::new(),
            allow_anonymous: false,
            generated_token_file: None,
            hosts: Vec::new(),
            tls: None,
            ready: ReadyPolicy::All,
            max_connections: CONNECTIONS,
            max_streams: STREAMS,
        }
    }
}

impl AdminConfig {
    /// Returns the settings of a host whose configuration sets nothing here, for clients without a configuration.
    pub fn without_file(environment: &HashMap<String, String>) -> Self {
        let state = state::StateConfig::default_for(environment);
        Self::default().with_token_directory(state.token_dir(environment))
    }

    /// Returns these settings with the directory for the generated token.
    pub(super) fn with_token_directory(self, directory: Option<PathBuf>) -> Self {
        let generated_token_file = directory.map(|directory| directory.join(GENERATED_TOKEN_FILE));
        Self { generated_token_file, ..self }
    }

    /// Reads only `[admin]` and the directory in `[state]`, for clients of the API: the tokens of accounts may be readable
    /// by the host only.
    ///
    /// # Errors
    /// Returns an error if the file cannot be parsed or `[admin]` is invalid.
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        let refuse = |problems| ConfigError { file: sources.first_file().map(Path::to_owned), problems };
        let Collected { mut tree, places, .. } = sources.collect(&NamedTexts::new()).map_err(refuse)?;
        let context = ReadContext {
            directory: sources.directory(),
            places: &places,
            environment: &sources.environment,
            bots: &sources.bots,
        };
        let mut report = Diagnostics::default();
        let table = TableReader::new("admin".into(), "admin", tree.remove("admin"), &mut report);
        let config = read(table, &context);
        report.complete(&places);
        // Only the host needs a valid `[state]`.
        let mut ignored = Diagnostics::default();
        let table = TableReader::new("state".into(), "state", tree.remove("state"), &mut ignored);
        let state = state::read(table, &context);
        let config = config.with_token_directory(state.token_dir(context.environment));
        if report.problems.is_empty() { Ok(config) } else { Err(refuse(report.problems)) }
    }

    /// Returns the TCP address that the API listens at, if any.
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self.listen {
            Some(ListenAddress::Tcp { address, .. }) => Some(address),
            Some(ListenAddress::Unix(_)) | None => None,
        }
    }

    /// Returns the number of files that the API may have open at once.
    pub(super) fn open_files(&self) -> usize {
        /// The server threads' own files, the listening socket, and the files on their way to a server.
        const OWN: usize = 16 + 16;
        if self.listen.is_some() { self.max_connections + OWN } else { 0 }
    }
}

#[cfg(test)]
mod tests;
