//! Who asks, and what they may.

use std::{
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use actix_web::http::{
    Uri,
    header::{AUTHORIZATION, HOST, HeaderMap, ORIGIN},
    uri::Authority,
};
use matterhost_actors::policy::TokenBucket;

use super::api_error::ApiError;
use crate::config::{AdminConfig, AdminToken};

/// Wrong tokens a second, of everybody together, that are told so: as many tools may show an old one. More are told to
/// wait, but the right one is taken at any time: what keeps out who guesses is the length of a token.
const WRONG_TOKENS_PER_SECOND: f64 = 25.0;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Caller {
    /// Whether they may change something.
    pub(super) may_change: bool,
    /// Whether they showed a token.
    pub(super) authenticated: bool,
}

/// What is asked of callers.
#[derive(Debug)]
pub(super) struct Authenticator {
    full: Option<AdminToken>,
    read: Option<AdminToken>,
    hosts: Vec<String>,
    wrong: Mutex<TokenBucket>,
}

impl Authenticator {
    pub(super) fn new(config: &AdminConfig) -> Self {
        Self {
            full: config.token.clone(),
            read: config.read_token.clone(),
            hosts: config.hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
            wrong: Mutex::new(TokenBucket::new(Instant::now(), WRONG_TOKENS_PER_SECOND)),
        }
    }

    /// Who shows this header. Without any token in the configuration everybody who gets here may do everything.
    pub(super) fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, ApiError> {
        if self.full.is_none() && self.read.is_none() {
            return Ok(Caller { may_change: true, authenticated: false });
        }
        let Some(shown) = headers.get(AUTHORIZATION) else {
            return Err(ApiError::unauthorized("show a token: Authorization: Bearer …"));
        };
        let shown = shown.to_str().ok().and_then(bearer).unwrap_or_default();
        let is = |token: &Option<AdminToken>| token.as_ref().is_some_and(|token| token.matches(shown));
        // Both are compared: which of them it is shows in no time.
        match (is(&self.full), is(&self.read)) {
            (true, _) => Ok(Caller { may_change: true, authenticated: true }),
            (false, true) => Ok(Caller { may_change: false, authenticated: true }),
            (false, false) => Err(self.wrong_token()),
        }
    }

    fn wrong_token(&self) -> ApiError {
        match self.wrong.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now()) {
            Ok(()) => ApiError::unauthorized("this token is not known here"),
            Err(wait) => {
                ApiError::too_many_requests("too many wrong tokens", wait.max(Duration::from_secs(1)))
            }
        }
    }

    /// Refuses a name of somebody else's that was made to mean this machine (DNS rebinding). An address cannot be made to
    /// mean another.
    pub(super) fn check_host_name(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), ApiError> {
        let name = without_port(host(uri, headers)).to_ascii_lowercase();
        if !(is_address(&name) || name == "localhost" || self.hosts.contains(&name)) {
            return Err(ApiError::misdirected(format!(
                "{name:?} is no name of this host; call it by its address, or add the name to admin.hosts"
            )));
        }
        Ok(())
    }

    /// Refuses what a page of another site makes a browser ask.
    pub(super) fn check_same_site(uri: &Uri, headers: &HeaderMap) -> Result<(), ApiError> {
        let host = host(uri, headers);
        let site = headers.get("sec-fetch-site").and_then(|site| site.to_str().ok());
        let foreign =
            headers.get(ORIGIN).is_some_and(|origin| !is_same(origin.to_str().unwrap_or_default(), host));
        if foreign || matches!(site, Some("cross-site" | "same-site")) {
            return Err(ApiError::forbidden("pages of other sites may ask nothing here"));
        }
        Ok(())
    }
}

/// Whom a request is for: what a whole address says goes before the header.
fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> &'a str {
    let header = || headers.get(HOST).map(|host| host.to_str().unwrap_or("?"));
    uri.authority().map(Authority::as_str).or_else(header).unwrap_or_default()
}

/// What stands behind `Bearer`.
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn without_port(host: &str) -> &str {
    if host.starts_with('[') {
        return host.split_once(']').map_or(host, |(address, _)| &address[1..]);
    }
    host.split_once(':').map_or(host, |(name, _)| name)
}

fn is_address(name: &str) -> bool {
    // A Unix socket has no name, and clients put nothing there.
    name.is_empty() || name.parse::<IpAddr>().is_ok()
}

fn is_same(origin: &str, host: &str) -> bool {
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

    const FULL: &str = "full-0123456789abcdef";
    const READ: &str = "read-0123456789abcdef";

    fn keys(full: Option<&str>, read: Option<&str>) -> Authenticator {
        let token = |text: &str| AdminToken::new(text).unwrap();
        let wrong = Mutex::new(TokenBucket::new(Instant::now(), WRONG_TOKENS_PER_SECOND));
        Authenticator {
            full: full.map(token),
            read: read.map(token),
            hosts: vec!["ops.example.com".into()],
            wrong,
        }
    }

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let header = |(name, value): &(&str, &str)| {
            (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap())
        };
        pairs.iter().map(header).collect()
    }

    fn shown(keys: &Authenticator, authorization: &str) -> Result<(bool, bool), StatusCode> {
        let caller = keys.authenticate(&headers(&[("authorization", authorization)]));
        caller.map(|caller| (caller.may_change, caller.authenticated)).map_err(|refusal| refusal.status)
    }

    #[test]
    fn tokens_say_what_somebody_may() {
        let both = keys(Some(FULL), Some(READ));
        assert_eq!(shown(&both, &format!("Bearer {FULL}")), Ok((true, true)));
        assert_eq!(shown(&both, &format!("bearer  {READ}")), Ok((false, true)));
        assert_eq!(both.authenticate(&headers(&[])).unwrap_err().status, StatusCode::UNAUTHORIZED);
        for wrong in ["", "Bearer", "Bearer wrong", FULL, &format!("Basic {FULL}")] {
            assert!(shown(&both, wrong).is_err(), "{wrong}");
        }
        let looking = keys(None, Some(READ));
        assert_eq!(shown(&looking, &format!("Bearer {READ}")), Ok((false, true)));
        assert!(looking.authenticate(&headers(&[])).is_err(), "nobody may change anything");
        let open = keys(None, None).authenticate(&headers(&[])).unwrap();
        assert_eq!((open.may_change, open.authenticated), (true, false));
    }

    #[test]
    fn whoever_guesses_has_to_wait() {
        let keys = keys(Some(FULL), None);
        let statuses: Vec<_> = (0..20).map(|_| shown(&keys, "Bearer guess").unwrap_err()).collect();
        assert_eq!(statuses[0], StatusCode::UNAUTHORIZED);
        assert_eq!(statuses[19], StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(shown(&keys, &format!("Bearer {FULL}")), Ok((true, true)), "and nobody else has");
    }

    fn meant(keys: &Authenticator, uri: &str, pairs: &[(&str, &str)]) -> Result<(), StatusCode> {
        let (uri, headers) = (uri.parse().unwrap(), headers(pairs));
        let named = keys.check_host_name(&uri, &headers);
        named.and_then(|()| Authenticator::check_same_site(&uri, &headers)).map_err(|refusal| refusal.status)
    }

    #[test]
    fn what_an_address_says_goes_before_the_header() {
        let keys = keys(None, None);
        let origin = ("origin", "https://127.0.0.1:8466");
        assert_eq!(meant(&keys, "https://127.0.0.1:8466/v1/accounts", &[origin]), Ok(()), "a whole address");
        assert_eq!(meant(&keys, "https://127.0.0.1:9/", &[origin]), Err(StatusCode::FORBIDDEN));
        let here = ("host", "127.0.0.1");
        for uri in ["http://evil.example/", "http://evil.example:8466/"] {
            assert_eq!(meant(&keys, uri, &[here]), Err(StatusCode::MISDIRECTED_REQUEST), "{uri}");
        }
    }

    #[test]
    fn what_is_no_text_is_nobody() {
        let mut bytes = HeaderMap::new();
        bytes.insert(HOST, HeaderValue::from_bytes(b"\xff").unwrap());
        let refused = keys(None, None).check_host_name(&Uri::default(), &bytes).unwrap_err();
        assert_eq!(refused.status, StatusCode::MISDIRECTED_REQUEST);
    }

    #[test]
    fn only_names_of_this_host_are_answered_and_no_other_sites_pages() {
        let keys = keys(None, None);
        let meant = |pairs: &[(&str, &str)]| meant(&keys, "/", pairs);
        for host in
            ["127.0.0.1:8466", "[::1]:8466", "localhost:8466", "LOCALHOST", "10.0.0.7", "Ops.Example.com:80"]
        {
            assert_eq!(meant(&[("host", host)]), Ok(()), "{host}");
            let origin = format!("http://{host}");
            assert_eq!(meant(&[("host", host), ("origin", &origin)]), Ok(()), "{host}");
        }
        for host in ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8466"] {
            assert_eq!(meant(&[("host", host)]), Err(StatusCode::MISDIRECTED_REQUEST), "{host}");
        }
        let here = ("host", "127.0.0.1:8466");
        for origin in ["http://evil.example", "null", "http://127.0.0.1:9999", "ftp://127.0.0.1:8466"] {
            assert_eq!(meant(&[here, ("origin", origin)]), Err(StatusCode::FORBIDDEN), "{origin}");
        }
        assert_eq!(meant(&[here, ("sec-fetch-site", "cross-site")]), Err(StatusCode::FORBIDDEN));
        assert_eq!(meant(&[here, ("sec-fetch-site", "none")]), Ok(()));
    }
}
