//! Where the API listens.

use std::{
    fs, io,
    net::{SocketAddr, TcpListener},
    os::unix::{
        fs::{FileTypeExt as _, PermissionsExt as _},
        net::{UnixListener, UnixStream},
    },
    path::{self, Path, PathBuf},
    time::Duration,
};

use rustix::{
    io::{FdFlags, fcntl_setfd},
    net::{AddressFamily, SocketAddrUnix, SocketType, bind, listen, socket, sockopt},
};

use crate::config::{AdminConfig, AdminTls, ListenAddress};

/// Who may open the socket: the user that the program runs as.
const SOCKET_MODE: u32 = 0o600;

/// Connections that wait to be taken: as many as the standard library lets wait at an address.
const BACKLOG: i32 = 128;

/// How long a client may take nothing of what it asked for, and how long one may be gone unnoticed: it holds a connection,
/// a stream and what is to be sent. A page in a browser that sleeps comes back by itself.
const TAKES_NOTHING_FOR: Duration = Duration::from_secs(20);

/// An open door, before anybody answers there.
#[derive(Debug)]
pub struct Listener {
    pub(super) socket: ListenSocket,
    pub(super) tls: Option<AdminTls>,
}

/// What is listened on.
#[derive(Debug)]
pub(super) enum ListenSocket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Nobody can listen there.
#[derive(Debug, thiserror::Error)]
#[error("nothing can listen at {address}: {cause}")]
pub struct ListenError {
    /// Where.
    pub address: String,
    /// Whether the operator named the place.
    pub explicit: bool,
    // Not a source: it is told already.
    cause: io::Error,
}

impl Listener {
    /// Begins to listen; `None` when the API is turned off.
    ///
    /// # Errors
    /// When somebody else is there, or the place cannot be had.
    pub fn bind(config: &AdminConfig) -> Result<Option<Self>, ListenError> {
        let Some(listen) = &config.listen else { return Ok(None) };
        let opened = match listen {
            ListenAddress::Tcp { address, .. } => tcp(*address).map(ListenSocket::Tcp),
            ListenAddress::Unix(path) => unix(path).map(ListenSocket::Unix),
        };
        match opened {
            Ok(socket) => Ok(Some(Self { socket, tls: config.tls.clone() })),
            Err(cause) => {
                let (address, explicit) = match listen {
                    ListenAddress::Tcp { address, explicit } => (address.to_string(), *explicit),
                    ListenAddress::Unix(path) => (path.display().to_string(), true),
                };
                Err(ListenError { address, explicit, cause })
            }
        }
    }

    /// The address, where the system chose the port too.
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.socket {
            ListenSocket::Tcp(listener) => listener.local_addr().ok(),
            ListenSocket::Unix(_) => None,
        }
    }

    /// The socket in the file system, which is to be removed at the end.
    pub(super) fn socket_path(&self) -> Option<PathBuf> {
        match &self.socket {
            ListenSocket::Tcp(_) => None,
            ListenSocket::Unix(listener) => Some(socket_path(listener)),
        }
    }

    /// How it is called.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        match &self.socket {
            ListenSocket::Tcp(_) => {
                self.address().map(|address| format!("{scheme}://{address}")).unwrap_or_default()
            }
            ListenSocket::Unix(listener) => format!("unix:{}", socket_path(listener).display()),
        }
    }
}

fn socket_path(listener: &UnixListener) -> PathBuf {
    let path = listener.local_addr().ok().and_then(|address| address.as_pathname().map(Path::to_owned));
    // Whoever reads it in the log may be elsewhere.
    path.map(|path| path::absolute(&path).unwrap_or(path)).unwrap_or_default()
}

/// What is set here holds for every connection that is taken.
fn tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    sockopt::set_socket_keepalive(&listener, true)?;
    #[cfg(target_os = "linux")]
    {
        sockopt::set_tcp_keepidle(&listener, TAKES_NOTHING_FOR)?;
        let millis = u32::try_from(TAKES_NOTHING_FOR.as_millis()).unwrap_or(u32::MAX);
        sockopt::set_tcp_user_timeout(&listener, millis)?;
    }
    Ok(listener)
}

fn unix(path: &Path) -> io::Result<UnixListener> {
    remove_left_over(path)?;
    let socket = socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    // Nobody comes in before it listens, and then only who may.
    fs::set_permissions(path, fs::Permissions::from_mode(SOCKET_MODE))?;
    listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

/// A socket that nobody answers at is left from a run that was killed. What is no socket is somebody's file.
fn remove_left_over(path: &Path) -> io::Result<()> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    let refused = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    if is_socket && UnixStream::connect(path).is_err_and(|error| refused(&error)) {
        fs::remove_file(path)?;
    }
    Ok(())
}
