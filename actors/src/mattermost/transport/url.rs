//! The address of a server, checked once.

use std::{borrow::Cow, fmt, str::FromStr};

use awc::http::{Uri, uri::InvalidUri};
use url::{Host, Url, form_urlencoded};

use crate::model::ResumePoint;

/// The prefix of Mattermost's REST routes.
const API: &str = "/api/v4";

/// The route for later answers to slash commands, which stands beside the API.
pub(in crate::mattermost) const RESPONSE_PATH: &str = "/hooks/commands/";

/// The address of a Mattermost server: scheme, host, port, and a sub-path if it has one.
///
/// It is parsed from, for example, `https://chat.example.com`, `http://[::1]:8065/` or
/// `https://example.com/chat`. It never contains a secret, so it can be shown.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServerUrl {
    tls: bool,
    /// The host for certificates and resolvers: an IPv6 address has no brackets.
    host: Box<str>,
    /// The value of the `Host` header: with brackets, and with the port unless it is the scheme's default.
    authority: Box<str>,
    port: u16,
    /// The sub-path: empty, or with a leading slash and no trailing one.
    path: Box<str>,
}

/// A text that is not a server address. The error does not contain the text, which may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}; {}", self.what(), self.remedy())]
pub enum UrlError {
    /// It does not parse as a URL.
    Malformed(url::ParseError),
    /// The scheme is missing or not supported.
    Scheme,
    /// The URL contains a user name or a password.
    Credentials,
    /// The URL has a `?` part.
    Query,
    /// The URL has a `#` part.
    Fragment,
    /// The URL names the API rather than the site.
    ApiPath,
    /// The port is 0.
    Port,
    /// The URL contains a character that HTTP does not allow.
    Character,
}

impl UrlError {
    /// Describes the problem.
    pub fn what(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Malformed(error) => return format!("this is not a URL: {error}").into(),
            Self::Scheme => "the scheme is not http or https",
            Self::Credentials => "there are credentials in the URL",
            Self::Query => "there is a query in the URL",
            Self::Fragment => "there is a fragment in the URL",
            Self::ApiPath => "the URL names the API",
            Self::Port => "the port is 0",
            Self::Character => "there is a character in the URL that HTTP does not allow",
        })
    }

    /// Describes the way to fix it.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Malformed(_) | Self::Scheme => "write it like https://chat.example.com",
            Self::Credentials => "remove the part before the @; the token is enough",
            Self::Query => "remove the ? and everything after it",
            Self::Fragment => "remove the # and everything after it",
            Self::ApiPath => "remove /api/v4 and everything after it",
            Self::Port => "remove it, or use the server's own",
            Self::Character => "percent-encode it",
        }
    }
}

impl ServerUrl {
    /// Returns the address of a REST route, which begins with a slash and may have a query.
    ///
    /// # Errors
    ///
    /// Fails if the route contains a character that HTTP does not allow.
    pub fn api(&self, route: &str) -> Result<Uri, InvalidUri> {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}{}{API}{route}", self.authority, self.path).parse()
    }

    /// Returns the address of the WebSocket. To resume, it contains the connection's id and the next expected
    /// sequence number (fact 10).
    ///
    /// # Errors
    ///
    /// Never in practice: the connection's id is percent-encoded.
    pub fn websocket(&self, resume: Option<&ResumePoint>) -> Result<Uri, InvalidUri> {
        let scheme = if self.tls { "wss" } else { "ws" };
        let query = resume.map(resume_query).unwrap_or_default();
        format!("{scheme}://{}{}{API}/websocket{query}", self.authority, self.path).parse()
    }

    /// Returns the address of a REST route for the HTTP client: with the scheme of a plain stream, because
    /// TLS is added beneath it (see `transport`).
    pub(in crate::mattermost) fn plain_api(&self, route: &str) -> Result<Uri, InvalidUri> {
        let base = if route.starts_with(RESPONSE_PATH) { "" } else { API };
        format!("http://{}{}{base}{route}", self.authority, self.path).parse()
    }

    /// Returns the host's name or address; an IPv6 address has no brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port; the scheme's default if the URL has none.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// True if the connection uses TLS.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// Returns the value of the `Host` header.
    pub(in crate::mattermost) fn authority(&self) -> &str {
        &self.authority
    }
}

/// Percent-encodes a text for a path or a query.
pub(in crate::mattermost) fn percent_encode(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn resume_query(resume: &ResumePoint) -> String {
    let id = percent_encode(&resume.connection_id);
    format!("?connection_id={id}&sequence_number={}", resume.next_seq)
}

impl FromStr for ServerUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let url = Url::parse(text.trim()).map_err(|error| match error {
            url::ParseError::RelativeUrlWithoutBase => UrlError::Scheme,
            error => UrlError::Malformed(error),
        })?;
        refuse_extras(&url)?;
        let server = Self::from_url(&url)?;
        server.api("/").map_err(|_| UrlError::Character)?;
        Ok(server)
    }
}

impl ServerUrl {
    fn from_url(url: &Url) -> Result<Self, UrlError> {
        let tls = url.scheme() == "https";
        let (host, shown) = match url.host().ok_or(UrlError::Malformed(url::ParseError::EmptyHost))? {
            Host::Domain(name) => (name.to_owned(), name.to_owned()),
            Host::Ipv4(address) => (address.to_string(), address.to_string()),
            Host::Ipv6(address) => (address.to_string(), format!("[{address}]")),
        };
        let authority = match url.port() {
            Some(0) => return Err(UrlError::Port),
            Some(port) => format!("{shown}:{port}"),
            None => shown,
        };
        Ok(Self {
            tls,
            host: host.into(),
            authority: authority.into(),
            port: url.port_or_known_default().unwrap_or(if tls { 443 } else { 80 }),
            path: url.path().trim_end_matches('/').into(),
        })
    }
}

fn refuse_extras(url: &Url) -> Result<(), UrlError> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(UrlError::Scheme);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UrlError::Credentials);
    }
    if url.query().is_some() {
        return Err(UrlError::Query);
    }
    if url.fragment().is_some() {
        return Err(UrlError::Fragment);
    }
    if url.path().trim_end_matches('/').ends_with(API) || url.path().contains("/api/v4/") {
        return Err(UrlError::ApiPath);
    }
    Ok(())
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.path)
    }
}

#[cfg(test)]
mod tests;
