//! What to do about each way in which a server or a token can fail.

use matterhost_actors::mattermost::{DialError, DialErrorKind, RestError, RestErrorKind};

use super::CheckResult;

/// What is wrong when a REST question fails.
pub(super) fn explain_rest_error(error: &RestError) -> CheckResult {
    let remedy = match error.kind {
        RestErrorKind::Unreachable => {
            "is the address right, and does the server run? is a firewall in between?"
        }
        RestErrorKind::Timeout => {
            "ask again later; if it stays so, raise request_timeout or look at the server"
        }
        RestErrorKind::Tls => "for a certificate of your own authority, name its PEM file in ca_file",
        RestErrorKind::Unauthorized => {
            "enable the bot (System Console, or Integrations > Bot Accounts), or give it a new token"
        }
        RestErrorKind::RateLimited { .. } => "wait a little, or lower requests_per_second",
        RestErrorKind::NotFound => "is there a sub-path in the server's address? it belongs into url",
        RestErrorKind::Redirect => "write the address to which the server redirects into url",
        RestErrorKind::NotJson | RestErrorKind::BadBody => {
            "something else than Mattermost answers there: look at url, and at proxies in between"
        }
        RestErrorKind::TooLarge => "something else than Mattermost answers there: look at url",
        RestErrorKind::Server(_) => "look at the server's own log",
        RestErrorKind::Refused(_) => "look at the account's permissions, and at proxies in between",
    };
    failed(error.to_string(), remedy)
}

/// What is wrong when a WebSocket cannot be opened.
pub(super) fn explain_dial_error(error: &DialError) -> CheckResult {
    let remedy = match error.kind {
        DialErrorKind::Unreachable => {
            "REST works and the socket does not: look at firewalls and proxies in between"
        }
        DialErrorKind::Timeout => {
            "ask again later; if it stays so, raise connect_timeout or look at the server"
        }
        DialErrorKind::Tls => "for a certificate of your own authority, name its PEM file in ca_file",
        DialErrorKind::Refused { status: 429, .. } => "wait a little, or lower requests_per_second",
        DialErrorKind::Refused { .. } | DialErrorKind::NotWebSocket => {
            "a proxy before the server must pass WebSocket upgrades on (Connection and Upgrade headers)"
        }
        DialErrorKind::Redirect => "write the address to which the server redirects into url",
    };
    failed(error.to_string(), remedy)
}

/// What is wrong when the socket opens and does not speak.
pub(super) fn explain_missing_hello(problem: String) -> CheckResult {
    failed(problem, "a proxy before the server must pass WebSocket frames on; or the server took no token")
}

fn failed(problem: String, remedy: &str) -> CheckResult {
    CheckResult { ok: Some(false), problem: Some(problem), remedy: Some(remedy.into()), took_ms: None }
}
