//! Where the running host is, and what opens its door.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
};

use matterhost_actors::mattermost::{ServerUrl, Tls};

use super::{AdminArgs, RemoteError, TOKEN_VARIABLE};
use crate::config::{self, AdminConfig, AdminToken, DEFAULT_BIND, DEFAULT_FILE, ListenAddress, Sources};

/// A token takes a hundredth, a certificate a tenth of it.
const LARGEST_FILE: u64 = 64 * 1024;

/// Where a running host is, and what opens its door.
#[derive(Debug)]
pub struct Endpoint {
    pub(super) transport: Transport,
    pub(super) token: Option<AdminToken>,
}

/// How it is reached.
#[derive(Debug)]
pub(super) enum Transport {
    Tcp { url: ServerUrl, tls: Option<Tls> },
    Unix(PathBuf),
}

impl Endpoint {
    /// The one that the command line means: what it says itself, else what a variable says, else what the configuration
    /// says, else the usual place.
    ///
    /// A token of the configuration is for the host of the configuration alone: another address does not get it.
    ///
    /// # Errors
    /// When one of these cannot be used, or a token would travel in the clear.
    pub fn resolve(args: &AdminArgs) -> Result<Self, RemoteError> {
        let environment = config::environment();
        let config = configured(args, &environment)?;
        let ca_file = args.ca_file.as_deref();
        let own = config.as_ref().map(|config| parse(&of(config)?, ca_file));
        let (transport, is_own) = match (&args.admin, own) {
            (Some(address), own) => {
                let named = parse(address, ca_file)?;
                let is_own = own.is_some_and(|own| own.is_ok_and(|own| own.same_as(&named)));
                (named, is_own)
            }
            (None, Some(own)) => (own?, true),
            (None, None) => (parse(DEFAULT_BIND, ca_file)?, false),
        };
        let token = match (&args.token_file, environment.get(TOKEN_VARIABLE)) {
            (Some(file), _) => Some(token(&read(file)?, &file.display().to_string())?),
            (None, Some(text)) => Some(token(text, TOKEN_VARIABLE)?),
            (None, None) => config.filter(|_| is_own).and_then(|config| config.token.or(config.read_token)),
        };
        // Of its own address the configuration has said that the way there is secret.
        if token.is_some() && !is_own {
            refuse_open_way(&transport)?;
        }
        Ok(Self { transport, token })
    }
}

impl Transport {
    /// Whether both are the same place.
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

/// A host by its address, where it is this machine.
fn host(url: &ServerUrl) -> &str {
    if url.host() == "localhost" { "127.0.0.1" } else { url.host() }
}

/// Whoever is on the way would read a token, and could use it.
fn refuse_open_way(transport: &Transport) -> Result<(), RemoteError> {
    let Transport::Tcp { url, .. } = transport else { return Ok(()) };
    let is_here = host(url).parse().is_ok_and(|address: IpAddr| address.is_loopback());
    if url.is_tls() || is_here {
        return Ok(());
    }
    Err(argument(
        &format!("the token would travel to {url} in the clear"),
        "say https:// or unix:; where the way is secret, name that host by its configuration with --config FILE alone",
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

/// What the configuration says, if there is one. When the address is given, one that is not named need not be usable.
fn configured(
    args: &AdminArgs,
    environment: &HashMap<String, String>,
) -> Result<Option<AdminConfig>, RemoteError> {
    if args.file.config.is_none() && !Path::new(DEFAULT_FILE).exists() {
        return Ok(None);
    }
    let sources = Sources { file: args.file.find()?, environment: environment.clone(), flags: Vec::new() };
    match AdminConfig::load(&sources) {
        Ok(config) => Ok(Some(config)),
        Err(_) if args.admin.is_some() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Where a host with this configuration listens.
fn of(config: &AdminConfig) -> Result<String, RemoteError> {
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    match &config.listen {
        Some(ListenAddress::Unix(path)) => Ok(format!("unix:{}", path.display())),
        Some(ListenAddress::Tcp { address, .. }) if address.port() == 0 => Err(argument(
            "admin.bind lets the system choose a port",
            "give --admin ADDRESS; the log of the host tells it",
        )),
        Some(ListenAddress::Tcp { address, .. }) => Ok(format!("{scheme}://{}", here(*address))),
        None => Err(argument(
            "the configuration turns the admin API off",
            "set admin.enabled = true and restart the host",
        )),
    }
}

/// What listens everywhere is reached here.
fn here(address: SocketAddr) -> SocketAddr {
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
        argument(
            "--admin is no address",
            "write it like 127.0.0.1:8466, https://ops.example.com:8466 or unix:/run/matterhost/admin.sock",
        )
    })?;
    let tls = if url.is_tls() { Some(tls(ca_file)?) } else { None };
    Ok(Transport::Tcp { url, tls })
}

fn tls(ca_file: Option<&Path>) -> Result<Tls, RemoteError> {
    let pem = ca_file.map(read).transpose()?;
    Tls::load(pem.as_deref().map(str::as_bytes))
        .map_err(|error| argument(&error.to_string(), "give a PEM file with --ca-file"))
}

fn token(text: &str, from: &str) -> Result<AdminToken, RemoteError> {
    AdminToken::new(text)
        .map_err(|error| argument(&format!("{from}: {error}"), "put the token there, and nothing else"))
}

fn read(file: &Path) -> Result<String, RemoteError> {
    use std::io::Read as _;
    let mut text = String::new();
    std::fs::File::open(file)
        .and_then(|opened| opened.take(LARGEST_FILE).read_to_string(&mut text))
        .map_err(|error| {
            argument(&format!("{} cannot be read ({error})", file.display()), "name a readable file")
        })?;
    Ok(text)
}

fn argument(message: &str, remedy: &str) -> RemoteError {
    RemoteError::Argument { message: message.into(), remedy: remedy.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_as_people_write_them() {
        let shown = |address: &str| {
            parse(address, None).map(|transport| Endpoint { transport, token: None }.to_string())
        };
        for (given, meant) in [
            ("127.0.0.1:8466", "http://127.0.0.1:8466"),
            ("http://[::1]:1", "http://[::1]:1"),
            ("ops.example.com:80/", "http://ops.example.com"),
            ("unix:/run/a.sock", "unix:/run/a.sock"),
            ("unix:///run/a.sock", "unix:/run/a.sock"),
        ] {
            assert_eq!(shown(given).unwrap(), meant, "{given}");
        }
        for bad in ["", "ftp://a", "http://user:pass@a", "a b"] {
            assert!(shown(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_place_is_the_same_however_it_is_written() {
        let is = |one, other| parse(one, None).unwrap().same_as(&parse(other, None).unwrap());
        assert!(is("127.0.0.1:1", "http://localhost:1/") && is("unix:/a", "unix:///a"));
        for other in ["127.0.0.1:2", "https://127.0.0.1:1", "[::1]:1", "unix:/a"] {
            assert!(!is("127.0.0.1:1", other), "{other}");
        }
    }

    #[test]
    fn no_token_goes_to_another_machine_in_the_clear() {
        let open = |address| refuse_open_way(&parse(address, None).unwrap()).is_ok();
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
    fn what_listens_everywhere_is_asked_here() {
        for (bound, asked) in
            [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:2", "[::1]:2"), ("10.0.0.1:3", "10.0.0.1:3")]
        {
            assert_eq!(here(bound.parse().unwrap()).to_string(), asked);
        }
    }
}
