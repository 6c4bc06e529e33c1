//! The routes of the process: instance, log level, reload, metrics and this API's description.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{Data, Json, ReqData},
};

use super::{
    api_error::ApiError,
    authenticator::Caller,
    backend::{Backend, ReloadRefused},
    body::hold_until_sent,
    openapi,
};
use crate::{
    admin::dto::{Instance, LogLevel, Problem},
    config::ConfigDiff,
    telemetry::metrics::Format,
};

/// Describe the process
#[utoipa::path(get, path = "/v1/instance", tag = "host",
    responses((status = 200, body = Instance), (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn instance(backend: Data<Backend>, caller: ReqData<Caller>) -> Json<Instance> {
    Json(backend.instance_for(caller.into_inner()))
}

/// Get the log level
#[utoipa::path(get, path = "/v1/log-level", tag = "host",
    responses((status = 200, body = LogLevel), (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn log_level(backend: Data<Backend>) -> Json<LogLevel> {
    Json(LogLevel { level: backend.operations.log_level() })
}

/// Set the log level until the next reload or start
#[utoipa::path(put, path = "/v1/log-level", tag = "host", request_body = LogLevel,
    responses((status = 200, body = LogLevel), (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn set_log_level(
    backend: Data<Backend>,
    new: Json<LogLevel>,
) -> Result<Json<LogLevel>, ApiError> {
    backend.operations.set_log_level(&new.level).map_err(ApiError::bad_request)?;
    tracing::info!(level = new.level, "an operator changed the log level");
    Ok(Json(LogLevel { level: backend.operations.log_level() }))
}

/// Preview the changes of a reload
#[utoipa::path(get, path = "/v1/reload", tag = "host",
    responses((status = 200, description = "The changes that a reload would make", body = ConfigDiff),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn preview(backend: Data<Backend>) -> Result<Json<ConfigDiff>, ApiError> {
    reload(&backend, false).await
}

/// Reload the configuration
#[utoipa::path(post, path = "/v1/reload", tag = "host",
    responses((status = 200, description = "The changes that were made", body = ConfigDiff),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn apply(backend: Data<Backend>) -> Result<Json<ConfigDiff>, ApiError> {
    reload(&backend, true).await
}

async fn reload(backend: &Backend, apply: bool) -> Result<Json<ConfigDiff>, ApiError> {
    let refused =
        |ReloadRefused { detail, problems }: ReloadRefused| ApiError::invalid_configuration(detail, problems);
    Ok(Json(backend.operations.reload(apply).await.map_err(refused)?))
}

/// Get the metrics for Prometheus
#[utoipa::path(get, path = "/metrics", tag = "host",
    responses((status = 200, description = "The Prometheus text format, or OpenMetrics if the client accepts it",
            content((String = "text/plain"), (String = "application/openmetrics-text"))),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn metrics(backend: Data<Backend>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let permit = backend.large_answer_permit()?;
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let format = accept.map_or_else(Format::default, Format::accepted);
    let text = backend.operations.metrics(format).await.map_err(ApiError::unavailable)?;
    let answer = HttpResponse::Ok().content_type(format.content_type()).body(text);
    Ok(answer.map_body(|_, text| hold_until_sent(text, permit)))
}

/// Get the OpenAPI document of this API
#[utoipa::path(get, path = "/openapi.json", tag = "host", security(()),
    responses((status = 200, description = "OpenAPI 3.1", body = Object)))]
pub(super) async fn document() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(openapi::json())
}
