//! The listening socket: it can be closed and opened again on the same port.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::server::http;
use crate::server::io::ControlledTcp;
use crate::server::transport::Transport;
use crate::state::Shared;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 4_096;

/// The port, held even while nothing listens on it.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) address: SocketAddr,
    send_buffer: Option<u32>,
    /// A bound socket that never listens: the port refuses connections and nobody else gets it.
    _reserved: TcpSocket,
}

impl Port {
    pub(crate) fn reserve(address: SocketAddr, send_buffer: Option<u32>) -> io::Result<Self> {
        let reserved = bind(address)?;
        Ok(Self { address: reserved.local_addr()?, send_buffer, _reserved: reserved })
    }

    /// Listens; to be called on the runtime.
    pub(crate) fn listen(&self) -> io::Result<TcpListener> {
        let socket = bind(self.address)?;
        if let Some(bytes) = self.send_buffer {
            socket.set_send_buffer_size(bytes)?;
        }
        socket.listen(BACKLOG)
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Accepts connections until the task is aborted; the listener closes with it.
pub(crate) fn accept(
    listener: TcpListener,
    shared: &Arc<Shared>,
    tls: Option<TlsAcceptor>,
) -> JoinHandle<()> {
    let shared = Arc::clone(shared);
    let runtime = shared.runtime.clone();
    runtime.spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => connect(stream, peer, &shared, tls.clone()),
                // Out of file descriptors, most likely: give others a turn and try again.
                Err(_) => tokio::task::yield_now().await,
            }
        }
    })
}

fn connect(stream: TcpStream, peer: SocketAddr, shared: &Arc<Shared>, tls: Option<TlsAcceptor>) {
    // Without this small frames wait for each other; a failure only makes them slower.
    let _ = stream.set_nodelay(true);
    let tcp = ControlledTcp::new(stream, shared);
    let server = Arc::clone(shared);
    shared.runtime.spawn(async move {
        let transport = match tls {
            None => Transport::Plain(tcp),
            Some(tls) => match tls.accept(tcp).await {
                Ok(stream) => Transport::Tls(Box::new(stream)),
                Err(_) => return,
            },
        };
        http::serve(transport, peer.ip(), server).await;
    });
}
