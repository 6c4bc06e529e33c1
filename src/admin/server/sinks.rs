//! The routes of sinks and dead letters.

use std::sync::Arc;

use actix_web::{
    HttpResponse,
    web::{Data, Json, Path},
};

use super::{api_error::ApiError, backend::Backend, sink_operations::SinkOperations};
use crate::admin::dto::{
    DeadLetters, DroppedLetters, LetterSelection, Problem, RetriedLetters, Sink, SinkAction,
    SinkActionAccepted, Sinks, SkipRequest, Skipped,
};

fn operations(backend: &Backend) -> Result<Arc<dyn SinkOperations>, ApiError> {
    backend.operations.sinks().ok_or_else(|| ApiError::not_found("this host has no sinks"))
}

/// List the sinks by name: their states, what waits, and what they said last
#[utoipa::path(get, path = "/v1/sinks", tag = "sinks",
    responses((status = 200, body = Sinks), (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list_sinks(backend: Data<Backend>) -> Result<Json<Sinks>, ApiError> {
    let Some(operations) = backend.operations.sinks() else { return Ok(Json(Sinks { sinks: Vec::new() })) };
    Ok(Json(Sinks { sinks: operations.list().await? }))
}

/// Get one sink
#[utoipa::path(get, path = "/v1/sinks/{name}", tag = "sinks", params(("name" = String, Path, description = "The sink's name")),
    responses((status = 200, body = Sink), (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn get_sink(backend: Data<Backend>, name: Path<String>) -> Result<Json<Sink>, ApiError> {
    Ok(Json(operations(&backend)?.get(&name).await?))
}

/// Restart one sink, or make it try at once what waits
///
/// All accounts that deliver to it are affected; none of them loses an event or its connection.
#[utoipa::path(post, path = "/v1/sinks/{name}/{action}", tag = "sinks",
    params(("name" = String, Path, description = "The sink's name"), ("action" = SinkAction, Path, description = "What to do")),
    responses((status = 202, description = "The action has begun", body = SinkActionAccepted),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn act(
    backend: Data<Backend>,
    path: Path<(String, SinkAction)>,
) -> Result<HttpResponse, ApiError> {
    let (sink, action) = path.into_inner();
    operations(&backend)?.act(&sink, action).await?;
    tracing::info!(sink, action = action.label(), "an operator requested an action on a sink");
    Ok(HttpResponse::Accepted().json(SinkActionAccepted { sink, action }))
}

/// Take the first event of a channel from a sink, and keep it as a dead letter
#[utoipa::path(post, path = "/v1/sinks/{name}/skip", tag = "sinks", params(("name" = String, Path, description = "The sink's name")),
    request_body = SkipRequest,
    responses((status = 202, description = "The event is taken away", body = Skipped),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn skip(
    backend: Data<Backend>,
    name: Path<String>,
    request: Json<SkipRequest>,
) -> Result<HttpResponse, ApiError> {
    let (account, channel) = (request.account.clone(), request.channel.clone());
    let skipped = operations(&backend)?.skip(&name, request.into_inner()).await?;
    let (sink, event) = (&skipped.sink, &skipped.event);
    tracing::warn!(sink, account, channel, event, "an operator skipped an event; it becomes a dead letter");
    Ok(HttpResponse::Accepted().json(skipped))
}

/// List the newest dead letters of a sink
#[utoipa::path(get, path = "/v1/sinks/{name}/dead-letters", tag = "sinks", params(("name" = String, Path, description = "The sink's name")),
    responses((status = 200, body = DeadLetters), (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list_letters(
    backend: Data<Backend>,
    name: Path<String>,
) -> Result<Json<DeadLetters>, ApiError> {
    Ok(Json(operations(&backend)?.dead_letters(&name).await?))
}

/// Deliver dead letters to the sink's handler again, in order; its replies are posted
///
/// The response is sent once all are answered. If the handler accepts nothing for a minute, the rest is kept. If none of the
/// `ids` has a dead letter at the sink, it is a 404.
#[utoipa::path(post, path = "/v1/sinks/{name}/dead-letters/retry", tag = "sinks", params(("name" = String, Path, description = "The sink's name")),
    request_body = LetterSelection,
    responses((status = 200, body = RetriedLetters),
        (status = 404, description = "There is no such sink, or no such dead letter", body = Problem, content_type = "application/problem+json"),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn retry_letters(
    backend: Data<Backend>,
    name: Path<String>,
    selection: Json<LetterSelection>,
) -> Result<Json<RetriedLetters>, ApiError> {
    let sink = name.into_inner();
    let retried = operations(&backend)?.retry_letters(&sink, selection.into_inner()).await?;
    let RetriedLetters { accepted, refused, remaining, .. } = retried;
    tracing::info!(sink, accepted, refused, remaining, "an operator retried dead letters");
    Ok(Json(retried))
}

/// Delete dead letters of a sink
///
/// If none of the `ids` has a dead letter at the sink, the response is a 404.
#[utoipa::path(post, path = "/v1/sinks/{name}/dead-letters/drop", tag = "sinks", params(("name" = String, Path, description = "The sink's name")),
    request_body = LetterSelection,
    responses((status = 200, body = DroppedLetters),
        (status = 404, description = "There is no such sink, or no such dead letter", body = Problem, content_type = "application/problem+json"),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn drop_letters(
    backend: Data<Backend>,
    name: Path<String>,
    selection: Json<LetterSelection>,
) -> Result<Json<DroppedLetters>, ApiError> {
    let sink = name.into_inner();
    let dropped = operations(&backend)?.drop_letters(&sink, selection.into_inner()).await?;
    tracing::warn!(sink, dropped = dropped.dropped, "an operator dropped dead letters");
    Ok(Json(dropped))
}
