//! The routes by which an account acts on its Mattermost server, and looks something up.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header::HeaderValue},
    web::{Data, Json, Path, Query, ReqData},
};
use matterhost_actors::{
    hosting::{LookUp, SendReply},
    model::{AccountName, ChannelId, Found, Lookup, PostedIds, Target, UserId, UserRef},
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::{
    accounts::parse_name, api_error::ApiError, authenticator::Caller, backend::Backend, body::hold_until_sent,
};
use crate::admin::dto::{BotAction, BotActionDone, BotActionResult, BotActions, Problem, UnresolvedAction};

/// The header with a default for the keys of a request's posts.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The longest such key, in bytes: a number is added to it for each of several actions.
const MAX_KEY_BYTES: usize = 240;

/// The posts that a look-up returns unless it says how many.
const DEFAULT_COUNT: usize = 60;

/// Act as an account: post, whisper, update, delete, react, unreact, show as typing
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
    let account = parse_name(&name)?;
    let key = request.headers().get(IDEMPOTENCY_KEY).map(check_key).transpose()?;
    match actions.into_inner() {
        BotActions::One(action) => {
            let action = check(action, key)?;
            let done = take(&backend, &account, action).await?;
            Ok(HttpResponse::Ok().json(BotActionDone { ids: ids(&done) }))
        }
        BotActions::Several(actions) => {
            let check = |(n, action)| {
                let key = key.map(|key| format!("{key}#{n}"));
                check(action, key.as_deref())
                    .map_err(|error| ApiError::bad_request(format!("[{n}]: {error}")))
            };
            let actions = actions.into_iter().enumerate().map(check).collect::<Result<_, _>>()?;
            Ok(HttpResponse::Ok().json(take_all(&backend, &account, actions).await))
        }
    }
}

/// The response to an action or to several.
#[derive(ToSchema)]
#[schema(as = BotActionResponse)]
#[expect(dead_code, reason = "it only describes the response")]
#[serde(untagged)]
pub(super) enum BotActionResponse {
    /// The result of the only action.
    One(BotActionDone),
    /// The results of several actions, in their order.
    Several(Vec<BotActionResult>),
}

fn check_key(key: &HeaderValue) -> Result<&str, ApiError> {
    let is_visible = |key: &&str| key.bytes().all(|byte| byte.is_ascii_graphic());
    let key = key.to_str().ok().filter(is_visible).filter(|key| (1..=MAX_KEY_BYTES).contains(&key.len()));
    let form = format!("Idempotency-Key must be 1 to {MAX_KEY_BYTES} visible ASCII characters");
    key.ok_or_else(|| ApiError::bad_request(form))
}

fn check(action: BotAction, key: Option<&str>) -> Result<UnresolvedAction, ApiError> {
    action.check(key).map_err(|error| ApiError::bad_request(error.to_string()))
}

async fn take_all(
    backend: &Backend,
    account: &AccountName,
    actions: Vec<UnresolvedAction>,
) -> Vec<BotActionResult> {
    let mut results: Vec<BotActionResult> = Vec::with_capacity(actions.len());
    for action in actions {
        let has_failed = results.last().is_some_and(|last| last.status != StatusCode::OK);
        let result = if has_failed { Err(not_taken()) } else { take(backend, account, action).await };
        results.push(match result {
            Ok(done) => BotActionResult { status: StatusCode::OK.as_u16(), ids: ids(&done), detail: None },
            Err(error) => {
                let (status, detail) = (error.status.as_u16(), Some(error.to_string()));
                BotActionResult { status, ids: Vec::new(), detail }
            }
        });
    }
    results
}

fn not_taken() -> ApiError {
    ApiError::new(StatusCode::FAILED_DEPENDENCY, "not taken, because an earlier action failed")
}

fn ids(done: &PostedIds) -> Vec<String> {
    done.ids.iter().map(ToString::to_string).collect()
}

/// Looks up what the action names, and takes it.
async fn take(
    backend: &Backend,
    account: &AccountName,
    action: UnresolvedAction,
) -> Result<PostedIds, ApiError> {
    let channel = match &action.target {
        None => None,
        Some(target) => Some(find_channel(backend, account, target).await?),
    };
    let user = match &action.user {
        None => None,
        Some(UserRef::Id(id)) => Some(id.clone()),
        Some(user) => {
            let found = look_up(backend, account, Lookup::User(user.clone())).await?;
            Some(UserId::from(found.id()))
        }
    };
    let request = SendReply { account: account.clone(), action: action.resolve(channel, user) };
    let result = backend.supervisor.send(request).await;
    Ok(result.map_err(|_| ApiError::unavailable("the host is shutting down"))??)
}

async fn find_channel(
    backend: &Backend,
    account: &AccountName,
    target: &Target,
) -> Result<ChannelId, ApiError> {
    match target {
        Target::Id(id) => Ok(id.clone()),
        target => {
            let found = look_up(backend, account, Lookup::Channel(target.clone())).await?;
            Ok(found.id().into())
        }
    }
}

async fn look_up(backend: &Backend, account: &AccountName, lookup: Lookup) -> Result<Found, ApiError> {
    let result = backend.supervisor.send(LookUp { account: account.clone(), lookup }).await;
    Ok(result.map_err(|_| ApiError::unavailable("the host is shutting down"))??)
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
    #[param(
        pattern = "^([A-Za-z0-9]{26}|@[A-Za-z0-9][A-Za-z0-9._-]{0,63}|[A-Za-z0-9][A-Za-z0-9._-]{0,63}/[A-Za-z0-9][A-Za-z0-9._-]{0,63})$"
    )]
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
    let account = parse_name(&name)?;
    let permit = backend.large_answer_permit()?;
    let lookup = lookup(&backend, &account, kind, &query).await?;
    let found = look_up(&backend, &account, lookup).await?;
    let answer = HttpResponse::Ok().content_type("application/json").body(found.json().get().to_owned());
    Ok(answer.map_body(|_, body| hold_until_sent(body, permit)))
}

async fn lookup(
    backend: &Backend,
    account: &AccountName,
    kind: LookupKind,
    query: &LookupQuery,
) -> Result<Lookup, ApiError> {
    let target = || query.target.parse().map_err(|error| ApiError::bad_request(format!("target: {error}")));
    Ok(match kind {
        LookupKind::Channel => Lookup::Channel(target()?),
        LookupKind::User => {
            let user = query.target.parse();
            Lookup::User(user.map_err(|error| ApiError::bad_request(format!("target: {error}")))?)
        }
        LookupKind::Thread => match query.target.parse() {
            // A post's id has the form of a channel's.
            Ok(Target::Id(id)) => Lookup::Thread(id.as_str().into()),
            _ => return Err(ApiError::bad_request("target must be a post's id: 26 letters and digits")),
        },
        LookupKind::Posts => {
            let count = query.count.unwrap_or(DEFAULT_COUNT);
            if !(1..=200).contains(&count) {
                return Err(ApiError::bad_request("count must be 1 to 200"));
            }
            Lookup::Posts { channel: find_channel(backend, account, &target()?).await?, count }
        }
    })
}
