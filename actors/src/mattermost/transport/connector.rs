//! The connector to the server of a client.

use std::{io, net::SocketAddr, rc::Rc};

use actix_rt::net::TcpStream;
use actix_service::Service;
use actix_tls::connect::{ConnectError, ConnectInfo, Connection};
use awc::http::Uri;
use futures_util::future::LocalBoxFuture;
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpSocket,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::{
    proxy::{Proxy, tunnel},
    race::{self, Progress},
    stream::{MaybeTls, ServerStream},
    tls::Tls,
};
use crate::mattermost::ClientConfig;

/// A connector that opens streams to the configured server only, **even for a request to another
/// address**: no token can be sent anywhere else.
#[derive(Clone)]
pub(in crate::mattermost) struct ServerConnector(Rc<ClientConfig>);

impl ServerConnector {
    pub(in crate::mattermost) fn new(config: ClientConfig) -> Self {
        Self(Rc::new(config))
    }

    async fn open(&self) -> Result<ServerStream, ConnectError> {
        let dns = self.0.dns();
        let opening = timeout(self.0.limits().connect_timeout, async {
            let addresses = dns.addresses().await;
            let addresses = addresses.map_err(|error| ConnectError::Resolver(String::from(error).into()))?;
            race::first(&addresses, |address, progress| self.open_at(address, progress))
                .await
                .map_err(ConnectError::Io)
        });
        match opening.await.unwrap_or_else(|_| Err(self.timeout_error())) {
            Ok((address, stream)) => {
                dns.prefer(address).await;
                Ok(stream)
            }
            Err(error) => {
                dns.expire().await;
                Err(error)
            }
        }
    }

    /// Opens a stream through one address of the server, or of the proxy.
    async fn open_at(&self, address: SocketAddr, progress: Progress) -> io::Result<ServerStream> {
        let tcp =
            new_socket(address)?.connect(address).await.map_err(|error| self.tcp_error(address, &error))?;
        progress.set_connected();
        let url = self.0.url();
        let way = match self.0.proxy() {
            None => MaybeTls::Plain(tcp),
            Some(proxy) => {
                tunnel::open(self.reach_proxy(proxy, tcp).await?, proxy, url.host(), url.port()).await?
            }
        };
        if !url.is_tls() {
            return Ok(ServerStream::new(MaybeTls::Plain(way)));
        }
        Ok(ServerStream::new(secure(self.0.tls(), url.host(), way).await?))
    }

    async fn reach_proxy(&self, proxy: &Proxy, tcp: TcpStream) -> io::Result<MaybeTls<TcpStream>> {
        if proxy.is_tls() { secure(self.0.tls(), proxy.host(), tcp).await } else { Ok(MaybeTls::Plain(tcp)) }
    }

    fn tcp_error(&self, address: SocketAddr, error: &io::Error) -> io::Error {
        let proxy = self.0.proxy().map_or(String::new(), |proxy| format!("proxy {proxy}, "));
        io::Error::new(error.kind(), format!("{proxy}{address}: {error}"))
    }

    fn timeout_error(&self) -> ConnectError {
        let proxy = self.0.proxy().map_or(String::new(), |proxy| format!(" through proxy {proxy}"));
        let limit = self.0.limits().connect_timeout.as_secs_f64();
        let message = format!("the connection{proxy} was not established within {limit} s");
        ConnectError::Io(io::Error::new(io::ErrorKind::TimedOut, message))
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

/// Adds TLS to a stream. `host` is the name that the certificate must be valid for.
async fn secure<S>(tls: Option<&Tls>, host: &str, stream: S) -> io::Result<MaybeTls<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let tls = tls.ok_or_else(missing_tls_error)?;
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let secured = TlsConnector::from(tls.config()).connect(name, stream).await?;
    Ok(MaybeTls::Tls(Box::new(secured)))
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

fn missing_tls_error() -> io::Error {
    io::Error::other(rustls::Error::General("no CA certificates are loaded for this server".into()))
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
}
