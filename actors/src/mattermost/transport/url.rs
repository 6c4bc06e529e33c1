//! A server's address: checked once, then only built upon.

use std::{fmt, str::FromStr};

use awc::http::{Uri, uri::InvalidUri};
use url::{Host, Url, form_urlencoded};

use crate::model::ResumePoint;

/// What every REST route of Mattermost begins with.
const API: &str = "/api/v4";

/// The address of a Mattermost server: scheme, host, port, and a sub-path if it has one.
///
/// Parsed from `https://chat.example.com`, `http://[::1]:8065/`, `https://example.com/chat`. It never
/// holds a secret, so it can be shown.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServerUrl {
    tls: bool,
    /// As certificates and resolvers know it: an IPv6 address stands without brackets.
    host: Box<str>,
    /// As the `Host` header shows it: brackets, and the port unless it is the scheme's own.
    authority: Box<str>,
    port: u16,
    /// Empty, or beginning with a slash and not ending in one.
    path: Box<str>,
}

/// Why a text is no server address, and how to mend it. The text itself is left out: it may hold a
/// password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It does not parse as a URL.
    #[error("this is no URL: {0}; write it like https://chat.example.com")]
    Malformed(url::ParseError),
    /// The scheme is missing, or is another one.
    #[error("the scheme is not http or https; write it like https://chat.example.com")]
    Scheme,
    /// There is a user name or a password in it.
    #[error("there are credentials in the URL; leave out what stands before the @, the token is enough")]
    Credentials,
    /// There is a `?` part.
    #[error("there is a query in the URL; leave out the ? and what follows")]
    Query,
    /// There is a `#` part.
    #[error("there is a fragment in the URL; leave out the # and what follows")]
    Fragment,
    /// It names the API rather than the site.
    #[error("the URL names the API; leave out /api/v4 and what follows")]
    ApiPath,
    /// The port is 0.
    #[error("the port is 0; leave it out, or write the server's own")]
    Port,
    /// There is a character in it that no request line can hold.
    #[error("there is a character in the URL that HTTP does not allow; percent-encode it")]
    Character,
}

impl ServerUrl {
    /// The address of a REST route, which begins with a slash and may have a query.
    ///
    /// # Errors
    ///
    /// When the route holds a character that no request line can hold.
    pub fn api(&self, route: &str) -> Result<Uri, InvalidUri> {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}{}{API}{route}", self.authority, self.path).parse()
    }

    /// The address to dial. Resuming needs the connection's id and the next sequence number wanted
    /// (fact 10).
    ///
    /// # Errors
    ///
    /// Never in practice: what a server said is percent-encoded.
    pub fn websocket(&self, resume: Option<&ResumePoint>) -> Result<Uri, InvalidUri> {
        let scheme = if self.tls { "wss" } else { "ws" };
        let query = resume.map(query).unwrap_or_default();
        format!("{scheme}://{}{}{API}/websocket{query}", self.authority, self.path).parse()
    }

    /// A REST route as the HTTP client is asked for it: with the scheme of a plain stream, for TLS is
    /// beneath it (see `transport`).
    pub(in crate::mattermost) fn plain_api(&self, route: &str) -> Result<Uri, InvalidUri> {
        format!("http://{}{}{API}{route}", self.authority, self.path).parse()
    }

    /// The host's name or address; an IPv6 address stands without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, also when the URL left it out.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether the server is spoken to over TLS.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// What the `Host` header says.
    pub(in crate::mattermost) fn authority(&self) -> &str {
        &self.authority
    }
}

/// What a server said, made fit for a path or a query.
pub(in crate::mattermost) fn percent_encode(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn query(resume: &ResumePoint) -> String {
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
