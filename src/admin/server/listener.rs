//! The listening socket of the admin API.

use std::{
    fs, io,
    net::{SocketAddr, TcpListener},
    os::unix::{
        fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
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

/// The mode of a Unix socket: only the user of the process may open it.
const SOCKET_MODE: u32 = 0o600;

/// Connections waiting to be accepted on a Unix socket; the standard library uses the same number for TCP.
const BACKLOG: i32 = 128;

/// The time after which a client that reads nothing, or is idle and gone, is disconnected: it holds a connection, a stream
/// and unsent data. A page in a browser that was asleep reconnects by itself.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(20);

/// A listening socket that is not served yet.
#[derive(Debug)]
pub struct Listener {
    pub(super) socket: ListenSocket,
    pub(super) tls: Option<AdminTls>,
}

/// A TCP or Unix listener.
#[derive(Debug)]
pub(super) enum ListenSocket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// The error for an address on which the API cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen at {address}: {cause}")]
pub struct ListenError {
    /// The address or path.
    pub address: String,
    /// True unless this is the default address.
    pub explicit: bool,
    // Not a `source`, because the message already contains it.
    cause: io::Error,
}

impl Listener {
    /// Binds the configured address or socket; returns `None` if the API is disabled.
    ///
    /// # Errors
    /// When the address is in use, or cannot be bound.
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

    /// Binds a TCP address.
    ///
    /// # Errors
    /// When the address is in use, or cannot be bound.
    pub fn bind_tcp(address: SocketAddr, tls: Option<AdminTls>) -> Result<Self, ListenError> {
        let failed = |cause| ListenError { address: address.to_string(), explicit: true, cause };
        Ok(Self { socket: tcp(address).map(ListenSocket::Tcp).map_err(failed)?, tls })
    }

    /// Returns the TCP address with the actual port.
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.socket {
            ListenSocket::Tcp(listener) => listener.local_addr().ok(),
            ListenSocket::Unix(_) => None,
        }
    }

    /// Returns the file of the Unix socket, to remove it at the end.
    pub(super) fn socket_file(&self) -> Option<SocketFile> {
        match &self.socket {
            ListenSocket::Tcp(_) => None,
            ListenSocket::Unix(listener) => SocketFile::new(socket_path(listener)),
        }
    }

    /// Returns the URL of the API, for the log.
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

/// The file of a Unix socket, known by its inode: another process may have put its own in its place.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    fn new(path: PathBuf) -> Option<Self> {
        let metadata = fs::symlink_metadata(&path).ok()?;
        Some(Self { path, device: metadata.dev(), inode: metadata.ino() })
    }

    /// Removes the file, unless it is another one by now.
    pub(super) fn remove(&self) -> io::Result<()> {
        let metadata = fs::symlink_metadata(&self.path)?;
        if (metadata.dev(), metadata.ino()) == (self.device, self.inode) {
            fs::remove_file(&self.path)?;
        }
        Ok(())
    }
}

fn socket_path(listener: &UnixListener) -> PathBuf {
    let path = listener.local_addr().ok().and_then(|address| address.as_pathname().map(Path::to_owned));
    // Absolute, because a reader of the log may have another working directory.
    path.map(|path| path::absolute(&path).unwrap_or(path)).unwrap_or_default()
}

/// Binds a TCP listener. Accepted connections inherit its options.
fn tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    sockopt::set_socket_keepalive(&listener, true)?;
    #[cfg(target_os = "linux")]
    {
        sockopt::set_tcp_keepidle(&listener, CLIENT_TIMEOUT)?;
        let millis = u32::try_from(CLIENT_TIMEOUT.as_millis()).unwrap_or(u32::MAX);
        sockopt::set_tcp_user_timeout(&listener, millis)?;
    }
    Ok(listener)
}

fn unix(path: &Path) -> io::Result<UnixListener> {
    remove_left_over(path)?;
    let socket = socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    // The mode is set before it listens, so no other user can ever connect.
    fs::set_permissions(path, fs::Permissions::from_mode(SOCKET_MODE))?;
    listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

/// Removes the socket of a run that was killed, on which no process listens. Other files are kept.
fn remove_left_over(path: &Path) -> io::Result<()> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    let refused = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    if is_socket && UnixStream::connect(path).is_err_and(|error| refused(&error)) {
        fs::remove_file(path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_replaced_the_socket_is_not_deleted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin.sock");
        let _listener = unix(&path).unwrap();
        let file = SocketFile::new(path.clone()).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "mine").unwrap();
        file.remove().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
        SocketFile::new(path.clone()).unwrap().remove().unwrap();
        assert!(!path.exists());
    }
}
