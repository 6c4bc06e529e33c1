//! Where the API listens.

use std::{
    fs, io,
    net::{SocketAddr, TcpListener},
    os::unix::{
        fs::PermissionsExt as _,
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
};

use crate::config::{AdminConfig, AdminTls, Listen};

/// Who may open the socket: the user that the program runs as.
const SOCKET_MODE: u32 = 0o600;

/// An open door, before anybody answers there.
#[derive(Debug)]
pub struct Listener {
    pub(super) at: At,
    pub(super) tls: Option<AdminTls>,
}

/// What is listened on.
#[derive(Debug)]
pub(super) enum At {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Nobody can listen there.
#[derive(Debug, thiserror::Error)]
#[error("nothing can listen at {place}: {cause}")]
pub struct ListenError {
    /// Where.
    pub place: String,
    /// Whether the operator named the place.
    pub named: bool,
    #[source]
    cause: io::Error,
}

impl Listener {
    /// Begins to listen; `None` when the API is turned off.
    ///
    /// # Errors
    /// When somebody else is there, or the place cannot be had.
    pub fn open(config: &AdminConfig) -> Result<Option<Self>, ListenError> {
        let Some(listen) = &config.listen else { return Ok(None) };
        let opened = match listen {
            Listen::Tcp { address, .. } => TcpListener::bind(address).map(At::Tcp),
            Listen::Unix(path) => unix(path).map(At::Unix),
        };
        match opened {
            Ok(at) => Ok(Some(Self { at, tls: config.tls.clone() })),
            Err(cause) => {
                let (place, named) = match listen {
                    Listen::Tcp { address, named } => (address.to_string(), *named),
                    Listen::Unix(path) => (path.display().to_string(), true),
                };
                Err(ListenError { place, named, cause })
            }
        }
    }

    /// The address, where the system chose the port too.
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.at {
            At::Tcp(listener) => listener.local_addr().ok(),
            At::Unix(_) => None,
        }
    }

    /// How it is called.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        match &self.at {
            At::Tcp(_) => self.address().map(|address| format!("{scheme}://{address}")).unwrap_or_default(),
            At::Unix(listener) => format!("unix:{}", socket_path(listener).display()),
        }
    }
}

fn socket_path(listener: &UnixListener) -> PathBuf {
    let path = listener.local_addr().ok().and_then(|address| address.as_pathname().map(Path::to_owned));
    path.unwrap_or_default()
}

/// A socket that nobody answers at is left from a run that was killed.
fn unix(path: &Path) -> io::Result<UnixListener> {
    if UnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
        fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(SOCKET_MODE))?;
    Ok(listener)
}
