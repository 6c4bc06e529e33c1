//! The routes of accounts and servers.

use actix_web::{
    HttpResponse,
    web::{Data, Json, Path, Query},
};
use matterhost_actors::{hosting::ListServers, model::AccountName};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{api_error::ApiError, backend::Backend, body::hold_until_sent};
use crate::{
    admin::dto::{
        Account, AccountDetail, AccountSettings, Accounts, Action, ActionAccepted, Problem, Server, Servers,
    },
    config::{Change, ChangeStatus, ConfigDiff, ItemKind},
};

/// The filters of the list of accounts.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AccountQuery {
    /// Only accounts in one of these states, separated by commas; an unknown state matches nothing.
    state: Option<String>,
    /// Only accounts on this server.
    server: Option<String>,
    /// Only accounts whose name contains this text.
    name: Option<String>,
}

impl AccountQuery {
    fn matches(&self, account: &Account) -> bool {
        let any = |list: &String, label: &str| list.split(',').any(|wanted| wanted.trim() == label);
        self.state.as_ref().is_none_or(|states| any(states, &account.state))
            && self.server.as_ref().is_none_or(|server| account.server == *server)
            && self.name.as_ref().is_none_or(|part| account.name.contains(part.as_str()))
    }
}

/// List accounts by name
///
/// Every member of a cluster lists the accounts of all. Those of a member that does not answer within a second are `unknown`.
#[utoipa::path(get, path = "/v1/accounts", tag = "accounts", params(AccountQuery),
    responses((status = 200, body = Accounts), (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list_accounts(
    backend: Data<Backend>,
    query: Query<AccountQuery>,
) -> Result<HttpResponse, ApiError> {
    let permit = backend.large_answer_permit()?;
    let mut accounts = backend.accounts.list().await?;
    accounts.retain(|account| query.matches(account));
    let answer = HttpResponse::Ok().json(Accounts { accounts });
    Ok(answer.map_body(|_, accounts| hold_until_sent(accounts, permit)))
}

/// Get everything known about one account
#[utoipa::path(get, path = "/v1/accounts/{name}", tag = "accounts", params(("name" = String, Path, description = "The account's name")),
    responses((status = 200, body = AccountDetail), (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn get_account(
    backend: Data<Backend>,
    name: Path<String>,
) -> Result<Json<AccountDetail>, ApiError> {
    Ok(Json(backend.accounts.detail(&parse_name(&name)?).await?))
}

/// Put an account: add it, or replace its settings
///
/// It is kept in the directory of the state, and is there after a restart. The same request twice changes nothing.
#[utoipa::path(put, path = "/v1/accounts/{name}", tag = "accounts",
    params(("name" = String, Path, pattern = "^[A-Za-z0-9_.-]{1,128}$", description = "The account's name")),
    request_body = AccountSettings,
    responses((status = 200, description = "The changes; none if the account was the same", body = ConfigDiff),
        (status = 201, description = "The account is new", body = ConfigDiff),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn put_account(
    backend: Data<Backend>,
    name: Path<String>,
    settings: Json<AccountSettings>,
) -> Result<HttpResponse, ApiError> {
    let name = AccountName::new(&name).map_err(|error| ApiError::bad_request(error.to_string()))?;
    let diff = backend.operations.change_account(name, Some(settings.into_inner())).await?;
    let is_new = |change: &Change| (change.kind, change.status) == (ItemKind::Account, ChangeStatus::Added);
    let mut answer =
        if diff.changes.iter().any(is_new) { HttpResponse::Created() } else { HttpResponse::Ok() };
    Ok(answer.json(diff))
}

/// Delete an account that was put
#[utoipa::path(delete, path = "/v1/accounts/{name}", tag = "accounts",
    params(("name" = String, Path, description = "The account's name")),
    responses((status = 200, description = "The changes", body = ConfigDiff),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn delete_account(
    backend: Data<Backend>,
    name: Path<String>,
) -> Result<Json<ConfigDiff>, ApiError> {
    Ok(Json(backend.operations.change_account(parse_name(&name)?, None).await?))
}

/// Restart, stop, start, reset the restart budget of, or audit one account
#[utoipa::path(post, path = "/v1/accounts/{name}/{action}", tag = "accounts",
    params(("name" = String, Path, description = "The account's name"), ("action" = Action, Path, description = "What to do")),
    responses((status = 202, description = "The action has begun", body = ActionAccepted),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn act(
    backend: Data<Backend>,
    path: Path<(String, Action)>,
) -> Result<HttpResponse, ApiError> {
    let (name, action) = path.into_inner();
    Ok(HttpResponse::Accepted().json(backend.accounts.act(&parse_name(&name)?, action).await?))
}

/// List Mattermost servers by name
#[utoipa::path(get, path = "/v1/servers", tag = "servers",
    responses((status = 200, body = Servers), (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list_servers(backend: Data<Backend>) -> Result<Json<Servers>, ApiError> {
    let all = backend.ask(ListServers).await?;
    let url = |name: &str| backend.operations.server_url(name);
    let servers = all.iter().map(|server| Server::new(server, url(server.server.as_str()))).collect();
    Ok(Json(Servers { servers }))
}

pub(super) fn parse_name(name: &str) -> Result<AccountName, ApiError> {
    AccountName::new(name).map_err(|error| ApiError::not_found(format!("no such account: {error}")))
}
