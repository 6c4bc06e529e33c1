//! HTTP over a socket in the file system.

use std::{path::Path, rc::Rc, time::Duration};

use actix_rt::net::UnixStream;
use actix_service::Service;
use actix_tls::connect::{ConnectError, ConnectInfo, Connection};
use awc::{Connector, http::Uri};
use futures_util::future::LocalBoxFuture;

/// A socket of this machine opens at once, or somebody hangs.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens that socket, whatever address it is asked for.
#[derive(Clone)]
struct SocketConnector(Rc<Path>);

/// An HTTP client that speaks through the socket.
pub(super) fn http_client(path: &Path) -> awc::Client {
    let connector = Connector::new().connector(SocketConnector(path.into())).timeout(CONNECT_TIMEOUT);
    awc::Client::builder().connector(connector).disable_timeout().disable_redirects().finish()
}

impl Service<ConnectInfo<Uri>> for SocketConnector {
    type Response = Connection<Uri, UnixStream>;
    type Error = ConnectError;
    type Future = LocalBoxFuture<'static, Result<Self::Response, ConnectError>>;

    actix_service::always_ready!();

    fn call(&self, asked: ConnectInfo<Uri>) -> Self::Future {
        let path = Rc::clone(&self.0);
        Box::pin(async move {
            let stream = UnixStream::connect(&*path).await.map_err(ConnectError::Io)?;
            Ok(Connection::new(asked.request().clone(), stream))
        })
    }
}
