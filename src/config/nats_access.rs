//! The way to servers of NATS: their addresses, credentials and TLS. The cluster and the sinks of type `nats` have it.

use std::{fmt, path::PathBuf};

use secrecy::{ExposeSecret as _, SecretString};

use super::{key_reader::TableReader, secret_source::SecretSource, servers::ReadContext, value::StringList};

/// The servers of NATS, and the way to them.
#[derive(Debug, Clone, PartialEq)]
pub struct NatsAccess {
    /// The addresses, such as `nats://nats-1:4222` or `tls://nats-1:4222`; one that answers is enough.
    pub servers: Vec<String>,
    /// The proof of the client's identity.
    pub credentials: NatsCredentials,
    /// The file that the secret of the credentials was read from, if it is in a file.
    pub secret_file: Option<PathBuf>,
    /// Certificate authorities besides those of the system.
    pub ca_file: Option<PathBuf>,
    /// The client certificate and its key.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
}

/// The proof of a client's identity. It cannot be printed.
#[derive(Clone, Default)]
pub enum NatsCredentials {
    /// None.
    #[default]
    None,
    /// The text of a credentials file.
    Creds(SecretString),
    /// The seed of an nkey.
    NKey(SecretString),
    /// A token.
    Token(SecretString),
    /// A user with a password.
    User(String, SecretString),
}

/// The names that differ between the sections with an access.
#[derive(Debug, Clone, Copy)]
pub(super) struct NatsKeys {
    /// The key of the addresses.
    pub(super) servers: &'static str,
    /// The owner of the credentials in messages.
    pub(super) owner: &'static str,
}

impl NatsKeys {
    /// Returns the sources of the credentials' secrets, one for each kind.
    fn sources(self) -> [SecretSource; 4] {
        let source = |noun, keys| SecretSource { noun, owner: self.owner, keys };
        [
            source("credentials file of NATS", ["creds_file", "creds_env", "creds"]),
            source("seed of an nkey", ["nkey_file", "nkey_env", "nkey"]),
            source("token", ["token_file", "token_env", "token"]),
            source("password", ["password_file", "password_env", "password"]),
        ]
    }
}

impl fmt::Debug for NatsCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

impl PartialEq for NatsCredentials {
    fn eq(&self, other: &Self) -> bool {
        self.kind() == other.kind() && self.parts() == other.parts()
    }
}

impl NatsCredentials {
    fn kind(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Creds(_) => "creds",
            Self::NKey(_) => "nkey",
            Self::Token(_) => "token",
            Self::User(..) => "user",
        }
    }

    /// Returns the key of the secret.
    pub(super) fn key(&self) -> &'static str {
        match self {
            Self::User(..) => "password",
            other => other.kind(),
        }
    }

    fn parts(&self) -> (&str, &str) {
        match self {
            Self::None => ("", ""),
            Self::Creds(secret) | Self::NKey(secret) | Self::Token(secret) => ("", secret.expose_secret()),
            Self::User(user, password) => (user, password.expose_secret()),
        }
    }

    /// Returns credentials of the same kind with another secret.
    #[must_use]
    pub(super) fn with_secret(&self, text: &str) -> Self {
        let secret = SecretString::from(text.trim());
        match self {
            Self::None => Self::None,
            Self::Creds(_) => Self::Creds(secret),
            Self::NKey(_) => Self::NKey(secret),
            Self::Token(_) => Self::Token(secret),
            Self::User(user, _) => Self::User(user.clone(), secret),
        }
    }
}

impl NatsAccess {
    /// Returns the files that it was read from, or that are read for each connection.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let pair = self.client_certificate.iter().flat_map(|(certificate, key)| [certificate, key]);
        self.secret_file.iter().chain(&self.ca_file).chain(pair).cloned().collect()
    }

    /// Returns the keys whose values differ.
    pub(super) fn compare(&self, other: &Self, servers: &'static str) -> [(&'static str, bool); 4] {
        [
            (servers, self.servers == other.servers),
            ("credentials", self.credentials == other.credentials),
            ("ca_file", self.ca_file == other.ca_file),
            ("cert_file", self.client_certificate == other.client_certificate),
        ]
    }
}

/// Reads the keys of an access. Without addresses there is none, which is a problem if it is `required`.
pub(super) fn read(
    section: &mut TableReader<'_>,
    keys: NatsKeys,
    required: bool,
    context: &ReadContext<'_>,
) -> Option<NatsAccess> {
    let servers = section.optional::<StringList>(keys.servers);
    let (credentials, secret_file) = read_credentials(section, keys, context);
    let ca_file = section.optional_path("ca_file", context);
    let cert_file = section.optional_path("cert_file", context);
    let key_file = section.optional_path("key_file", context);
    let client_certificate = certificate(section, cert_file, key_file);
    let servers = check_servers(section, keys.servers, servers, required)?;
    Some(NatsAccess { servers, credentials, secret_file, ca_file, client_certificate })
}

/// Reads the one kind of credentials that is set, and the file that has its secret.
fn read_credentials(
    section: &mut TableReader<'_>,
    keys: NatsKeys,
    context: &ReadContext<'_>,
) -> (NatsCredentials, Option<PathBuf>) {
    let sources = keys.sources();
    let set: Vec<_> = sources.iter().filter(|source| source.is_set(section)).copied().collect();
    if set.len() > 1 {
        let kinds: Vec<_> = set.iter().map(|source| source.keys[2]).collect();
        section.refuse_table(format!("{} are set together", kinds.join(" and ")), "keep one of them");
    }
    let secret_file = set.iter().find_map(|source| source.file(section, context));
    let user = section.optional::<String>("user");
    let mut read = |source: SecretSource| {
        let (_, text) = source.read_optional(section, context)?;
        Some(SecretString::from(text.trim()))
    };
    let [creds, nkey, token, password] = sources.map(&mut read);
    let credentials = match (creds, nkey, token, user, password) {
        (Some(creds), ..) => NatsCredentials::Creds(creds),
        (_, Some(seed), ..) => NatsCredentials::NKey(seed),
        (_, _, Some(token), ..) => NatsCredentials::Token(token),
        (.., Some(user), Some(password)) => NatsCredentials::User(user, password),
        (.., Some(_), None) if !sources[3].is_set(section) => {
            section.refuse(
                "user",
                "there is no password",
                "set password_file, password_env or password, too",
            );
            NatsCredentials::None
        }
        (.., None, Some(_)) => {
            section.refuse_table("there is a password without a user", "set user, too");
            NatsCredentials::None
        }
        (..) => NatsCredentials::None,
    };
    (credentials, secret_file)
}

fn certificate(
    section: &mut TableReader<'_>,
    cert_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
) -> Option<(PathBuf, PathBuf)> {
    match (cert_file, key_file) {
        (Some(cert), Some(key)) => return Some((cert, key)),
        (Some(_), None) => section.refuse("cert_file", "its key is missing", "set key_file, too"),
        (None, Some(_)) => section.refuse("key_file", "its certificate is missing", "set cert_file, too"),
        (None, None) => {}
    }
    None
}

/// Returns the addresses, none of which has a password: the log shows them.
fn check_servers(
    section: &mut TableReader<'_>,
    key: &'static str,
    servers: Option<StringList>,
    required: bool,
) -> Option<Vec<String>> {
    let Some(StringList(servers)) = servers.filter(|StringList(servers)| !servers.is_empty()) else {
        if required && (!section.has(key) || section.peek::<StringList>(key).is_some()) {
            section.refuse(
                key,
                "there is no server of NATS",
                "set it to addresses such as [\"nats://nats-1:4222\"]",
            );
        }
        return None;
    };
    for server in &servers {
        let parsed = url::Url::parse(server).ok();
        let is_address =
            |url: &url::Url| matches!(url.scheme(), "nats" | "tls" | "ws" | "wss") && url.has_host();
        match parsed.filter(is_address) {
            None => section.refuse(key, "this is not an address of NATS", "write it like nats://nats-1:4222"),
            Some(url) if url.password().is_some() || !url.username().is_empty() => {
                let remedy = "remove that, and set token_file, or user and password_file";
                section.refuse(key, "it contains a user name, a token or a password", remedy);
            }
            Some(_) => {}
        }
    }
    Some(servers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_compared_and_never_shown() {
        let token = |text: &str| NatsCredentials::Token(text.into());
        assert_eq!(token("a"), token("a"));
        assert_ne!(token("a"), token("b"));
        assert_ne!(token("a"), NatsCredentials::NKey("a".into()));
        assert_eq!(format!("{:?}", token("a")), "token");
    }

    #[test]
    fn a_changed_secret_keeps_the_kind() {
        let user = NatsCredentials::User("bot".into(), "old".into());
        assert_eq!(user.with_secret("new\n"), NatsCredentials::User("bot".into(), "new".into()));
        assert_eq!(NatsCredentials::None.with_secret("new"), NatsCredentials::None);
    }
}
