//! A remedy for each way in which a server or a token can fail.

use matterhost_actors::{
    mattermost::{DialError, DialErrorKind, RestError, RestErrorKind},
    model::Excerpt,
};

use super::report::CheckResult;

/// The remedy for a failure of TLS or a proxy that tells none itself.
const TLS_REMEDY: &str = "look at the TLS settings of the server and of proxies in between";
const PROXY_REMEDY: &str = "look at the settings and the log of the proxy";

/// Describes a failed REST request.
pub(super) fn explain_rest_error(error: &RestError) -> CheckResult {
    let remedy = match error.kind {
        RestErrorKind::Unreachable => {
            "check the server's address, that the server is running, and firewalls in between"
        }
        RestErrorKind::Timeout => {
            "try again later; if it persists, raise request_timeout or check the server"
        }
        RestErrorKind::Tls => TLS_REMEDY,
        RestErrorKind::Proxy => PROXY_REMEDY,
        RestErrorKind::Unauthorized => {
            "enable the bot (System Console, or Integrations > Bot Accounts), or give it a new token"
        }
        RestErrorKind::RateLimited { .. } => "wait a moment, or lower requests_per_second",
        RestErrorKind::NotFound => "if the server is served under a sub-path, add it to url",
        RestErrorKind::Redirect => "set url to the address that the server redirects to",
        RestErrorKind::NotJson | RestErrorKind::BadBody => {
            "something other than Mattermost answers there: check url, and proxies in between"
        }
        RestErrorKind::TooLarge => "something other than Mattermost answers there: check url",
        RestErrorKind::Server(_) => "look at the server's own log",
        RestErrorKind::Refused(_) => "check the account's permissions, and proxies in between",
    };
    failure(Excerpt::of(error).into(), error.remedy().as_deref().unwrap_or(remedy))
}

/// Describes a WebSocket that cannot be opened.
pub(super) fn explain_dial_error(error: &DialError) -> CheckResult {
    let remedy = match error.kind {
        DialErrorKind::Unreachable => {
            "REST works and the socket does not: check firewalls and proxies in between"
        }
        DialErrorKind::Timeout => {
            "try again later; if it persists, raise connect_timeout or check the server"
        }
        DialErrorKind::Tls => TLS_REMEDY,
        DialErrorKind::Proxy => PROXY_REMEDY,
        DialErrorKind::Refused { status: 429, .. } => "wait a moment, or lower requests_per_second",
        DialErrorKind::Refused { .. } | DialErrorKind::NotWebSocket => {
            "a proxy in front of the server must forward WebSocket upgrades (Connection and Upgrade headers)"
        }
        DialErrorKind::Redirect => "set url to the address that the server redirects to",
    };
    failure(Excerpt::of(error).into(), error.remedy().as_deref().unwrap_or(remedy))
}

/// Describes a WebSocket that opens but sends no hello.
pub(super) fn explain_missing_hello(problem: &str) -> CheckResult {
    failure(
        Excerpt::of(problem).into(),
        "a proxy in front of the server must forward WebSocket frames; or the server rejected the token",
    )
}

fn failure(problem: String, remedy: &str) -> CheckResult {
    CheckResult { ok: Some(false), problem: Some(problem), remedy: Some(remedy.into()), took_ms: None }
}
