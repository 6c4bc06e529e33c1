//! Proxies between this host and a server: their addresses, their credentials and the tunnel through them.

mod environment;
pub(super) mod tunnel;

use std::{fmt, str::FromStr};

use secrecy::{ExposeSecret as _, SecretString};
use url::{Host, Url};

pub use environment::{ProxyError, from_environment};
pub(in crate::mattermost) use tunnel::ProxyRefusal;

/// A proxy, by which a server is reached: `http://host:port`, `https://host:port` or `socks5://host:port`.
///
/// `Display` shows it without its credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    kind: ProxyKind,
    /// An IPv6 address stands without brackets.
    host: Box<str>,
    port: u16,
    credentials: Option<ProxyCredentials>,
}

/// The protocol that a proxy speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ProxyKind {
    /// CONNECT over plain TCP.
    Http,
    /// CONNECT over TLS.
    Https,
    /// SOCKS 5; the proxy looks the server's name up.
    Socks5,
}

/// The user name and the password for a proxy. It cannot be printed.
#[derive(Clone)]
pub struct ProxyCredentials {
    user: Box<str>,
    password: SecretString,
}

/// A text that names no proxy. The error does not contain the text, which may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProxyParseError {
    /// It is not a URL.
    #[error("this is not the address of a proxy: {0}")]
    Malformed(url::ParseError),
    /// The scheme is another one.
    #[error("the scheme is not http, https or socks5")]
    Scheme,
    /// There is a path, a query or a fragment.
    #[error("there is more in it than scheme, host and port")]
    Extra,
    /// There is no host, or the port is 0.
    #[error("the host is missing, or the port is 0")]
    Host,
    /// A name or password cannot be sent.
    #[error("the credentials are not \"user:password\", with 1 to 255 bytes each and no control characters")]
    Credentials,
}

impl Proxy {
    /// Returns this proxy with credentials, in place of those in its URL.
    #[must_use]
    pub fn with_credentials(self, credentials: ProxyCredentials) -> Self {
        Self { credentials: Some(credentials), ..self }
    }

    /// True if there are credentials.
    pub fn has_credentials(&self) -> bool {
        self.credentials.is_some()
    }

    /// True if the proxy itself is reached over TLS.
    pub fn is_tls(&self) -> bool {
        self.kind == ProxyKind::Https
    }

    /// Returns the host's name or address; an IPv6 address stands without brackets.
    pub(in crate::mattermost) fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port.
    pub(in crate::mattermost) fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for Proxy {
    type Err = ProxyParseError;

    /// Parses a URL; without a scheme it is `http`.
    fn from_str(text: &str) -> Result<Self, ProxyParseError> {
        let text = text.trim();
        let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let url = Url::parse(&whole).map_err(ProxyParseError::Malformed)?;
        let (kind, default_port) = match url.scheme() {
            "http" => (ProxyKind::Http, 80),
            "https" => (ProxyKind::Https, 443),
            "socks5" | "socks5h" => (ProxyKind::Socks5, 1080),
            _ => return Err(ProxyParseError::Scheme),
        };
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(ProxyParseError::Extra);
        }
        let host = match url.host().ok_or(ProxyParseError::Host)? {
            Host::Domain("") => return Err(ProxyParseError::Host),
            Host::Domain(name) => name.to_ascii_lowercase(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        let port = url.port().unwrap_or(default_port);
        if port == 0 {
            return Err(ProxyParseError::Host);
        }
        Ok(Self { kind, host: host.into(), port, credentials: credentials_of(&url)? })
    }
}

/// Reads the credentials of a URL, in which reserved characters are percent-encoded.
fn credentials_of(url: &Url) -> Result<Option<ProxyCredentials>, ProxyParseError> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok(None);
    }
    let decoded = |text: &str| {
        // A plus sign stands for itself here, unlike in a query.
        let pairs = text.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
        url::form_urlencoded::parse(pairs.as_bytes()).map(|(text, _)| text.into_owned()).collect::<String>()
    };
    let (user, password) = (decoded(url.username()), decoded(url.password().unwrap_or_default()));
    ProxyCredentials::new(&user, &password).map(Some)
}

impl ProxyCredentials {
    fn new(user: &str, password: &str) -> Result<Self, ProxyParseError> {
        /// The longest name and the longest password, as SOCKS 5 allows them.
        const LONGEST: usize = 255;
        let is_bad =
            |text: &str| text.is_empty() || text.len() > LONGEST || text.chars().any(char::is_control);
        if is_bad(user) || is_bad(password) || user.contains(':') {
            return Err(ProxyParseError::Credentials);
        }
        Ok(Self { user: user.into(), password: password.into() })
    }
}

impl FromStr for ProxyCredentials {
    type Err = ProxyParseError;

    /// Parses `user:password`, with nothing encoded.
    fn from_str(text: &str) -> Result<Self, ProxyParseError> {
        let (user, password) = text.trim().split_once(':').ok_or(ProxyParseError::Credentials)?;
        Self::new(user, password)
    }
}

impl PartialEq for ProxyCredentials {
    fn eq(&self, other: &Self) -> bool {
        self.user == other.user && self.password.expose_secret() == other.password.expose_secret()
    }
}

impl Eq for ProxyCredentials {}

impl fmt::Debug for ProxyCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProxyCredentials(redacted)")
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.kind {
            ProxyKind::Http => "http",
            ProxyKind::Https => "https",
            ProxyKind::Socks5 => "socks5",
        };
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{scheme}://{open}{}{close}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_shown_whole_and_without_its_credentials() {
        for (text, shown) in [
            ("http://proxy:3128", "http://proxy:3128"),
            ("proxy:3128", "http://proxy:3128"),
            ("HTTPS://Proxy/", "https://proxy:443"),
            ("socks5://10.0.0.1", "socks5://10.0.0.1:1080"),
            ("socks5h://[fd00::1]:9", "socks5://[fd00::1]:9"),
            ("http://me:hid%40den@proxy:80", "http://proxy:80"),
        ] {
            let proxy: Proxy = text.parse().unwrap();
            assert_eq!(proxy.to_string(), shown, "{text}");
            assert!(!format!("{proxy:?}").contains("hid"));
        }
    }

    #[test]
    fn credentials_are_decoded_in_a_url_and_literal_in_a_file() {
        let in_url: Proxy = "http://me:a%40b+c&d=e@proxy".parse().unwrap();
        let in_file = "me:a@b+c&d=e\n".parse().unwrap();
        assert_eq!(in_url, "http://proxy".parse::<Proxy>().unwrap().with_credentials(in_file));
    }

    #[test]
    fn what_is_no_proxy_is_refused() {
        for (text, error) in [
            ("", ProxyParseError::Malformed(url::ParseError::EmptyHost)),
            ("ftp://proxy", ProxyParseError::Scheme),
            ("http://proxy/path", ProxyParseError::Extra),
            ("http://proxy:0", ProxyParseError::Host),
            ("http://only@proxy", ProxyParseError::Credentials),
            ("http://me:a%0Ab@proxy", ProxyParseError::Credentials),
        ] {
            assert_eq!(text.parse::<Proxy>().unwrap_err(), error, "{text}");
        }
        for text in ["", "me", ":x", "me:", "me:a\nb"] {
            assert!(text.parse::<ProxyCredentials>().is_err(), "{text}");
        }
    }
}
