//! `[cluster]`: the cluster that this process is a member of.

use std::{fmt, path::PathBuf, time::Duration};

use secrecy::{ExposeSecret as _, SecretString};

use super::{key_reader::TableReader, secret_source::SecretSource, servers::ReadContext, value::StringList};

/// A member that dies is noticed within ten seconds, and an election of NATS takes two.
const LEASE_TTL: Duration = Duration::from_secs(10);
/// Shorter leases end while NATS elects a leader.
const SHORTEST_TTL: Duration = Duration::from_secs(2);
/// Longer ones leave the accounts of a dead member deaf for minutes.
const LONGEST_TTL: Duration = Duration::from_secs(300);
/// The beginning of the buckets' names.
const PREFIX: &str = "matterhost";
/// A single server of NATS has one.
const REPLICAS: usize = 1;
/// The most that NATS allows.
const MOST_REPLICAS: usize = 5;
/// The longest name of a member or a prefix: they are parts of names in NATS.
const LONGEST_NAME: usize = 64;

const CREDS: SecretSource = SecretSource {
    noun: "credentials file of NATS",
    owner: "cluster's",
    keys: ["creds_file", "creds_env", "creds"],
};
const NKEY: SecretSource =
    SecretSource { noun: "seed of an nkey", owner: "cluster's", keys: ["nkey_file", "nkey_env", "nkey"] };
const TOKEN: SecretSource =
    SecretSource { noun: "token", owner: "cluster's", keys: ["token_file", "token_env", "token"] };
const PASSWORD: SecretSource = SecretSource {
    noun: "password",
    owner: "cluster's",
    keys: ["password_file", "password_env", "password"],
};

/// The cluster that this process is a member of.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterConfig {
    /// The servers of NATS.
    pub urls: Vec<String>,
    /// The name of this member.
    pub name: String,
    /// The proof of this member's identity.
    pub credentials: ClusterCredentials,
    /// Certificate authorities besides those of the system.
    pub ca_file: Option<PathBuf>,
    /// The client certificate and its key.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// The beginning of the names of its buckets.
    pub prefix: String,
    /// The servers of NATS that hold each bucket.
    pub replicas: usize,
    /// The time after which a member that does not answer counts as ended.
    pub lease_ttl: Duration,
}

/// The proof of a member's identity. It cannot be printed.
#[derive(Clone, Default)]
pub enum ClusterCredentials {
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

impl fmt::Debug for ClusterCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

impl PartialEq for ClusterCredentials {
    fn eq(&self, other: &Self) -> bool {
        self.kind() == other.kind() && self.parts() == other.parts()
    }
}

impl ClusterCredentials {
    fn kind(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Creds(_) => "creds",
            Self::NKey(_) => "nkey",
            Self::Token(_) => "token",
            Self::User(..) => "user",
        }
    }

    fn parts(&self) -> (&str, &str) {
        match self {
            Self::None => ("", ""),
            Self::Creds(secret) | Self::NKey(secret) | Self::Token(secret) => ("", secret.expose_secret()),
            Self::User(user, password) => (user, password.expose_secret()),
        }
    }
}

/// Reads the section. Without it the process is alone.
pub(super) fn read(
    mut section: TableReader<'_>,
    is_set: bool,
    context: &ReadContext<'_>,
) -> Option<ClusterConfig> {
    let urls = section.optional::<StringList>("url");
    let name = section.optional::<String>("name");
    let credentials = read_credentials(&mut section, context);
    let ca_file = section.optional_path("ca_file", context);
    let cert_file = section.optional_path("cert_file", context);
    let key_file = section.optional_path("key_file", context);
    let prefix = section.read("prefix", PREFIX.to_owned());
    let replicas = section.within("replicas", REPLICAS, 1..=MOST_REPLICAS);
    let lease_ttl = section.within("lease_ttl", LEASE_TTL, SHORTEST_TTL..=LONGEST_TTL);
    let client_certificate = certificate(&mut section, cert_file, key_file);
    check_name(&mut section, "prefix", &prefix);
    if is_set && cfg!(not(feature = "cluster")) {
        section.refuse_table(
            "this program was built without clusters",
            "remove the section, or build with --features cluster",
        );
    }
    let urls = check_urls(&mut section, urls, is_set);
    let name = name.unwrap_or_else(host_name);
    if is_set {
        check_name(&mut section, "name", &name);
    }
    section.finish();
    let config = ClusterConfig {
        urls: urls?,
        name,
        credentials,
        ca_file,
        client_certificate,
        prefix,
        replicas,
        lease_ttl,
    };
    Some(config)
}

/// Reads the one kind of credentials that is set.
fn read_credentials(section: &mut TableReader<'_>, context: &ReadContext<'_>) -> ClusterCredentials {
    let sources = [CREDS, NKEY, TOKEN, PASSWORD].into_iter().filter(|source| source.is_set(section));
    let kinds: Vec<_> = sources.map(|source| source.keys[2]).collect();
    if kinds.len() > 1 {
        section.refuse_table(format!("{} are set together", kinds.join(" and ")), "keep one of them");
    }
    let user = section.optional::<String>("user");
    let mut read = |source: SecretSource| {
        let (_, text) = source.read_optional(section, context)?;
        Some(SecretString::from(text.trim()))
    };
    let [creds, nkey, token, password] = [CREDS, NKEY, TOKEN, PASSWORD].map(&mut read);
    match (creds, nkey, token, user, password) {
        (Some(creds), ..) => ClusterCredentials::Creds(creds),
        (_, Some(seed), ..) => ClusterCredentials::NKey(seed),
        (_, _, Some(token), ..) => ClusterCredentials::Token(token),
        (.., Some(user), Some(password)) => ClusterCredentials::User(user, password),
        (.., Some(_), None) if !PASSWORD.is_set(section) => {
            section.refuse(
                "user",
                "there is no password",
                "set password_file, password_env or password, too",
            );
            ClusterCredentials::None
        }
        (.., None, Some(_)) => {
            section.refuse_table("there is a password without a user", "set user, too");
            ClusterCredentials::None
        }
        (..) => ClusterCredentials::None,
    }
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
fn check_urls(section: &mut TableReader<'_>, urls: Option<StringList>, is_set: bool) -> Option<Vec<String>> {
    const KEY: &str = "url";
    let Some(StringList(urls)) = urls.filter(|StringList(urls)| !urls.is_empty()) else {
        if is_set && (!section.has(KEY) || section.peek::<StringList>(KEY).is_some()) {
            section.refuse(
                KEY,
                "there is no server of NATS",
                "set it to addresses such as [\"nats://nats-1:4222\"]",
            );
        }
        return None;
    };
    for url in &urls {
        let parsed = url::Url::parse(url).ok();
        let is_address =
            |url: &url::Url| matches!(url.scheme(), "nats" | "tls" | "ws" | "wss") && url.has_host();
        match parsed.filter(is_address) {
            None => section.refuse(KEY, "this is not an address of NATS", "write it like nats://nats-1:4222"),
            Some(url) if url.password().is_some() || !url.username().is_empty() => {
                let remedy = "remove that, and set token_file, or user and password_file";
                section.refuse(KEY, "it contains a user name, a token or a password", remedy);
            }
            Some(_) => {}
        }
    }
    Some(urls)
}

fn check_name(section: &mut TableReader<'_>, key: &str, name: &str) {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(is_allowed) {
        let remedy = format!("use 1 to {LONGEST_NAME} of A-Z, a-z, 0-9, '-' and '_'");
        section.refuse(key, "it cannot be a part of a name in NATS", remedy);
    }
}

/// Returns the name of the machine, as far as a name may have its characters.
fn host_name() -> String {
    let system = rustix::system::uname();
    let allowed = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
    system.nodename().to_string_lossy().chars().map(allowed).take(LONGEST_NAME).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_has_a_name() {
        let name = host_name();
        assert!(!name.is_empty() && name.len() <= LONGEST_NAME, "{name}");
    }

    #[test]
    fn credentials_are_compared_and_never_shown() {
        let token = |text: &str| ClusterCredentials::Token(text.into());
        assert_eq!(token("a"), token("a"));
        assert_ne!(token("a"), token("b"));
        assert_ne!(token("a"), ClusterCredentials::NKey("a".into()));
        assert_eq!(format!("{:?}", token("a")), "token");
    }
}
