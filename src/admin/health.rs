//! What looks after processes asks.

use std::fmt::Write as _;

use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Data, Query},
};
use matterhost_actors::{
    actors::{CountStates, List},
    model::{AccountSnapshot, AccountState},
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{backend::Backend, refusal::Refusal};
use crate::{
    api::{self, Problem},
    config::ReadyPolicy,
};

const TEXT: &str = "text/plain; charset=utf-8";

/// How much to say.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct HowMuch {
    /// Also say it of each account, with the reason.
    #[param(value_type = Option<String>, allow_reserved)]
    verbose: Option<String>,
}

/// Whether the Supervisor answers
#[utoipa::path(get, path = "/livez", tag = "health", security(()),
    responses((status = 200, description = "It does", body = String, content_type = "text/plain"),
        (status = 503, description = "It does not", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn live(backend: Data<Backend>) -> Result<HttpResponse, Refusal> {
    backend.ask(CountStates).await?;
    Ok(HttpResponse::Ok().content_type(TEXT).body("live\n"))
}

/// Whether enough accounts are ready, by `admin.ready`
///
/// `?verbose` says it of each account, and needs a token where one is set.
#[utoipa::path(get, path = "/readyz", tag = "health", params(HowMuch),
    responses((status = 200, description = "Enough are", body = String, content_type = "text/plain"),
        (status = 503, description = "Too few are", body = String, content_type = "text/plain"),
        (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn ready(backend: Data<Backend>, how_much: Query<HowMuch>) -> Result<HttpResponse, Refusal> {
    let accounts = backend.ask(List).await?;
    let (met, mut text) = sum(backend.ready, &accounts);
    if how_much.verbose.is_some() {
        for account in &accounts {
            tell(account, &mut text);
        }
    }
    let status = if met { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok(HttpResponse::build(status).content_type(TEXT).body(text))
}

fn is_ready(account: &AccountSnapshot) -> bool {
    account.state == AccountState::Ready
}

/// Whether enough are ready, and how many are.
fn sum(policy: ReadyPolicy, accounts: &[AccountSnapshot]) -> (bool, String) {
    let ready = accounts.iter().filter(|account| is_ready(account)).count();
    let met = policy.is_met(ready, accounts.len());
    let wanted = match policy {
        ReadyPolicy::All => "all are".to_owned(),
        ReadyPolicy::Any => "one is".to_owned(),
        ReadyPolicy::Share(percent) => format!("{percent}% are"),
    };
    let word = if met { "ready" } else { "not ready" };
    (met, format!("{word}: {ready} of {} accounts are ready; {wanted} to be\n", accounts.len()))
}

/// A line as Kubernetes' own probes have them.
fn tell(account: &AccountSnapshot, text: &mut String) {
    let sign = if is_ready(account) { '+' } else { '-' };
    // Texts cannot fail to be written.
    let _ = write!(text, "[{sign}]{} {} since {}", account.account, account.state, api::time(account.since));
    if let Some(ending) = account.last_ending.as_ref().filter(|_| !is_ready(account)) {
        let _ = write!(text, ": {}", ending.reason);
    }
    text.push('\n');
}
