//! HTTP servers with the limits of the admin API: on threads of their own, one request per connection, slow clients cut off.

use std::{io, net::TcpListener, sync::mpsc, thread, time::Duration};

use actix_http::HttpService;
use actix_server::ServerBuilder;
use actix_service::{IntoServiceFactory as _, ServiceFactoryExt as _, map_config};
use actix_web::{
    App, Error, HttpServer,
    body::BoxBody,
    dev::{AppConfig, Server, ServerHandle, ServiceFactory, ServiceRequest, ServiceResponse},
    http::KeepAlive,
};

use super::{
    listener::{ListenSocket, Listener, SocketFile},
    middleware,
};
use crate::config::AdminTls;

/// The time limit for the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// The time limit for a client to close its side of the connection.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The time limit for open requests at a shutdown, in seconds.
const SHUTDOWN_TIMEOUT_S: u64 = 1;
/// Each request has its own connection, because actix limits the time only for the first request of a connection.
const KEEP_ALIVE: KeepAlive = KeepAlive::Disabled;

/// The time limit for stopping the server when the host ends.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// The request handling of an app that [`serve`] takes: routes behind middleware, whose answers have a boxed body.
pub(crate) trait RequestHandling:
    ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = Error,
        InitError = (),
    >
{
}

impl<T> RequestHandling for T where
    T: ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<BoxBody>,
            Error = Error,
            InitError = (),
        >
{
}

/// A running server.
#[derive(Debug)]
pub(crate) struct RunningServer {
    name: &'static str,
    server: ServerHandle,
    thread: thread::JoinHandle<()>,
    socket: Option<SocketFile>,
}

impl RunningServer {
    /// Starts the server that `make` returns on a thread of this name; it accepts requests once this returns.
    pub(crate) fn start(
        name: &'static str,
        listener: Listener,
        make: impl FnOnce(Listener) -> io::Result<Server> + Send + 'static,
    ) -> io::Result<Self> {
        let socket = listener.socket_file();
        let (sender, started) = mpsc::channel();
        let thread = thread::Builder::new().name(name.into()).spawn(move || {
            let runner = actix_rt::System::new();
            runner.block_on(async move {
                match make(listener) {
                    Ok(server) => {
                        // The receiver below is still waiting.
                        let _ = sender.send(Ok(server.handle()));
                        if let Err(error) = server.await {
                            tracing::error!(%error, server = name, "an HTTP server of the host has stopped");
                        }
                    }
                    Err(error) => drop(sender.send(Err(error))),
                }
            });
        })?;
        let died = |_| Err(io::Error::other(format!("the thread of the HTTP server {name} has died")));
        let server = started.recv().unwrap_or_else(died)?;
        Ok(Self { name, server, thread, socket })
    }

    /// Stops the server and closes its open connections, within this time.
    pub(crate) async fn stop(self, within: Duration) {
        let server = self.name;
        // Removed before the server stops: afterwards it could be the socket of another run.
        if let Some(Err(error)) = self.socket.as_ref().map(SocketFile::remove) {
            tracing::debug!(%error, server, "cannot remove the socket of an HTTP server");
        }
        if tokio::time::timeout(within.min(STOP_TIMEOUT), self.server.stop(false)).await.is_err()
            || !self.thread.is_finished()
        {
            // The threads end with the process in a moment.
            tracing::debug!(server, "an HTTP server is still closing");
        }
    }
}

/// Creates a server, ready to run, from a factory of its app.
pub(crate) fn serve<F, T>(listener: Listener, max_connections: usize, app: F) -> io::Result<Server>
where
    F: Fn() -> App<T> + Clone + Send + 'static,
    T: RequestHandling + 'static,
{
    let listener = match (listener.socket, listener.tls) {
        (ListenSocket::Tcp(listener), Some(tls)) => return over_tls(listener, &tls, max_connections, app),
        (socket, _) => socket,
    };
    let server = HttpServer::new(app)
        .workers(1)
        .disable_signals()
        .max_connections(max_connections)
        .client_request_timeout(HEAD_TIMEOUT)
        .client_disconnect_timeout(DISCONNECT_TIMEOUT)
        .keep_alive(KEEP_ALIVE)
        .on_connect(|_, data| middleware::on_connect(data))
        .shutdown_timeout(SHUTDOWN_TIMEOUT_S);
    let server = match listener {
        ListenSocket::Tcp(listener) => server.listen(listener)?,
        ListenSocket::Unix(listener) => server.listen_uds(listener)?,
    };
    Ok(server.run())
}

/// Creates the server behind TLS, from the parts of `HttpServer`, which would offer HTTP/2: such a connection may be idle
/// for ever and has no limit of concurrent requests.
fn over_tls<F, T>(listener: TcpListener, tls: &AdminTls, max_connections: usize, app: F) -> io::Result<Server>
where
    F: Fn() -> App<T> + Clone + Send + 'static,
    T: RequestHandling + 'static,
{
    let mut tls = tls.server_config();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    let server = ServerBuilder::new()
        .workers(1)
        .disable_signals()
        .max_concurrent_connections(max_connections)
        .shutdown_timeout(SHUTDOWN_TIMEOUT_S);
    let service = move || {
        let app = app().into_factory().map_err(|error| error.error_response());
        HttpService::build()
            .client_request_timeout(HEAD_TIMEOUT)
            .client_disconnect_timeout(DISCONNECT_TIMEOUT)
            .keep_alive(KEEP_ALIVE)
            .on_connect_ext(|_, data| middleware::on_connect(data))
            .h1(map_config(app, |()| AppConfig::default()))
            .rustls_0_23(tls.clone())
    };
    Ok(server.listen("https", listener, service)?.run())
}
