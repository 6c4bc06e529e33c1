//! Accounts: shown, steered, spoken through.

use actix_web::{
    HttpResponse,
    web::{Data, Json, Path, Query},
};
use matterhost_actors::{
    actors::{AuditAccount, List, Look, ResetAccount, RestartAccount, SendReply, StartAccount, StopAccount},
    model::{AccountName, AccountSnapshot, AccountState, Order},
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    backend::Backend,
    body::holding,
    refusal::{Refusal, known},
};
use crate::api::{Account, AccountDetail, Accounts, Action, Done, NewPost, Posted, Problem};

/// Which accounts.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Only those in one of these states, with commas between.
    #[param(
        pattern = "^((ready|connecting|catching_up|stalled|backoff|blocked|misconfigured|tripped|stopping|stopped)(,(ready|connecting|catching_up|stalled|backoff|blocked|misconfigured|tripped|stopping|stopped))*)?$"
    )]
    state: Option<String>,
    /// Only those on this server.
    server: Option<String>,
    /// Only those whose name holds this.
    name: Option<String>,
}

impl Which {
    /// The states that are wanted; all when there is none.
    fn states(&self) -> Result<Vec<String>, Refusal> {
        let Some(list) = self.state.as_deref().filter(|list| !list.is_empty()) else { return Ok(Vec::new()) };
        let states: Vec<_> = list.split(',').map(str::to_owned).collect();
        known("state", &states, &AccountState::ALL.map(AccountState::label))?;
        Ok(states)
    }

    fn takes(&self, states: &[String], account: &AccountSnapshot) -> bool {
        let label = account.state.label();
        (states.is_empty() || states.iter().any(|state| state == label))
            && self.server.as_ref().is_none_or(|server| account.server.as_str() == server)
            && self.name.as_ref().is_none_or(|part| account.account.as_str().contains(part.as_str()))
    }
}

/// Accounts, by name
#[utoipa::path(get, path = "/v1/accounts", tag = "accounts", params(Which),
    responses((status = 200, body = Accounts), (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(backend: Data<Backend>, which: Query<Which>) -> Result<HttpResponse, Refusal> {
    let states = which.states()?;
    let place = backend.place()?;
    let all = backend.ask(List).await?;
    let accounts = all.iter().filter(|account| which.takes(&states, account)).map(Account::from).collect();
    let answer = HttpResponse::Ok().json(Accounts { accounts });
    Ok(answer.map_body(|_, accounts| holding(accounts, place)))
}

/// Everything that is known of one account
#[utoipa::path(get, path = "/v1/accounts/{name}", tag = "accounts", params(("name" = String, Path, description = "The account's name")),
    responses((status = 200, body = AccountDetail), (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn one(backend: Data<Backend>, name: Path<String>) -> Result<Json<AccountDetail>, Refusal> {
    let detail = backend.ask(Look(account(&name)?)).await??;
    Ok(Json((&detail).into()))
}

/// Restart, stop, start, reset the restart budget of, or audit one account
#[utoipa::path(post, path = "/v1/accounts/{name}/{action}", tag = "accounts",
    params(("name" = String, Path, description = "The account's name"), ("action" = Action, Path, description = "What to do")),
    responses((status = 202, description = "It is under way", body = Done),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn act(
    backend: Data<Backend>,
    path: Path<(String, Action)>,
) -> Result<HttpResponse, Refusal> {
    let (name, action) = path.into_inner();
    let name = account(&name)?;
    match action {
        Action::Restart => backend.ask(RestartAccount(name.clone())).await??,
        Action::Stop => backend.ask(StopAccount(name.clone())).await??,
        Action::Start => backend.ask(StartAccount(name.clone())).await??,
        Action::Reset => backend.ask(ResetAccount(name.clone())).await??,
        Action::Audit => backend.ask(AuditAccount(name.clone())).await??,
    }
    tracing::info!(account = name.as_str(), action = action.label(), "asked for by an operator");
    Ok(HttpResponse::Accepted().json(Done { account: name.to_string(), action }))
}

/// Post as an account
///
/// Answered when the post is made, which can take as long as `replies.deadline` while the account is away.
#[utoipa::path(post, path = "/v1/accounts/{name}/posts", tag = "accounts", params(("name" = String, Path, description = "The account's name")),
    request_body = NewPost,
    responses((status = 201, description = "It is posted", body = Posted),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn post(
    backend: Data<Backend>,
    name: Path<String>,
    post: Json<NewPost>,
) -> Result<HttpResponse, Refusal> {
    let account = account(&name)?;
    let post = post.into_inner();
    if post.key.as_ref().is_some_and(|key| !key.is_ascii()) {
        return Err(Refusal::bad("key: a key is 1 to 256 visible characters of ASCII"));
    }
    let draft = post.into_draft().map_err(|error| Refusal::bad(format!("key: {error}")))?;
    if draft.channel.as_str().is_empty() {
        return Err(Refusal::bad("channel_id is empty; name a channel"));
    }
    let asked = backend.supervisor.send(SendReply { account, order: Order::Post(draft) }).await;
    let posted = asked.map_err(|_| Refusal::unavailable("the host is ending"))??;
    let ids = posted.ids.iter().map(ToString::to_string).collect();
    Ok(HttpResponse::Created().json(Posted { ids }))
}

fn account(name: &str) -> Result<AccountName, Refusal> {
    // What is no name is no account's.
    AccountName::new(name).map_err(|error| Refusal::not_found(format!("there is no such account: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_states_of_the_description_are_those_there_are() {
        let document = serde_json::to_value(super::super::openapi()).unwrap();
        let parameters = document["paths"]["/v1/accounts"]["get"]["parameters"].as_array().unwrap();
        let state = parameters.iter().find(|parameter| parameter["name"] == "state").unwrap();
        let states = AccountState::ALL.map(AccountState::label).join("|");
        assert_eq!(state["schema"]["pattern"], format!("^(({states})(,({states}))*)?$"));
    }
}
