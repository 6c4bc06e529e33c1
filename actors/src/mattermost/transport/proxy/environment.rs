//! The proxies that the environment names, as other programs understand it.

use std::net::IpAddr;

use super::{Proxy, ProxyParseError};
use crate::mattermost::ServerUrl;

/// The variables that name a proxy for `https` servers, in the usual order of precedence.
const FOR_HTTPS: [&str; 4] = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];

/// The variables that name a proxy for `http` servers, in the same order.
const FOR_HTTP: [&str; 4] = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];

/// The variables that list the hosts to reach without the proxy.
const EXCEPTIONS: [&str; 2] = ["no_proxy", "NO_PROXY"];

/// A variable for this server that names no proxy. The error does not contain the variable's value, which may hold a
/// password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}; {}", self.what(), self.remedy())]
pub struct ProxyError {
    /// The variable.
    pub variable: &'static str,
    /// The server's host.
    pub host: Box<str>,
    /// The mistake in it.
    pub error: ProxyParseError,
}

impl ProxyError {
    /// Describes the problem.
    pub fn what(&self) -> String {
        format!("{} names no proxy that can be used: {}", self.variable, self.error)
    }

    /// Describes the way to fix it.
    pub fn remedy(&self) -> String {
        format!("correct {}, or add {} to NO_PROXY if it can be reached directly", self.variable, self.host)
    }
}

/// Finds the proxy that the environment, which `lookup` reads, names for this server, and the variable that does.
///
/// As in other programs, hosts in `NO_PROXY` and loopback addresses bypass the proxy.
///
/// # Errors
///
/// Fails if a variable for this server names no proxy that can be used.
pub fn from_environment(
    url: &ServerUrl,
    lookup: impl Fn(&str) -> Option<String>,
) -> Result<Option<(&'static str, Proxy)>, ProxyError> {
    let variables = if url.is_tls() { FOR_HTTPS } else { FOR_HTTP };
    let value = |name| Some((name, lookup(name).filter(|value| !value.trim().is_empty())?));
    let Some((variable, value)) = variables.into_iter().find_map(value) else {
        return Ok(None);
    };
    let exceptions = EXCEPTIONS.into_iter().find_map(&lookup).unwrap_or_default();
    if is_loopback(url.host()) || exceptions.split([',', ' ']).any(|entry| covers(entry.trim(), url)) {
        return Ok(None);
    }
    match value.parse() {
        Ok(proxy) => Ok(Some((variable, proxy))),
        Err(error) => Err(ProxyError { variable, host: url.host().into(), error }),
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// True if an entry of `NO_PROXY` matches this server. An entry is `*`, a domain with its subdomains, an
/// address or a network; all but a network can have a port.
fn covers(entry: &str, url: &ServerUrl) -> bool {
    let entry = entry.to_ascii_lowercase();
    if let (Some((network, bits)), Ok(address)) = (entry.split_once('/'), url.host().parse()) {
        return network_contains(network, bits, address);
    }
    let bare = entry.strip_suffix(&format!(":{}", url.port())).unwrap_or(&entry);
    let bare = bare.trim_start_matches('[').trim_end_matches(']');
    let name = bare.trim_start_matches("*.").trim_start_matches('.');
    if bare == "*" || name == url.host() {
        return true;
    }
    !name.is_empty() && url.host().strip_suffix(name).is_some_and(|rest| rest.ends_with('.'))
}

fn network_contains(network: &str, bits: &str, address: IpAddr) -> bool {
    let (Ok(network), Ok(bits)) = (network.parse::<IpAddr>(), bits.parse::<u32>()) else {
        return false;
    };
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            let shift = 32u32.saturating_sub(bits);
            (network.to_bits() ^ address.to_bits()).checked_shr(shift).unwrap_or(0) == 0
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            let shift = 128u32.saturating_sub(bits);
            (network.to_bits() ^ address.to_bits()).checked_shr(shift).unwrap_or(0) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The proxy for a server in an environment, and the variable that names it.
    fn found(url: &str, env: &[(&str, &str)]) -> Option<(&'static str, String)> {
        let lookup = |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, v)| (*v).to_owned());
        let found = from_environment(&url.parse().unwrap(), lookup).unwrap()?;
        Some((found.0, found.1.to_string()))
    }

    #[test]
    fn the_variable_of_the_scheme_names_the_proxy() {
        let p = "http://user:hidden@proxy:3128";
        let named = |variable| Some((variable, "http://proxy:3128".to_owned()));
        assert_eq!(found("https://chat.test", &[]), None);
        assert_eq!(found("https://chat.test", &[("HTTPS_PROXY", p)]), named("HTTPS_PROXY"));
        assert_eq!(
            found("https://chat.test", &[("https_proxy", p), ("HTTPS_PROXY", "x")]),
            named("https_proxy")
        );
        assert_eq!(found("https://chat.test", &[("ALL_PROXY", p)]), named("ALL_PROXY"));
        assert_eq!(found("https://chat.test", &[("HTTP_PROXY", p)]), None);
        assert_eq!(found("http://chat.test", &[("HTTP_PROXY", p)]), named("HTTP_PROXY"));
        assert_eq!(found("http://chat.test", &[("HTTP_PROXY", " ")]), None);
        assert_eq!(found("http://chat.test", &[("HTTP_PROXY", "proxy:3128")]), named("HTTP_PROXY"));
    }

    #[test]
    fn exceptions_go_around_it() {
        let around = |url: &str, no: &str| found(url, &[("ALL_PROXY", "p"), ("NO_PROXY", no)]).is_none();
        for no in
            ["*", "chat.test", ".test", "*.test", "test", "a.b, chat.test", "chat.test:443", "CHAT.test"]
        {
            assert!(around("https://chat.test", no), "{no}");
        }
        for no in ["", "at.test", "other.test", "chat.test:80", "chat"] {
            assert!(!around("https://chat.test", no), "{no}");
        }
        assert!(around("https://10.1.2.3", "10.0.0.0/8") && !around("https://11.1.2.3", "10.0.0.0/8"));
        assert!(around("https://[fd00::1]", "fd00::/8") && !around("https://[fe00::1]", "fd00::/8"));
        assert!(around("https://10.1.2.3", "0.0.0.0/0") && around("https://[fd00::1]", "fd00::1"));
        for url in ["http://localhost:8065", "http://127.0.0.1", "http://[::1]:8065"] {
            assert!(around(url, ""), "{url}");
        }
    }

    #[test]
    fn a_value_that_is_no_proxy_is_refused_without_showing_it() {
        let lookup = |name: &str| (name == "ALL_PROXY").then(|| "ftp://u:hidden@p".to_owned());
        let error = from_environment(&"https://chat.test".parse().unwrap(), lookup).unwrap_err();
        assert_eq!(error.variable, "ALL_PROXY");
        let shown = format!("{} {} {error} {error:?}", error.what(), error.remedy());
        assert!(
            shown.contains("NO_PROXY") && shown.contains("chat.test") && !shown.contains("hidden"),
            "{shown}"
        );
    }
}
