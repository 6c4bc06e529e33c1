//! The route by which a handler answers an event later.

use std::time::SystemTime;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header::HeaderMap},
    web::{Data, Json, ReqData},
};

use super::{
    api_error::ApiError,
    authenticator::require_bearer_token,
    backend::Backend,
    bot_actions::{BotActionResponse, idempotency_key, run},
};
use crate::{
    actions::{AnsweredEvent, BotActions},
    admin::dto::Problem,
};

/// The path of the route.
const PATH: &str = "/v1/replies";

/// The path of the route for files; the id of a file follows it.
const FILES_PATH: &str = "/v1/replies/files";

/// True for the path that takes actions.
pub(super) fn takes_actions(path: &str) -> bool {
    path == PATH
}

/// True if a reply token is the credential for a request.
pub(super) fn takes_reply_token(method: &Method, path: &str) -> bool {
    match *method {
        Method::POST => path == PATH || path == FILES_PATH,
        Method::GET | Method::HEAD => path.strip_prefix(FILES_PATH).is_some_and(|id| id.starts_with('/')),
        _ => false,
    }
}

/// Returns the event that a request with a reply token answers.
///
/// # Errors
/// If the token is not valid, or the account no longer delivers to the sink that has it.
pub(super) fn authenticate(backend: &Backend, headers: &HeaderMap) -> Result<AnsweredEvent, ApiError> {
    let token = require_bearer_token(headers, "the reply token of an event")?;
    let Some(tokens) = &backend.reply_tokens else {
        return Err(backend.authenticator.refuse("this host issues no reply tokens"));
    };
    let event = tokens.verify(token, SystemTime::now());
    let event = event.map_err(|error| backend.authenticator.refuse(&error.to_string()))?;
    let sinks = backend.operations.sinks().ok_or_else(|| ApiError::unavailable("the host is starting"))?;
    if !sinks.delivers(&event.account, &event.sink) {
        let (account, sink) = (event.account.as_str(), &event.sink);
        return Err(ApiError::forbidden(format!("account {account} no longer delivers to the sink {sink}")));
    }
    Ok(event)
}

/// Answer an event later, with its reply token as the bearer token
///
/// The actions are those of an answer to the event. The response is sent once they are done.
#[utoipa::path(post, path = "/v1/replies", tag = "actions", security(("reply" = [])),
    params(("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,240}$", description = "The key of posts without one; of several actions, it is followed by # and the index")),
    request_body = BotActions,
    responses((status = 200, description = "The action is done, or the results of all actions", body = BotActionResponse),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn answer(
    backend: Data<Backend>,
    event: ReqData<AnsweredEvent>,
    request: HttpRequest,
    actions: Json<BotActions>,
) -> Result<HttpResponse, ApiError> {
    let key = idempotency_key(&request)?;
    run(&backend, &event.account, actions.into_inner(), key, Some(&event)).await
}
