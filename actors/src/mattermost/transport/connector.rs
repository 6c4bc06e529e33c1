//! The connector to the server of a client.

use std::{io, net::SocketAddr, rc::Rc, time::Duration};

use actix_rt::net::TcpStream;
use actix_service::Service;
use actix_tls::connect::{ConnectError, ConnectInfo, Connection, Host, rustls_0_23::TlsConnector};
use awc::http::Uri;
use futures_util::future::LocalBoxFuture;
use tokio::{
    net::TcpSocket,
    time::{Instant, timeout_at},
};

use super::stream::ServerStream;
use crate::mattermost::ClientConfig;

/// A connector that opens streams to the configured server only, **even for a request to another
/// address**: no token can be sent anywhere else.
#[derive(Clone)]
pub(in crate::mattermost) struct ServerConnector(Rc<ClientConfig>);

/// The name that the certificate must be valid for.
struct TlsHost(Box<str>);

impl ServerConnector {
    pub(in crate::mattermost) fn new(config: ClientConfig) -> Self {
        Self(Rc::new(config))
    }

    async fn open(&self) -> Result<ServerStream, ConnectError> {
        let deadline = Instant::now() + self.0.limits().connect_timeout;
        timeout_at(deadline, self.open_until(deadline)).await.unwrap_or_else(|_| Err(connect_timeout_error()))
    }

    async fn open_until(&self, deadline: Instant) -> Result<ServerStream, ConnectError> {
        let dns = self.0.dns();
        let addresses =
            dns.addresses().await.map_err(|error| ConnectError::Resolver(String::from(error).into()))?;
        match connect_any(&addresses, deadline).await {
            Ok(tcp) => self.secure(tcp).await,
            Err(error) => {
                dns.expire().await;
                Err(ConnectError::Io(error))
            }
        }
    }

    async fn secure(&self, tcp: TcpStream) -> Result<ServerStream, ConnectError> {
        if !self.0.url().is_tls() {
            return Ok(ServerStream::Plain(tcp));
        }
        let tls = self.0.tls().ok_or_else(missing_tls_error)?;
        let named = Connection::new(TlsHost(self.0.url().host().into()), tcp);
        let secured = TlsConnector::service(tls.config()).call(named).await.map_err(ConnectError::Io)?;
        Ok(ServerStream::Tls(Box::new(secured.into_parts().0)))
    }
}

impl Service<ConnectInfo<Uri>> for ServerConnector {
    type Response = Connection<Uri, ServerStream>;
    type Error = ConnectError;
    type Future = LocalBoxFuture<'static, Result<Self::Response, ConnectError>>;

    actix_service::always_ready!();

    fn call(&self, request: ConnectInfo<Uri>) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            let stream = connector.open().await?;
            Ok(Connection::new(request.request().clone(), stream))
        })
    }
}

impl Host for TlsHost {
    fn hostname(&self) -> &str {
        &self.0
    }
}

/// Tries the addresses in order, each with a share of the remaining time, so that an address that drops
/// packets does not hide the next.
async fn connect_any(addresses: &[SocketAddr], deadline: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::AddrNotAvailable, "the host has no address");
    for (address, left) in addresses.iter().zip((1..=addresses.len()).rev()) {
        let share = deadline.saturating_duration_since(Instant::now()) / u32::try_from(left).unwrap_or(1);
        match connect(*address, share).await {
            Ok(tcp) => return Ok(tcp),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn connect(address: SocketAddr, share: Duration) -> io::Result<TcpStream> {
    let socket = new_socket(address)?;
    match tokio::time::timeout(share, socket.connect(address)).await {
        Ok(connected) => connected,
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, format!("{address} did not respond in time"))),
    }
}

fn new_socket(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Frames and requests are small and awaited: do not delay them until an acknowledgement.
    socket.set_nodelay(true)?;
    // Keep-alive with the system's intervals, usually hours, only cleans up abandoned connections. The
    // in-band ping detects a silent server.
    socket.set_keepalive(true)?;
    Ok(socket)
}

fn connect_timeout_error() -> ConnectError {
    ConnectError::Io(io::Error::new(io::ErrorKind::TimedOut, "the connection was not established in time"))
}

fn missing_tls_error() -> ConnectError {
    let error = rustls::Error::General("no CA certificates are loaded for this server".into());
    ConnectError::Io(io::Error::other(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn small_messages_are_not_delayed_and_the_dead_are_buried() {
        for address in ["127.0.0.1:1", "[::1]:1"] {
            let socket = new_socket(address.parse().unwrap()).unwrap();
            assert!(socket.nodelay().unwrap() && socket.keepalive().unwrap());
        }
    }

    #[tokio::test]
    async fn an_address_that_refuses_does_not_hide_the_next() {
        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let open = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addresses = [closed, open.local_addr().unwrap()];
        let deadline = Instant::now() + Duration::from_secs(5);
        let tcp = connect_any(&addresses, deadline).await.unwrap();
        assert_eq!(tcp.peer_addr().unwrap(), addresses[1]);
        assert!(connect_any(&addresses[..1], deadline).await.is_err());
        assert!(connect_any(&[], deadline).await.is_err());
    }
}
