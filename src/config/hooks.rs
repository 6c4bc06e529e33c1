//! `[hooks]`: the listener for slash commands, buttons, menus and dialogs.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use url::Url;

use super::{
    admin::{self, AdminTls},
    key_reader::TableReader,
    secret_source::SecretSource,
    servers::ReadContext,
    sinks::Secrets,
};

/// One account may have half: as many as its handler has at once. Each connection needs a file descriptor.
const CONNECTIONS: usize = 512;
const MOST_CONNECTIONS: usize = 20_000;

/// The most commands, buttons and dialogs that a handler has at once, beside the slots of other events: a thousand a second for a
/// handler that takes a quarter of a second. Each that goes to a webhook needs a file descriptor.
pub const MAX_HOOKS: usize = 256;

/// Few people answer an older post.
const BUTTON_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);
/// A shorter time would end before a person has read the post.
const SHORTEST_LIFETIME: Duration = Duration::from_secs(60);
/// Older signatures are not accepted at all.
const LONGEST_LIFETIME: Duration = Duration::from_secs(365 * 24 * 3600);

/// The file of a key that the host generates, in the directory of the state.
const SECRET_FILE: &str = "hooks.secret";
/// The file that records the registered commands, with their tokens.
const COMMANDS_FILE: &str = "hooks.commands";

const SECRET: SecretSource =
    SecretSource { noun: "secret", owner: "hooks'", keys: ["secret_file", "secret_env", "secret"] };

/// The settings of the hooks.
#[derive(Debug, Clone)]
pub struct HooksConfig {
    /// The address to listen at.
    pub listen: SocketAddr,
    /// The URL at which Mattermost reaches it, without a slash at its end.
    pub public_url: String,
    /// The certificate and its key.
    pub tls: Option<AdminTls>,
    /// The limit of simultaneous connections.
    pub max_connections: usize,
    /// The time for which a button can be pressed.
    pub button_lifetime: Duration,
    /// The secrets that sign buttons and dialogs, the new one first; without them the host generates one.
    pub secrets: Option<Secrets>,
    /// The directory of the generated secret and of the record of commands, if there is one.
    pub directory: Option<PathBuf>,
}

/// Reads the section; `None` without a `bind`. The members of a cluster have the same secret.
pub(super) fn read(
    mut section: TableReader<'_>,
    is_member: bool,
    context: &ReadContext<'_>,
) -> Option<HooksConfig> {
    if is_member && section.has("bind") && !SECRET.is_set(&section) {
        section.refuse(
            "secret_file",
            "it is missing, and a button that one member of the cluster has signed must work on each",
            "set it on all members to a file with the same secret (`echo whsec_$(openssl rand -base64 32)`)",
        );
    }
    let is_set = section.has("public_url") || section.has("tls_cert_file") || SECRET.is_set(&section);
    let bind = section.optional::<String>("bind");
    let listen = bind.as_deref().and_then(|bind| admin::read_address(&mut section, bind));
    let public_url = public_url(&mut section, bind.is_some());
    let tls = admin::read_tls(&mut section, context);
    let allow_plaintext = section.read("allow_plaintext", false);
    let max_connections = section.within("max_connections", CONNECTIONS, 16..=MOST_CONNECTIONS);
    let button_lifetime =
        section.within("button_lifetime", BUTTON_LIFETIME, SHORTEST_LIFETIME..=LONGEST_LIFETIME);
    let secrets = secrets(&mut section, context);
    if bind.is_none() && is_set {
        section.refuse("bind", "it is missing", "write an address and a port, like 127.0.0.1:8467");
    }
    if let Some(listen) =
        listen.filter(|listen| !listen.ip().is_loopback() && tls.is_none() && !allow_plaintext)
    {
        let message =
            format!("{listen} can be reached from other machines, and tokens would be sent in the clear");
        let remedy = "set tls_cert_file and tls_key_file, bind 127.0.0.1 behind a proxy, or set allow_plaintext = \
                      true if something else encrypts the connection";
        section.refuse("bind", message, remedy);
    }
    section.finish();
    Some(HooksConfig {
        listen: listen?,
        public_url: public_url?,
        tls,
        max_connections,
        button_lifetime,
        secrets,
        directory: None,
    })
}

/// Reads the URL at which Mattermost reaches the hooks, which may be that of a proxy.
fn public_url(section: &mut TableReader<'_>, is_required: bool) -> Option<String> {
    let remedy =
        "write the URL at which the Mattermost server reaches this host, like https://bots.example.com";
    let Some(text) = section.optional::<String>("public_url") else {
        if is_required && !section.has("public_url") {
            section.refuse("public_url", "it is missing", remedy);
        }
        return None;
    };
    let is_usable = |url: &Url| {
        let is_http = matches!(url.scheme(), "http" | "https") && url.has_host();
        is_http && url.query().is_none() && url.fragment().is_none() && url.username().is_empty()
    };
    if Url::parse(&text).is_ok_and(|url| is_usable(&url)) {
        return Some(text.trim_end_matches('/').to_owned());
    }
    section.refuse("public_url", "it is not a URL with http or https, a host and at most a path", remedy);
    None
}

fn secrets(section: &mut TableReader<'_>, context: &ReadContext<'_>) -> Option<Secrets> {
    let (key, text) = SECRET.read_optional(section, context)?;
    Secrets::check(section, key, text)
}

impl HooksConfig {
    /// Returns these settings with the directory for what the hooks keep.
    pub(super) fn with_directory(self, directory: Option<PathBuf>) -> Self {
        Self { directory, ..self }
    }

    /// Returns the file of the generated secret; `None` if there is no directory for it.
    pub fn secret_file(&self) -> Option<PathBuf> {
        self.directory.as_ref().map(|directory| directory.join(SECRET_FILE))
    }

    /// Returns the file that records the registered commands; `None` if there is no directory for it.
    pub fn commands_file(&self) -> Option<PathBuf> {
        self.directory.as_ref().map(|directory| directory.join(COMMANDS_FILE))
    }

    /// Returns the number of files that the hooks may have open at once.
    pub(super) fn open_files(&self, webhooks: usize) -> usize {
        /// The server thread's own files and the listening socket.
        const OWN: usize = 16;
        self.max_connections + OWN + webhooks * MAX_HOOKS
    }
}
