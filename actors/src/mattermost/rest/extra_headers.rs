//! Headers that an operator adds to every request.

use std::fmt;

use actix_http::header::{HeaderName, HeaderValue};

/// The most headers: an access proxy wants two.
const MAX_HEADERS: usize = 16;

/// The longest name and value together: common servers accept 8 KiB for a head.
const MAX_HEADER_BYTES: usize = 4096;

/// The beginnings of names that the client sets itself, or that would change how a message is read.
const RESERVED: [&str; 16] = [
    "accept-encoding",
    "authorization",
    "connection",
    "content-",
    "cookie",
    "expect",
    "host",
    "if-",
    "keep-alive",
    "proxy-",
    "sec-websocket-",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

/// Headers for each request to a server and each dial, such as those of an access proxy. Their values cannot be
/// printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ExtraHeaders(Vec<(HeaderName, HeaderValue)>);

/// A text that is no such header. The error shows the name at most, never the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// There is no colon, or what precedes it is not a name.
    #[error("this is not a header of the form \"Name: value\"")]
    Malformed,
    /// The value has control characters or is too long.
    #[error("the value of {0} has control characters, or is longer than 4096 bytes")]
    Value(Box<str>),
    /// The header is set by the client.
    #[error("{0} cannot be set: the client sets it itself, or it changes how a message is read")]
    Reserved(Box<str>),
    /// There are too many, or one is there twice.
    #[error("{0} is there twice, or is the 17th header")]
    TooMany(Box<str>),
}

impl ExtraHeaders {
    /// Parses texts of the form `Name: value`.
    ///
    /// # Errors
    ///
    /// Fails if one is no header, is reserved, or is there twice.
    pub fn parse<'a>(lines: impl IntoIterator<Item = &'a str>) -> Result<Self, HeaderError> {
        let mut headers = Self::default();
        for line in lines {
            let (name, value) = parse_line(line)?;
            if headers.0.len() == MAX_HEADERS || headers.0.iter().any(|(other, _)| *other == name) {
                return Err(HeaderError::TooMany(name.as_str().into()));
            }
            headers.0.push((name, value));
        }
        Ok(headers)
    }

    pub(in crate::mattermost) fn iter(&self) -> impl Iterator<Item = &(HeaderName, HeaderValue)> {
        self.0.iter()
    }
}

fn parse_line(line: &str) -> Result<(HeaderName, HeaderValue), HeaderError> {
    let (name, value) = line.split_once(':').ok_or(HeaderError::Malformed)?;
    let name = HeaderName::try_from(name.trim()).map_err(|_| HeaderError::Malformed)?;
    let shown = || name.as_str().chars().take(64).collect::<String>().into();
    let is_reserved = |reserved: &str| match reserved.strip_suffix('-') {
        Some(_) => name.as_str().starts_with(reserved),
        None => name.as_str() == reserved,
    };
    if RESERVED.iter().any(|reserved| is_reserved(reserved)) {
        return Err(HeaderError::Reserved(shown()));
    }
    if name.as_str().len() + value.len() > MAX_HEADER_BYTES {
        return Err(HeaderError::Value(shown()));
    }
    let mut value = HeaderValue::try_from(value.trim()).map_err(|_| HeaderError::Value(shown()))?;
    value.set_sensitive(true);
    Ok((name, value))
}

impl fmt::Debug for ExtraHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_and_their_values_hidden() {
        let lines = ["CF-Access-Client-Id: abc.access", "cf-access-client-secret:hidden"];
        let headers = ExtraHeaders::parse(lines).unwrap();
        let read: Vec<_> =
            headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(read, [("cf-access-client-id", "abc.access"), ("cf-access-client-secret", "hidden")]);
        assert!(!format!("{headers:?}").contains("hidden"));
    }

    #[test]
    fn what_is_no_header_or_is_ours_is_refused_without_its_value() {
        for (line, expected) in [
            ("hidden", "form"),
            ("na me: hidden", "form"),
            ("Authorization: hidden", "authorization cannot be set"),
            ("Content-Length: hidden", "content-length cannot be set"),
            ("Sec-WebSocket-Key: hidden", "cannot be set"),
            ("x-a: hid\nden", "control"),
            ("x-b: 1\u{0}hidden", "control"),
        ] {
            let error = ExtraHeaders::parse([line]).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("hidden"), "{line}: {error}");
        }
        assert!(ExtraHeaders::parse([format!("x: {}", "a".repeat(5000)).as_str()]).is_err());
        assert!(ExtraHeaders::parse(["X-A: 1", "x-a: 2"]).is_err());
        let many: Vec<_> = (0..=MAX_HEADERS).map(|n| format!("x-{n}: 1")).collect();
        assert!(ExtraHeaders::parse(many.iter().map(String::as_str)).is_err());
    }
}
