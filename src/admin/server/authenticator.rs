//! Authenticates callers and checks that a request is meant for this host.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::http::{
    Uri,
    header::{AUTHORIZATION, HOST, HeaderMap, ORIGIN},
    uri::Authority,
};
use matterhost_actors::policy::TokenBucket;
use parking_lot::Mutex;

use super::{access::Access, api_error::ApiError};
use crate::config::{AdminConfig, TokenScope};

/// Wrong tokens per second, of all callers together, that get a 401; more get a 429. This many tools may still have an old
/// token. The right token always works: only its length protects against guessing.
const WRONG_TOKENS_PER_SECOND: f64 = 25.0;

/// The rights of a caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    /// True if the caller may change something.
    pub(super) may_change: bool,
    /// True if the caller sent a token.
    pub(super) authenticated: bool,
    /// The scope of its token.
    pub(super) scope: TokenScope,
}

/// The tokens and host names that requests are checked against.
#[derive(Debug)]
pub(super) struct Authenticator {
    access: Arc<Access>,
    hosts: Vec<String>,
    wrong: Mutex<TokenBucket>,
}

impl Authenticator {
    pub(super) fn new(config: &AdminConfig, access: Arc<Access>) -> Self {
        Self {
            access,
            hosts: config.hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
            wrong: Mutex::new(TokenBucket::new(Instant::now(), WRONG_TOKENS_PER_SECOND)),
        }
    }

    /// Returns the rights of the caller.
    pub(super) fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, ApiError> {
        if matches!(*self.access, Access::Anonymous) {
            return Ok(Caller { may_change: true, authenticated: false, scope: TokenScope::Full });
        }
        if !headers.contains_key(AUTHORIZATION) {
            return Err(ApiError::unauthorized("a token is required: send Authorization: Bearer TOKEN"));
        }
        let token = bearer_token(headers).unwrap_or_default();
        let scope = self.access.scope_of(token).ok_or_else(|| self.refuse("the token is not valid"))?;
        Ok(Caller { may_change: scope != TokenScope::Read, authenticated: true, scope })
    }

    /// Returns the error for a wrong token or code, within the rate for these.
    pub(super) fn refuse(&self, detail: &str) -> ApiError {
        match self.wrong.lock().take(Instant::now()) {
            Ok(()) => ApiError::unauthorized(detail),
            Err(wait) => {
                ApiError::too_many_requests("too many wrong tokens", wait.max(Duration::from_secs(1)))
            }
        }
    }

    /// Refuses foreign host names, which an attacker can point at this machine (DNS rebinding). Addresses are safe.
    pub(super) fn check_host_name(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), ApiError> {
        let name = without_port(host(uri, headers)).to_ascii_lowercase();
        if !(is_address(&name) || name == "localhost" || self.hosts.contains(&name)) {
            return Err(ApiError::misdirected(format!(
                "{name:?} is not a name of this host; use its address, or add the name to admin.hosts"
            )));
        }
        Ok(())
    }

    /// Refuses requests that a page of another site makes a browser send.
    pub(super) fn check_same_site(uri: &Uri, headers: &HeaderMap) -> Result<(), ApiError> {
        let host = host(uri, headers);
        let site = headers.get("sec-fetch-site").and_then(|site| site.to_str().ok());
        let foreign = headers
            .get(ORIGIN)
            .is_some_and(|origin| !is_same_origin(origin.to_str().unwrap_or_default(), host));
        if foreign || matches!(site, Some("cross-site" | "same-site")) {
            return Err(ApiError::forbidden("requests from pages of other sites are not allowed"));
        }
        Ok(())
    }
}

/// Returns the host that the request names; an absolute URI overrides the header.
fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> &'a str {
    let header = || headers.get(HOST).map(|host| host.to_str().unwrap_or("?"));
    uri.authority().map(Authority::as_str).or_else(header).unwrap_or_default()
}

/// Returns the token of a `Bearer` header.
pub(super) fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Returns the token of a `Bearer` header, which the error calls `what`. A request without one is no wrong guess.
pub(super) fn require_bearer_token<'a>(headers: &'a HeaderMap, what: &str) -> Result<&'a str, ApiError> {
    let missing = || ApiError::unauthorized(format!("{what} is required: send Authorization: Bearer TOKEN"));
    bearer_token(headers).ok_or_else(missing)
}

fn without_port(host: &str) -> &str {
    if host.starts_with('[') {
        return host.split_once(']').map_or(host, |(address, _)| &address[1..]);
    }
    host.split_once(':').map_or(host, |(name, _)| name)
}

fn is_address(name: &str) -> bool {
    // Clients of a Unix socket may send an empty host.
    name.is_empty() || name.parse::<IpAddr>().is_ok()
}

fn is_same_origin(origin: &str, host: &str) -> bool {
    let stripped = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    stripped.is_some_and(|origin| origin.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use actix_web::http::{
        StatusCode,
        header::{HeaderName, HeaderValue},
    };

    use super::*;
    use crate::config::AdminToken;

    const FULL: &str = "full-0123456789abcdef";
    const READ: &str = "read-0123456789abcdef";

    fn authenticator(access: Access) -> Authenticator {
        let config = AdminConfig { hosts: vec!["ops.example.com".into()], ..AdminConfig::default() };
        Authenticator::new(&config, Arc::new(access))
    }

    /// Requires the full token, or the read token if there is one.
    fn closed(read: Option<&str>) -> Authenticator {
        let token = |text: &str| AdminToken::new(text).unwrap();
        authenticator(Access::Tokens {
            full: token(FULL),
            read: read.map(token),
            scoped: Vec::new(),
            is_generated: false,
        })
    }

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let header = |(name, value): &(&str, &str)| {
            (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap())
        };
        pairs.iter().map(header).collect()
    }

    fn rights(authenticator: &Authenticator, authorization: &str) -> Result<(bool, bool), StatusCode> {
        let caller = authenticator.authenticate(&headers(&[("authorization", authorization)]));
        caller.map(|caller| (caller.may_change, caller.authenticated)).map_err(|error| error.status)
    }

    #[test]
    fn each_token_grants_its_rights() {
        let both = closed(Some(READ));
        assert_eq!(rights(&both, &format!("Bearer {FULL}")), Ok((true, true)));
        assert_eq!(rights(&both, &format!("bearer  {READ}")), Ok((false, true)));
        assert_eq!(both.authenticate(&headers(&[])).unwrap_err().status, StatusCode::UNAUTHORIZED);
        for wrong in ["", "Bearer", "Bearer wrong", FULL, &format!("Basic {FULL}")] {
            assert!(rights(&both, wrong).is_err(), "{wrong}");
        }
        let full_only = closed(None);
        assert_eq!(rights(&full_only, &format!("Bearer {FULL}")), Ok((true, true)));
        for wrong in [READ, ""] {
            assert!(rights(&full_only, &format!("Bearer {wrong}")).is_err(), "{wrong}");
        }
        assert!(full_only.authenticate(&headers(&[])).is_err(), "without a token");
        let open = authenticator(Access::Anonymous).authenticate(&headers(&[])).unwrap();
        assert_eq!((open.may_change, open.authenticated), (true, false));
    }

    #[test]
    fn wrong_tokens_are_rate_limited() {
        let keys = closed(None);
        let statuses: Vec<_> = (0..20).map(|_| rights(&keys, "Bearer guess").unwrap_err()).collect();
        assert_eq!(statuses[0], StatusCode::UNAUTHORIZED);
        assert_eq!(statuses[19], StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(rights(&keys, &format!("Bearer {FULL}")), Ok((true, true)), "the right token still works");
    }

    fn check(keys: &Authenticator, uri: &str, pairs: &[(&str, &str)]) -> Result<(), StatusCode> {
        let (uri, headers) = (uri.parse().unwrap(), headers(pairs));
        let host = keys.check_host_name(&uri, &headers);
        host.and_then(|()| Authenticator::check_same_site(&uri, &headers)).map_err(|error| error.status)
    }

    #[test]
    fn the_host_of_an_absolute_uri_overrides_the_header() {
        let keys = authenticator(Access::Anonymous);
        let origin = ("origin", "https://127.0.0.1:8466");
        assert_eq!(check(&keys, "https://127.0.0.1:8466/v1/accounts", &[origin]), Ok(()), "an absolute URI");
        assert_eq!(check(&keys, "https://127.0.0.1:9/", &[origin]), Err(StatusCode::FORBIDDEN));
        let here = ("host", "127.0.0.1");
        for uri in ["http://evil.example/", "http://evil.example:8466/"] {
            assert_eq!(check(&keys, uri, &[here]), Err(StatusCode::MISDIRECTED_REQUEST), "{uri}");
        }
    }

    #[test]
    fn a_host_name_that_is_no_text_is_refused() {
        let mut bytes = HeaderMap::new();
        bytes.insert(HOST, HeaderValue::from_bytes(b"\xff").unwrap());
        let refused = authenticator(Access::Anonymous).check_host_name(&Uri::default(), &bytes).unwrap_err();
        assert_eq!(refused.status, StatusCode::MISDIRECTED_REQUEST);
    }

    #[test]
    fn only_names_of_this_host_are_answered_and_no_other_sites_pages() {
        let keys = authenticator(Access::Anonymous);
        let check = |pairs: &[(&str, &str)]| check(&keys, "/", pairs);
        for host in
            ["127.0.0.1:8466", "[::1]:8466", "localhost:8466", "LOCALHOST", "10.0.0.7", "Ops.Example.com:80"]
        {
            assert_eq!(check(&[("host", host)]), Ok(()), "{host}");
            let origin = format!("http://{host}");
            assert_eq!(check(&[("host", host), ("origin", &origin)]), Ok(()), "{host}");
        }
        for host in ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8466"] {
            assert_eq!(check(&[("host", host)]), Err(StatusCode::MISDIRECTED_REQUEST), "{host}");
        }
        let here = ("host", "127.0.0.1:8466");
        for origin in ["http://evil.example", "null", "http://127.0.0.1:9999", "ftp://127.0.0.1:8466"] {
            assert_eq!(check(&[here, ("origin", origin)]), Err(StatusCode::FORBIDDEN), "{origin}");
        }
        assert_eq!(check(&[here, ("sec-fetch-site", "cross-site")]), Err(StatusCode::FORBIDDEN));
        assert_eq!(check(&[here, ("sec-fetch-site", "none")]), Ok(()));
    }
}
