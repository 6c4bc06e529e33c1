//! The routes by which an account acts on its Mattermost server, and looks something up.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header::HeaderValue},
    web::{Data, Json, Path, Query, ReqData},
};
use matterhost_actors::model::{AccountName, ReplyError};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::{api_error::ApiError, authenticator::Caller, backend::Backend, body::hold_until_sent};
use crate::{
    actions::{
        ActionDone, ActionError, ActionPlace, ActionResult, AnsweredEvent, BotAction, BotActions,
        CheckedAction, Work, take, target_schema,
    },
    admin::dto::Problem,
};

/// The header with a default for the keys of a request's posts.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The longest such key, in bytes: a number is added to it for each of several actions.
const MAX_KEY_BYTES: usize = 240;

/// Act as an account: post, whisper, update, delete, react, unreact, show as typing, look up
///
/// The response is sent once the action is done, which can take as long as `replies.deadline` while the account is not
/// connected. Several actions are taken in order; after one that fails, the others are not taken.
#[utoipa::path(post, path = "/v1/accounts/{name}/actions", tag = "actions",
    params(("name" = String, Path, description = "The account's name"),
        ("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,240}$", description = "The key of posts without one; of several actions, it is followed by # and the index")),
    request_body = BotActions,
    responses((status = 200, description = "The action is done, or the results of all actions", body = BotActionResponse),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn act(
    backend: Data<Backend>,
    name: Path<String>,
    request: HttpRequest,
    actions: Json<BotActions>,
) -> Result<HttpResponse, ApiError> {
    let account = backend.hosted_name(&name)?;
    let key = idempotency_key(&request)?;
    run(&backend, &account, actions.into_inner(), key, None).await
}

/// Takes the actions of a request, which answers an event or not. `key` is the default for the keys of its posts.
pub(super) async fn run(
    backend: &Backend,
    account: &AccountName,
    actions: BotActions,
    key: Option<&str>,
    event: Option<&AnsweredEvent>,
) -> Result<HttpResponse, ApiError> {
    let _place = backend.action_place(account)?;
    match actions {
        BotActions::One(action) => {
            let action = action.check(place(event, key))?;
            let permit = is_look_up(&action).then(|| backend.look_up_place(account)).transpose()?;
            let done = take_counted(backend, account, action, event).await?;
            Ok(HttpResponse::Ok().json(done).map_body(|_, body| hold_until_sent(body, permit)))
        }
        BotActions::Several(actions) => {
            let check = |(n, action): (_, BotAction)| {
                let key = key.map(|key| format!("{key}#{n}"));
                let checked = action.check(place(event, key.as_deref()));
                checked.map_err(|error| to_api_error(&error, &format!("[{n}]: ")))
            };
            let actions: Vec<_> = actions.into_iter().enumerate().map(check).collect::<Result<_, _>>()?;
            let is_any = actions.iter().any(is_look_up);
            let permit = is_any.then(|| backend.look_up_place(account)).transpose()?;
            let results = take_all(backend, account, actions, event).await;
            Ok(HttpResponse::Ok().json(results).map_body(|_, body| hold_until_sent(body, permit)))
        }
    }
}

fn place<'a>(event: Option<&'a AnsweredEvent>, key: Option<&'a str>) -> ActionPlace<'a> {
    match event {
        None => ActionPlace::Request { key },
        Some(event) => ActionPlace::LateAnswer { event, key },
    }
}

/// The response to an action or to several.
#[derive(ToSchema)]
#[schema(as = BotActionResponse)]
#[expect(dead_code, reason = "it only describes the response")]
#[serde(untagged)]
pub(super) enum BotActionResponse {
    /// The result of the only action.
    One(ActionDone),
    /// The results of several actions, in their order.
    Several(Vec<ActionResult>),
}

/// Returns the default for the keys of a request's posts.
pub(super) fn idempotency_key(request: &HttpRequest) -> Result<Option<&str>, ApiError> {
    request.headers().get(IDEMPOTENCY_KEY).map(check_key).transpose()
}

fn check_key(key: &HeaderValue) -> Result<&str, ApiError> {
    let is_visible = |key: &&str| key.bytes().all(|byte| byte.is_ascii_graphic());
    let key = key.to_str().ok().filter(is_visible).filter(|key| (1..=MAX_KEY_BYTES).contains(&key.len()));
    let form = format!("Idempotency-Key must be 1 to {MAX_KEY_BYTES} visible ASCII characters");
    key.ok_or_else(|| ApiError::bad_request(form))
}

fn is_look_up(action: &CheckedAction) -> bool {
    matches!(action.work, Work::LookUp(_))
}

/// Returns the error for an action that cannot be taken.
fn to_api_error(error: &ActionError, place: &str) -> ApiError {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST);
    ApiError::new(status, format!("{place}{error}"))
}

impl From<ActionError> for ApiError {
    fn from(error: ActionError) -> Self {
        to_api_error(&error, "")
    }
}

/// The reason why an action was not taken.
enum NotTaken {
    /// It is more than an event may have.
    Refused(ActionError),
    /// It was not done.
    Failed(ReplyError),
}

impl From<NotTaken> for ApiError {
    fn from(reason: NotTaken) -> Self {
        match reason {
            NotTaken::Refused(error) => error.into(),
            NotTaken::Failed(error) => error.into(),
        }
    }
}

/// Takes an action. In answer to an event it counts among the event's posts.
async fn take_counted(
    backend: &Backend,
    account: &AccountName,
    action: CheckedAction,
    event: Option<&AnsweredEvent>,
) -> Result<ActionDone, NotTaken> {
    let counted = event.zip(backend.reply_tokens.as_ref());
    let counted = counted.map(|(event, tokens)| tokens.posts().count(event, &action)).transpose();
    let counted = counted.map_err(NotTaken::Refused)?.flatten();
    let done = take_one(backend, account, action, event).await;
    if let (Err(_), Some(post)) = (&done, counted) {
        post.forget();
    }
    done.map_err(NotTaken::Failed)
}

/// Takes an action. An update in answer to an event that is not waited for is kept by the event's sink if it fails.
async fn take_one(
    backend: &Backend,
    account: &AccountName,
    action: CheckedAction,
    event: Option<&AnsweredEvent>,
) -> Result<ActionDone, ReplyError> {
    let event = event.filter(|_| action.is_detached());
    if let Some((event, sinks)) = event.zip(backend.operations.sinks())
        && sinks.update(event, &action)
    {
        return Ok(ActionDone::default());
    }
    // The caller waits for one that the sink does not take, and learns of its failure.
    let action = if event.is_some() { action.attached() } else { action };
    take(&backend.poster, account, action).await
}

async fn take_all(
    backend: &Backend,
    account: &AccountName,
    actions: Vec<CheckedAction>,
    event: Option<&AnsweredEvent>,
) -> Vec<ActionResult> {
    let mut results: Vec<ActionResult> = Vec::with_capacity(actions.len());
    for action in actions {
        results.push(if results.last().is_none_or(ActionResult::is_done) {
            match take_counted(backend, account, action, event).await {
                Ok(done) => ActionResult::of(Ok(done)),
                Err(NotTaken::Refused(error)) => ActionResult::refused(&error),
                Err(NotTaken::Failed(error)) => ActionResult::of(Err(error)),
            }
        } else {
            ActionResult::not_taken()
        });
    }
    results
}

/// A kind of look-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum LookupKind {
    /// A channel; the direct channel with a user is created if there is none.
    Channel,
    /// A user.
    User,
    /// The posts of a thread.
    Thread,
    /// The newest posts of a channel.
    Posts,
}

/// The subject of a look-up.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LookupQuery {
    /// A channel's id, `team/channel` or `@username` for a channel and its posts; an id or `@username` for a user; a post's
    /// id for a thread.
    #[param(schema_with = target_schema)]
    target: String,
    /// The number of posts; 60 if it is left out, 200 at most.
    #[param(minimum = 1, maximum = 200)]
    count: Option<usize>,
}

/// Look up a channel, a user, a thread or the newest posts of a channel, as an account
///
/// The response is the server's own JSON. It shows what the account may see, so the full token is required.
#[utoipa::path(get, path = "/v1/accounts/{name}/lookups/{kind}", tag = "actions",
    params(("name" = String, Path, description = "The account's name"), ("kind" = LookupKind, Path, description = "What to look up"), LookupQuery),
    responses((status = 200, description = "The server's JSON", body = Object),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn get_lookup(
    backend: Data<Backend>,
    caller: ReqData<Caller>,
    path: Path<(String, LookupKind)>,
    query: Query<LookupQuery>,
) -> Result<HttpResponse, ApiError> {
    if !caller.may_change {
        return Err(ApiError::forbidden(
            "this token is read-only, and a look-up shows posts; use the full token",
        ));
    }
    let (name, kind) = path.into_inner();
    let account = backend.hosted_name(&name)?;
    let permit = backend.look_up_place(&account)?;
    let action = action(kind, query.into_inner()).check(ActionPlace::Request { key: None })?;
    let done = take(&backend.poster, &account, action).await?;
    let json = done.found.map(|found| found.get().to_owned()).unwrap_or_default();
    let answer = HttpResponse::Ok().content_type("application/json").body(json);
    Ok(answer.map_body(|_, body| hold_until_sent(body, permit)))
}

/// Returns the action that looks the same up.
fn action(kind: LookupKind, LookupQuery { target, count }: LookupQuery) -> BotAction {
    let target = Some(target);
    match kind {
        LookupKind::Channel => BotAction::FindChannel { target },
        LookupKind::User => BotAction::FindUser { user: target },
        LookupKind::Thread => BotAction::GetThread { post: target },
        LookupKind::Posts => BotAction::GetPosts { target, count },
    }
}
