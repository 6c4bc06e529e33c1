//! HTTP servers with the limits of the admin API: on threads of their own, one request per connection, slow clients cut off.

use std::{fmt, io, net::TcpListener, os::unix::net::UnixListener, sync::mpsc, thread, time::Duration};

use actix_http::{HttpServiceBuilder, Request, Response};
use actix_rt::net::TcpStream;
use actix_server::ServerBuilder;
use actix_service::{IntoServiceFactory as _, Service, ServiceFactoryExt as _, apply_fn_factory, map_config};
use actix_web::{
    App, Error, HttpServer,
    body::BoxBody,
    dev::{AppConfig, Extensions, Server, ServerHandle, ServiceFactory, ServiceRequest, ServiceResponse},
    http::KeepAlive,
};
use rustls::ServerConfig;

use super::{
    listener::{ListenSocket, Listener, SocketFile},
    middleware,
    open_connections::OpenConnections,
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

/// Creates a server, ready to run, from a factory of its app, whose middleware marks the connections of its requests.
pub(crate) fn serve<F, T>(listener: Listener, connections: OpenConnections, app: F) -> io::Result<Server>
where
    F: Fn() -> App<T> + Clone + Send + 'static,
    T: RequestHandling + 'static,
{
    let most = connections.limit();
    match (listener.socket, listener.tls) {
        (ListenSocket::Unix(socket), _) => over_unix_socket(socket, most, app),
        (ListenSocket::Tcp(socket), None) => {
            let service = move || watched(limited().h1(whole(app())).tcp(), connections.clone());
            over_tcp(socket, most, service)
        }
        (ListenSocket::Tcp(socket), Some(tls)) => {
            let service = move || {
                watched(limited().h1(whole(app())).rustls_0_23(tls_config(&tls)), connections.clone())
            };
            over_tcp(socket, most, service)
        }
    }
}

/// Creates the server at a Unix socket, which only the user of the process can open.
fn over_unix_socket<F, T>(listener: UnixListener, max_connections: usize, app: F) -> io::Result<Server>
where
    F: Fn() -> App<T> + Clone + Send + 'static,
    T: RequestHandling + 'static,
{
    let server = HttpServer::new(app)
        .workers(1)
        .disable_signals()
        .max_connections(max_connections)
        .client_request_timeout(HEAD_TIMEOUT)
        .client_disconnect_timeout(DISCONNECT_TIMEOUT)
        .keep_alive(KEEP_ALIVE)
        .on_connect(|_, data| middleware::on_connect(data))
        .shutdown_timeout(SHUTDOWN_TIMEOUT_S);
    Ok(server.listen_uds(listener)?.run())
}

/// Creates the server at a TCP address from the parts of `HttpServer`, which would not show the connections, and would offer
/// HTTP/2 over TLS: such a connection may be idle for ever and has no limit of concurrent requests.
fn over_tcp<S>(
    listener: TcpListener,
    max_connections: usize,
    service: impl Fn() -> S + Clone + Send + 'static,
) -> io::Result<Server>
where
    S: ServiceFactory<TcpStream, Config = (), Response = (), InitError = ()> + 'static,
    S::Error: fmt::Debug,
{
    let server = ServerBuilder::new()
        .workers(1)
        .disable_signals()
        .max_concurrent_connections(max_connections)
        .shutdown_timeout(SHUTDOWN_TIMEOUT_S);
    Ok(server.listen("tcp", listener, service)?.run())
}

/// Returns the builder of HTTP for connections over `S`, with the limits of time.
fn limited<S, H>() -> HttpServiceBuilder<S, H>
where
    H: ServiceFactory<Request, Config = ()>,
    H::Error: Into<Response<BoxBody>> + 'static,
    H::InitError: fmt::Debug,
    <H::Service as Service<Request>>::Future: 'static,
{
    HttpServiceBuilder::default()
        .client_request_timeout(HEAD_TIMEOUT)
        .client_disconnect_timeout(DISCONNECT_TIMEOUT)
        .keep_alive(KEEP_ALIVE)
        .on_connect_ext(|_: &S, data: &mut Extensions| middleware::on_connect(data))
}

/// Returns the service of a whole app.
fn whole<T: RequestHandling + 'static>(
    app: App<T>,
) -> impl ServiceFactory<
    Request,
    Config = (),
    Response = ServiceResponse<BoxBody>,
    Error = Response<BoxBody>,
    InitError = (),
> {
    let app = app.into_factory().map_err(|error: Error| Response::from(error.error_response()));
    map_config(app, |()| AppConfig::default())
}

/// Counts the connections of a service, from before the handshake of TLS to their end, and ends those that keep out others.
fn watched<S>(
    service: S,
    connections: OpenConnections,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = S::Error, InitError = ()>
where
    S: ServiceFactory<TcpStream, Config = (), Response = (), InitError = ()>,
{
    apply_fn_factory(service, move |stream: TcpStream, service: &S::Service| {
        let client = stream.peer_addr().ok();
        let served = connections.clone().serve(client, service.call(stream));
        async move { served.await.unwrap_or(Ok(())) }
    })
}

fn tls_config(tls: &AdminTls) -> ServerConfig {
    let mut config = tls.server_config();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}
