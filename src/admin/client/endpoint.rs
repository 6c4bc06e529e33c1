//! Finds the address and the token of a running host.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
};

use matterhost_actors::mattermost::{Proxy, ServerUrl, Tls, proxy};

use super::{AdminArgs, RemoteError, TOKEN_VARIABLE};
use crate::{
    admin::generated_token,
    config::{self, AdminConfig, AdminToken, DEFAULT_FILE, ListenAddress, Sources},
};

/// The largest token or certificate file: a hundred times a token, ten times a certificate.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// The address of a running host's admin API, and the token for it.
#[derive(Debug)]
pub struct Endpoint {
    pub(super) transport: Transport,
    pub(super) token: Option<AdminToken>,
    /// True if the host of this user made the token, so that only that host may see it.
    pub(super) is_generated: bool,
    /// The file that should contain the token and the reason why it cannot be read, if the host refuses the request.
    pub(super) unread_token: Option<String>,
}

/// A way to reach the host.
#[derive(Debug)]
pub(super) enum Transport {
    Tcp { url: ServerUrl, tls: Option<Tls>, proxy: Option<Proxy> },
    Unix(PathBuf),
}

impl Endpoint {
    /// Finds the endpoint: from the flags, else from the environment, else from the configuration, else the default.
    ///
    /// A token from the configuration, or the one that a host with it generated, is only used for the address from the
    /// configuration, never for another one.
    ///
    /// # Errors
    /// When one of these is not valid, or a token would be sent unencrypted.
    pub fn resolve(args: &AdminArgs) -> Result<Self, RemoteError> {
        let environment = config::environment();
        let config = load_config(args, &environment)?;
        let ca_file = args.ca_file.as_deref();
        let own = configured_address(&config).and_then(|address| parse(&address, ca_file));
        let (transport, is_own) = match &args.admin {
            Some(address) => {
                let named = parse(address, ca_file)?;
                let is_own = own.is_ok_and(|own| own.same_as(&named));
                (named, is_own)
            }
            None => (own?, true),
        };
        let mut unread_token = None;
        let found = match (&args.token_file, environment.get(TOKEN_VARIABLE)) {
            (Some(file), _) => Some((parse_token(&read_file(file)?, &file.display().to_string())?, false)),
            (None, Some(text)) => Some((parse_token(text, TOKEN_VARIABLE)?, false)),
            (None, None) if is_own => own_token(config, &mut unread_token),
            (None, None) => None,
        };
        let (token, is_generated) =
            found.map_or((None, false), |(token, is_generated)| (Some(token), is_generated));
        // For its own address, the configuration has already vouched that the network is trusted.
        if token.is_some() && !is_own {
            require_confidential(&transport)?;
        }
        let lookup = |name: &str| environment.get(name).cloned();
        Ok(Self { transport: transport.with_proxy_of(lookup)?, token, is_generated, unread_token })
    }
}

impl Transport {
    /// Returns this with the proxy that the environment names for its address. Only TLS goes through one: an address
    /// without it is vouched for as a trusted network, of which a proxy is no part.
    fn with_proxy_of(self, lookup: impl Fn(&str) -> Option<String>) -> Result<Self, RemoteError> {
        match self {
            Self::Tcp { url, tls, .. } if url.is_tls() => {
                let found = proxy::from_environment(&url, lookup)
                    .map_err(|error| argument_error(&error.what(), &error.remedy()))?;
                Ok(Self::Tcp { url, tls, proxy: found.map(|(_, proxy)| proxy) })
            }
            Self::Tcp { .. } | Self::Unix(_) => Ok(self),
        }
    }

    /// True if both lead to the same address or socket.
    fn same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tcp { url, .. }, Self::Tcp { url: other, .. }) => {
                (url.is_tls(), host(url), url.port()) == (other.is_tls(), host(other), other.port())
            }
            (Self::Unix(path), Self::Unix(other)) => {
                path == other
                    || path.canonicalize().is_ok_and(|path| other.canonicalize().is_ok_and(|o| o == path))
            }
            (Self::Tcp { .. }, Self::Unix(_)) | (Self::Unix(_), Self::Tcp { .. }) => false,
        }
    }
}

/// Returns the host, with `localhost` as an address.
fn host(url: &ServerUrl) -> &str {
    if url.host() == "localhost" { "127.0.0.1" } else { url.host() }
}

/// Refuses an unencrypted connection to another machine: anyone on the network could read the token and use it.
fn require_confidential(transport: &Transport) -> Result<(), RemoteError> {
    let Transport::Tcp { url, .. } = transport else { return Ok(()) };
    let is_here = host(url).parse().is_ok_and(|address: IpAddr| address.is_loopback());
    if url.is_tls() || is_here {
        return Ok(());
    }
    Err(argument_error(
        &format!("the token would be sent to {url} unencrypted"),
        "use https:// or unix:; on a trusted network, select the host with --config FILE and without --admin",
    ))
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.transport {
            Transport::Tcp { url, .. } => url.fmt(f),
            Transport::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Returns the token of the configuration, or else the one that the host generated, and true for the latter.
fn own_token(config: AdminConfig, unread: &mut Option<String>) -> Option<(AdminToken, bool)> {
    let mut generated = || {
        let file = config.generated_token_file.as_deref().filter(|_| !config.allow_anonymous)?;
        let token = generated_token::read(file);
        token.map_err(|error| *unread = Some(format!("{}: {error}", file.display()))).ok()
    };
    let configured = |token: Option<AdminToken>| token.map(|token| (token, false));
    configured(config.token).or_else(|| Some((generated()?, true))).or_else(|| configured(config.read_token))
}

/// Loads the configuration, or the defaults if there is none. If `--admin` is given, an invalid one is ignored.
fn load_config(args: &AdminArgs, environment: &HashMap<String, String>) -> Result<AdminConfig, RemoteError> {
    let defaults = || AdminConfig::without_file(environment);
    if args.file.config.is_empty() && !Path::new(DEFAULT_FILE).exists() {
        return Ok(defaults());
    }
    let sources =
        Sources { files: args.file.find()?, environment: environment.clone(), ..Sources::default() };
    match AdminConfig::load(&sources) {
        Ok(config) => Ok(config),
        Err(_) if args.admin.is_some() => Ok(defaults()),
        Err(error) => Err(error.into()),
    }
}

/// Returns the address where a host with this configuration listens.
fn configured_address(config: &AdminConfig) -> Result<String, RemoteError> {
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    match &config.listen {
        Some(ListenAddress::Unix(path)) => Ok(format!("unix:{}", path.display())),
        Some(ListenAddress::Tcp { address, .. }) if address.port() == 0 => Err(argument_error(
            "admin.bind has port 0, so the system chooses the port",
            "give --admin ADDRESS; the host logs its address",
        )),
        Some(ListenAddress::Tcp { address, .. }) => Ok(format!("{scheme}://{}", reachable_address(*address))),
        None => Err(argument_error(
            "the admin API is disabled in the configuration",
            "set admin.enabled = true and restart the host",
        )),
    }
}

/// Replaces an unspecified address, on which a host listens everywhere, with the loopback address.
fn reachable_address(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn parse(address: &str, ca_file: Option<&Path>) -> Result<Transport, RemoteError> {
    if let Some(path) = address.strip_prefix("unix:") {
        return Ok(Transport::Unix(path.trim_start_matches("//").into()));
    }
    let url = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
    let url: ServerUrl = url.parse().map_err(|_| {
        argument_error(
            "--admin is not an address",
            "write it like 127.0.0.1:8466, https://ops.example.com:8466 or unix:/run/matterhost/admin.sock",
        )
    })?;
    let tls = if url.is_tls() { Some(tls(ca_file)?) } else { None };
    Ok(Transport::Tcp { url, tls, proxy: None })
}

fn tls(ca_file: Option<&Path>) -> Result<Tls, RemoteError> {
    let pem = ca_file.map(read_file).transpose()?;
    Tls::load(pem.as_deref().map(str::as_bytes))
        .map_err(|error| argument_error(&error.to_string(), "give a PEM file with --ca-file"))
}

fn parse_token(text: &str, from: &str) -> Result<AdminToken, RemoteError> {
    AdminToken::new(text)
        .map_err(|error| argument_error(&format!("{from}: {error}"), "it must contain only the token"))
}

fn read_file(file: &Path) -> Result<String, RemoteError> {
    use std::io::Read as _;
    let mut text = String::new();
    std::fs::File::open(file)
        .and_then(|opened| opened.take(MAX_FILE_BYTES).read_to_string(&mut text))
        .map_err(|error| {
            argument_error(&format!("{} cannot be read ({error})", file.display()), "give a readable file")
        })?;
    Ok(text)
}

fn argument_error(message: &str, remedy: &str) -> RemoteError {
    RemoteError::Argument { message: message.into(), remedy: remedy.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_as_people_write_them() {
        let shown = |address: &str| {
            let endpoint =
                |transport| Endpoint { transport, token: None, is_generated: false, unread_token: None };
            parse(address, None).map(|transport| endpoint(transport).to_string())
        };
        for (given, expected) in [
            ("127.0.0.1:8466", "http://127.0.0.1:8466"),
            ("http://[::1]:1", "http://[::1]:1"),
            ("ops.example.com:80/", "http://ops.example.com"),
            ("unix:/run/a.sock", "unix:/run/a.sock"),
            ("unix:///run/a.sock", "unix:/run/a.sock"),
        ] {
            assert_eq!(shown(given).unwrap(), expected, "{given}");
        }
        for bad in ["", "ftp://a", "http://user:pass@a", "a b"] {
            assert!(shown(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn different_spellings_are_the_same_endpoint() {
        let same = |one, other| parse(one, None).unwrap().same_as(&parse(other, None).unwrap());
        assert!(same("127.0.0.1:1", "http://localhost:1/") && same("unix:/a", "unix:///a"));
        for other in ["127.0.0.1:2", "https://127.0.0.1:1", "[::1]:1", "unix:/a"] {
            assert!(!same("127.0.0.1:1", other), "{other}");
        }
    }

    #[test]
    fn no_token_goes_to_another_machine_in_the_clear() {
        let open = |address| require_confidential(&parse(address, None).unwrap()).is_ok();
        for (address, is_open) in [
            ("127.0.0.2:1", true),
            ("localhost:1", true),
            ("[::1]:1", true),
            ("unix:/a", true),
            ("https://ops.example.com", true),
            ("ops.example.com:1", false),
            ("localhost.example.com:1", false),
            ("10.0.0.1:1", false),
        ] {
            assert_eq!(open(address), is_open, "{address}");
        }
    }

    #[test]
    fn only_tls_goes_through_a_proxy() {
        let proxy_of = |address: &str, exceptions: &str| {
            let lookup = |name: &str| match name {
                "ALL_PROXY" => Some("proxy:3128".to_owned()),
                "NO_PROXY" => Some(exceptions.to_owned()),
                _ => None,
            };
            match parse(address, None).unwrap().with_proxy_of(lookup).unwrap() {
                Transport::Tcp { proxy, .. } => proxy.map(|proxy| proxy.to_string()),
                Transport::Unix(_) => None,
            }
        };
        assert_eq!(proxy_of("https://ops.test:8466", "").as_deref(), Some("http://proxy:3128"));
        for (address, exceptions) in [
            ("https://ops.test:8466", "ops.test"),
            ("https://127.0.0.1:8466", ""),
            ("http://ops.test:8466", ""),
            ("10.0.0.1:8466", ""),
            ("unix:/run/a.sock", ""),
        ] {
            assert_eq!(proxy_of(address, exceptions), None, "{address}");
        }
        let broken =
            parse("https://ops.test", None).unwrap().with_proxy_of(|_| Some("ftp://u:hidden@p".into()));
        let message = broken.unwrap_err().to_string();
        assert!(message.contains("https_proxy") && !message.contains("hidden"), "{message}");
    }

    #[test]
    fn a_wildcard_address_is_reached_by_loopback() {
        for (bound, expected) in
            [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:2", "[::1]:2"), ("10.0.0.1:3", "10.0.0.1:3")]
        {
            assert_eq!(reachable_address(bound.parse().unwrap()).to_string(), expected);
        }
    }
}
