//! Which path is answered by what.

use std::{future::ready, io, net::TcpListener, time::Duration};

use actix_http::HttpService;
use actix_server::ServerBuilder;
use actix_service::{IntoServiceFactory as _, ServiceFactoryExt as _, map_config};
use actix_web::{
    App, Error, HttpServer, Resource, Route,
    body::BoxBody,
    dev::{AppConfig, Server, ServiceFactory, ServiceRequest, ServiceResponse},
    error::{JsonPayloadError, PathError, QueryPayloadError},
    guard::{Any, Get, Head},
    http::{KeepAlive, StatusCode},
    middleware::from_fn,
    web::{self, Data, JsonConfig, PathConfig, QueryConfig, ServiceConfig},
};

use super::{
    Backend, Listener, accounts, api_error::ApiError, body, files, health, host, listener::ListenSocket,
    middleware, servers, sse,
};
use crate::{admin::ui::ASSETS, config::AdminTls};

/// How long the head of a request may take to come.
const HEAD_WITHIN: Duration = Duration::from_secs(5);
/// How long a client may take to close its side.
const CLOSED_WITHIN: Duration = Duration::from_secs(2);

/// How long an open request may take when the server ends, in seconds.
const ENDS_WITHIN_S: u64 = 1;
/// Only for the first request of a connection the server below has a limit of time: each has a connection of its own.
const KEEP_ALIVE: KeepAlive = KeepAlive::Disabled;

/// The server, ready to run.
pub(super) fn server(listener: Listener, backend: Backend) -> io::Result<Server> {
    backend.event_log.follow();
    let max_connections = backend.max_connections;
    let backend = Data::new(backend);
    let listener = match (listener.socket, listener.tls) {
        (ListenSocket::Tcp(listener), Some(tls)) => {
            return over_tls(listener, &tls, max_connections, backend);
        }
        (at, _) => at,
    };
    let server = HttpServer::new(move || app(backend.clone()))
        .workers(1)
        .disable_signals()
        .max_connections(max_connections)
        .client_request_timeout(HEAD_WITHIN)
        .client_disconnect_timeout(CLOSED_WITHIN)
        .keep_alive(KEEP_ALIVE)
        .shutdown_timeout(ENDS_WITHIN_S);
    let server = match listener {
        ListenSocket::Tcp(listener) => server.listen(listener)?,
        ListenSocket::Unix(listener) => server.listen_uds(listener)?,
    };
    Ok(server.run())
}

/// The same behind TLS, put together from the parts of `HttpServer`, which would offer HTTP/2 there: a connection over that may
/// be idle for ever, and has as many requests at once as it likes.
fn over_tls(
    listener: TcpListener,
    tls: &AdminTls,
    max_connections: usize,
    backend: Data<Backend>,
) -> io::Result<Server> {
    let mut tls = tls.server_config();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    let server = ServerBuilder::new()
        .workers(1)
        .disable_signals()
        .max_concurrent_connections(max_connections)
        .shutdown_timeout(ENDS_WITHIN_S);
    let service = move || {
        let app = app(backend.clone()).into_factory().map_err(|error| error.error_response());
        HttpService::build()
            .client_request_timeout(HEAD_WITHIN)
            .client_disconnect_timeout(CLOSED_WITHIN)
            .keep_alive(KEEP_ALIVE)
            .h1(map_config(app, |()| AppConfig::default()))
            .rustls_0_23(tls.clone())
    };
    Ok(server.listen("admin", listener, service)?.run())
}

/// What answers.
fn app(
    backend: Data<Backend>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = Error,
        InitError = (),
    >,
> {
    App::new().app_data(backend).wrap(from_fn(middleware::guard)).configure(routes)
}

/// What a path takes that is only looked at.
const GET: &str = "GET, HEAD";

/// Whoever may GET may ask for the head alone.
fn get() -> Route {
    web::route().guard(Any(Get()).or(Head()))
}

fn routes(app: &mut ServiceConfig) {
    app.app_data(
        JsonConfig::default().limit(body::MAX_BODY_BYTES).error_handler(|error, _| json(&error).into()),
    )
    .app_data(PathConfig::default().error_handler(|error, _| path(&error).into()))
    .app_data(QueryConfig::default().error_handler(|error, _| query(&error).into()))
    .service(only("/livez", GET, [get().to(health::live)]))
    .service(only("/readyz", GET, [get().to(health::ready)]))
    .service(only("/metrics", GET, [get().to(host::metrics)]))
    .service(only("/openapi.json", GET, [get().to(host::document)]))
    .service(only("/v1/instance", GET, [get().to(host::instance)]))
    .service(only("/v1/accounts", GET, [get().to(accounts::list)]))
    .service(only("/v1/accounts/{name}", GET, [get().to(accounts::one)]))
    .service(only("/v1/accounts/{name}/posts", "POST", [web::post().to(accounts::post)]))
    .service(only("/v1/accounts/{name}/{action}", "POST", [web::post().to(accounts::act)]))
    .service(only("/v1/servers", GET, [get().to(servers::list)]))
    .service(only("/v1/events", GET, [get().to(sse::events)]))
    .service(only("/v1/watch", GET, [get().to(sse::watch)]))
    .service(only(
        "/v1/log-level",
        "GET, HEAD, PUT",
        [get().to(host::log_level), web::put().to(host::set_log_level)],
    ))
    .service(only(
        "/v1/reload",
        "GET, HEAD, POST",
        [get().to(host::preview), web::post().to(host::apply)],
    ));
    for asset in ASSETS {
        app.service(only(asset.path, GET, [get().to(move |request| ready(files::serve(asset, &request)))]));
    }
    app.default_service(web::to(|| async {
        ApiError::not_found("there is nothing here; see /openapi.json").into_result()
    }));
}

/// A path with its methods; another one is told which there are.
fn only<const N: usize>(path: &str, allow: &'static str, routes: [Route; N]) -> Resource {
    let resource = routes.into_iter().fold(web::resource(path), Resource::route);
    resource
        .default_service(web::to(move || async move { ApiError::method_not_allowed(allow).into_result() }))
}

fn json(error: &JsonPayloadError) -> ApiError {
    match error {
        JsonPayloadError::ContentType => ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body is to be JSON; say Content-Type: application/json",
        ),
        JsonPayloadError::Deserialize(error) => {
            ApiError::bad_request(format!("the body is not what is expected here: {error}"))
        }
        error => ApiError::bad_request(error.to_string()),
    }
}

fn path(error: &PathError) -> ApiError {
    ApiError::not_found(format!("there is nothing here: {error}"))
}

fn query(error: &QueryPayloadError) -> ApiError {
    ApiError::bad_request(format!("the query is not what is expected here: {error}"))
}
