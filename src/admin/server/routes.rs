//! The HTTP server and its routes.

use std::{future::ready, io};

use actix_web::{
    App, HttpRequest, HttpResponse, Resource, Route,
    dev::Server,
    error::{JsonPayloadError, PathError, QueryPayloadError},
    guard::{Any, Get, Head},
    http::{
        StatusCode,
        header::{CACHE_CONTROL, ETag, IF_NONE_MATCH},
    },
    middleware::from_fn,
    web::{self, Data, JsonConfig, PathConfig, QueryConfig, ServiceConfig},
};
use matterhost_actors::model::Excerpt;

use super::{
    Backend, Listener, accounts,
    api_error::ApiError,
    body, bot_actions, cluster_routes, file_routes, health, host,
    http_server::{self, RequestHandling},
    late_answers, middleware,
    open_connections::OpenConnections,
    sign_in, sinks, sse,
};
use crate::{
    actions::MAX_ACTIONS_BYTES,
    admin::ui::{ASSETS, Asset, DOCUMENTS},
};

/// Creates the server, ready to run.
pub(super) fn server(listener: Listener, backend: Backend) -> io::Result<Server> {
    backend.event_log.follow();
    let (connections, backend) = (OpenConnections::new(backend.max_connections), Data::new(backend));
    http_server::serve(listener, connections.clone(), move || app(backend.clone(), connections.clone()))
}

fn app(backend: Data<Backend>, connections: OpenConnections) -> App<impl RequestHandling> {
    App::new().app_data(backend).app_data(connections).wrap(from_fn(middleware::guard)).configure(routes)
}

/// The methods of a path that can only be read.
const GET: &str = "GET, HEAD";

/// Matches GET and HEAD.
fn get() -> Route {
    web::route().guard(Any(Get()).or(Head()))
}

fn routes(app: &mut ServiceConfig) {
    app.app_data(json_within(body::MAX_BODY_BYTES))
        .app_data(PathConfig::default().error_handler(|error, _| path_error(&error).into()))
        .app_data(QueryConfig::default().error_handler(|error, _| query_error(&error).into()))
        .service(allow_only("/livez", GET, [get().to(health::live)]))
        .service(allow_only("/readyz", GET, [get().to(health::ready)]))
        .service(allow_only("/metrics", GET, [get().to(host::metrics)]))
        .service(allow_only("/openapi.json", GET, [get().to(host::document)]))
        .service(allow_only("/v1/instance", GET, [get().to(host::instance)]))
        .service(allow_only("/v1/accounts", GET, [get().to(accounts::list_accounts)]))
        .service(account())
        .service(with_actions(allow_only(
            "/v1/accounts/{name}/actions",
            "POST",
            [web::post().to(bot_actions::act)],
        )))
        .service(allow_only("/v1/accounts/{name}/lookups/{kind}", GET, [get().to(bot_actions::get_lookup)]))
        .service(allow_only("/v1/accounts/{name}/files", "POST", [web::post().to(file_routes::upload)]))
        .service(allow_only("/v1/accounts/{name}/files/{id}", GET, [get().to(file_routes::download)]))
        .service(allow_only("/v1/accounts/{name}/{action}", "POST", [web::post().to(accounts::act)]))
        .service(with_actions(allow_only("/v1/replies", "POST", [web::post().to(late_answers::answer)])))
        .service(allow_only("/v1/replies/files", "POST", [web::post().to(file_routes::upload_answer)]))
        .service(allow_only("/v1/replies/files/{id}", GET, [get().to(file_routes::download_for_answer)]))
        .service(allow_only("/v1/cluster", GET, [get().to(cluster_routes::get_cluster)]))
        .service(allow_only("/v1/cluster/drain", "PUT", [web::put().to(cluster_routes::drain)]))
        .service(allow_only("/v1/cluster/rebalance", "POST", [web::post().to(cluster_routes::rebalance)]))
        .service(allow_only("/v1/servers", GET, [get().to(accounts::list_servers)]))
        .service(allow_only("/v1/sinks", GET, [get().to(sinks::list_sinks)]))
        .service(allow_only("/v1/sinks/{name}", GET, [get().to(sinks::get_sink)]))
        .service(allow_only("/v1/sinks/{name}/skip", "POST", [web::post().to(sinks::skip)]))
        .service(allow_only("/v1/sinks/{name}/dead-letters", GET, [get().to(sinks::list_letters)]))
        .service(allow_only(
            "/v1/sinks/{name}/dead-letters/retry",
            "POST",
            [web::post().to(sinks::retry_letters)],
        ))
        .service(allow_only(
            "/v1/sinks/{name}/dead-letters/drop",
            "POST",
            [web::post().to(sinks::drop_letters)],
        ))
        .service(allow_only("/v1/sinks/{name}/{action}", "POST", [web::post().to(sinks::act)]))
        .service(allow_only("/v1/events", GET, [get().to(sse::events)]))
        .service(allow_only("/v1/watch", GET, [get().to(sse::watch)]))
        .service(allow_only(
            "/v1/log-level",
            "GET, HEAD, PUT",
            [get().to(host::log_level), web::put().to(host::set_log_level)],
        ))
        .service(allow_only(
            "/v1/reload",
            "GET, HEAD, POST",
            [get().to(host::preview), web::post().to(host::apply)],
        ))
        .service(allow_only("/v1/sign-in-links", "POST", [web::post().to(sign_in::create_link)]))
        .service(allow_only("/v1/sign-in", "POST", [web::post().to(sign_in::sign_in)]));
    app.configure(assets).default_service(web::to(|| async {
        ApiError::not_found("no such path; see /openapi.json").into_result()
    }));
}

/// Adds the files of the web page.
fn assets(app: &mut ServiceConfig) {
    for asset in ASSETS.iter().chain(DOCUMENTS) {
        app.service(allow_only(
            asset.path,
            GET,
            [get().to(move |request| ready(serve_asset(asset, &request)))],
        ));
    }
}

/// Returns the resource of one account, whose settings have a limit of their own.
fn account() -> Resource {
    let resource = allow_only(
        "/v1/accounts/{name}",
        "GET, HEAD, PUT, DELETE",
        [
            get().to(accounts::get_account),
            web::put().to(accounts::put_account),
            web::delete().to(accounts::delete_account),
        ],
    );
    resource.app_data(json_within(body::MAX_ACCOUNT_BYTES))
}

/// Lets a resource take actions, which may be longer than other bodies.
fn with_actions(resource: Resource) -> Resource {
    resource.app_data(json_within(MAX_ACTIONS_BYTES))
}

fn json_within(limit: usize) -> JsonConfig {
    JsonConfig::default().limit(limit).error_handler(|error, _| json_error(&error).into())
}

/// Returns a resource with these routes; other methods get a 405 with `allow`.
fn allow_only<const N: usize>(path: &str, allow: &'static str, routes: [Route; N]) -> Resource {
    let resource = routes.into_iter().fold(web::resource(path), Resource::route);
    resource
        .default_service(web::to(move || async move { ApiError::method_not_allowed(allow).into_result() }))
}

/// Serves a file of the web page, or a 304 if the browser has it.
fn serve_asset(asset: &'static Asset, request: &HttpRequest) -> HttpResponse {
    let tag = asset.entity_tag();
    let is_cached = request
        .headers()
        .get(IF_NONE_MATCH)
        .is_some_and(|known| known.as_bytes() == tag.to_string().as_bytes());
    let mut response = if is_cached { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    // A new version of the program may have a new page, so browsers revalidate each time.
    response.insert_header(ETag(tag)).insert_header((CACHE_CONTROL, "no-cache"));
    if is_cached { response.finish() } else { response.content_type(asset.content_type).body(asset.text) }
}

fn json_error(error: &JsonPayloadError) -> ApiError {
    match error {
        JsonPayloadError::ContentType => ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body must be JSON with Content-Type: application/json",
        ),
        JsonPayloadError::Overflow { limit } | JsonPayloadError::OverflowKnownLength { limit, .. } => {
            body::too_large(*limit)
        }
        JsonPayloadError::Deserialize(error) => {
            ApiError::bad_request(format!("the body is not valid: {}", Excerpt::of(&error)))
        }
        error => ApiError::bad_request(Excerpt::of(&error)),
    }
}

fn path_error(error: &PathError) -> ApiError {
    ApiError::not_found(format!("no such path: {}", Excerpt::of(&error)))
}

fn query_error(error: &QueryPayloadError) -> ApiError {
    ApiError::bad_request(format!("the query is not valid: {}", Excerpt::of(&error)))
}
