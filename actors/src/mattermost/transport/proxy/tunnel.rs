//! The tunnel through a proxy: CONNECT of HTTP (RFC 9110, section 9.3.6), or SOCKS 5.

use std::{fmt, io};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use secrecy::{ExposeSecret as _, zeroize::Zeroizing};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_socks::tcp::Socks5Stream;

use super::{Proxy, ProxyCredentials, ProxyKind};

/// The longest head of a proxy's answer to CONNECT, interim responses included: it has a few lines.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// A refusal that a person has to look at: the proxy wants credentials, or does not allow the server.
#[derive(Debug)]
pub(in crate::mattermost) struct ProxyRefusal {
    message: String,
    remedy: &'static str,
}

impl ProxyRefusal {
    /// Describes the way to fix it.
    pub(in crate::mattermost) fn remedy(&self) -> &'static str {
        self.remedy
    }
}

impl fmt::Display for ProxyRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ProxyRefusal {}

/// Asks the proxy at the other end of `stream` for a tunnel to the server.
pub(in crate::mattermost::transport) async fn open<S>(
    stream: S,
    proxy: &Proxy,
    host: &str,
    port: u16,
) -> io::Result<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match proxy.kind {
        ProxyKind::Http | ProxyKind::Https => connect(stream, proxy, host, port).await,
        ProxyKind::Socks5 => socks(stream, proxy, host, port).await,
    }
}

async fn connect<S>(mut stream: S, proxy: &Proxy, host: &str, port: u16) -> io::Result<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let authority = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let credentials = proxy.credentials.as_ref().map(authorization).unwrap_or_default();
    let request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{}\r\n", *credentials);
    let request = Zeroizing::new(request);
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let status = read_status(&mut stream).await.map_err(|error| {
        io::Error::new(error.kind(), format!("proxy {proxy} gave no answer to CONNECT: {error}"))
    })?;
    match status {
        Some(200..=299) => Ok(stream),
        Some(status) => Err(refusal(proxy, &authority, status)),
        None => Err(io::Error::other(ProxyRefusal {
            message: format!("proxy {proxy} does not answer CONNECT with HTTP"),
            remedy: "is this the address of an HTTP proxy, and its scheme (http, https, socks5) right?",
        })),
    }
}

fn authorization(credentials: &ProxyCredentials) -> Zeroizing<String> {
    let plain = Zeroizing::new(format!("{}:{}", credentials.user, credentials.password.expose_secret()));
    Zeroizing::new(format!("Proxy-Authorization: Basic {}\r\n", BASE64_STANDARD.encode(plain.as_bytes())))
}

/// Reads the status of the final response. Heads are read byte by byte, so that nothing of what follows is taken.
async fn read_status<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Option<u16>> {
    let mut head = Vec::new();
    for _ in 0..MAX_HEAD_BYTES {
        head.push(stream.read_u8().await?);
        if head.ends_with(b"\r\n\r\n") {
            match status(&head) {
                Some(100..=199) => head.clear(),
                status => return Ok(status),
            }
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "its head has no end"))
}

fn status(head: &[u8]) -> Option<u16> {
    let line = head.split(|byte| *byte == b'\r').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    words.next().filter(|version| version.starts_with("HTTP/1."))?;
    words.next()?.parse().ok()
}

/// The meaning of a status: a proxy that cannot reach the server may do so later, one that refuses will not.
fn refusal(proxy: &Proxy, authority: &str, status: u16) -> io::Error {
    let message = format!("proxy {proxy} refused the connection to {authority} with status {status}");
    let remedy = match status {
        407 if proxy.has_credentials() => "check the user name and the password for the proxy",
        407 => {
            "the proxy wants a user name and a password: name a file with user:password in proxy_auth_file"
        }
        408 | 425 | 429 | 500.. => return io::Error::new(io::ErrorKind::HostUnreachable, message),
        _ => {
            "let the proxy allow CONNECT to this host and port, or list the host in NO_PROXY if it can be \
              reached directly"
        }
    };
    io::Error::other(ProxyRefusal { message, remedy })
}

async fn socks<S>(stream: S, proxy: &Proxy, host: &str, port: u16) -> io::Result<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let opened = match &proxy.credentials {
        None => Socks5Stream::connect_with_socket(stream, (host, port)).await,
        Some(ProxyCredentials { user, password }) => {
            let password = password.expose_secret();
            Socks5Stream::connect_with_password_and_socket(stream, (host, port), user, password).await
        }
    };
    opened.map(Socks5Stream::into_inner).map_err(|error| socks_error(proxy, host, port, &error))
}

fn socks_error(proxy: &Proxy, host: &str, port: u16, error: &tokio_socks::Error) -> io::Error {
    use tokio_socks::Error as E;
    let message = format!("proxy {proxy} opened no connection to {host}:{port}: {error}");
    let remedy = match error {
        E::NoAcceptableAuthMethods | E::PasswordAuthFailure(_) if !proxy.has_credentials() => {
            "the proxy wants a user name and a password: name a file with user:password in proxy_auth_file"
        }
        E::NoAcceptableAuthMethods | E::PasswordAuthFailure(_) => {
            "check the user name and the password for the proxy"
        }
        E::ConnectionNotAllowedByRuleset => "let the proxy allow connections to this host and port",
        E::InvalidResponseVersion | E::InvalidReservedByte | E::UnknownAuthMethod => {
            "is this the address of a SOCKS 5 proxy, and its scheme (http, https, socks5) right?"
        }
        _ => return io::Error::new(io::ErrorKind::HostUnreachable, message),
    };
    io::Error::other(ProxyRefusal { message, remedy })
}
