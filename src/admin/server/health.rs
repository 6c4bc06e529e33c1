//! The probes of process managers: liveness and readiness.

use std::{
    fmt::Write as _,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Data, Query},
};
use matterhost_actors::{
    hosting::{CountStates, ListAccounts},
    model::{AccountSnapshot, AccountState, StateCounts},
};
use serde::Deserialize;
use tokio::sync::Mutex;
use utoipa::IntoParams;

use super::{api_error::ApiError, backend::Backend, body::hold_until_sent};
use crate::{admin::dto::Problem, config::ReadyPolicy, telemetry::time::rfc3339};

const TEXT: &str = "text/plain; charset=utf-8";

/// The age up to which counts are reused. Probes need no token: however many there are, the Supervisor gets ten requests
/// per second.
const MAX_AGE: Duration = Duration::from_millis(100);

/// The latest counts of accounts by state, shared by all probes.
#[derive(Clone, Default)]
pub(super) struct StateCountsCache(Arc<Mutex<Option<CachedCounts>>>);

/// The time and the result of a request to the Supervisor; a timeout is cached, too.
type CachedCounts = (Instant, Result<StateCounts, ApiError>);

impl Backend {
    async fn counts(&self) -> Result<StateCounts, ApiError> {
        // Concurrent probes wait here for the same answer.
        let mut last = self.state_counts.0.lock().await;
        if let Some((_, counts)) = last.as_ref().filter(|(at, _)| at.elapsed() < MAX_AGE) {
            return counts.clone();
        }
        let counts = self.ask(CountStates).await;
        *last = Some((Instant::now(), counts.clone()));
        counts
    }
}

/// The detail of the readiness probe.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ReadyQuery {
    /// Also list each account with its state and reason.
    #[param(value_type = Option<String>, allow_reserved)]
    verbose: Option<String>,
}

/// Check that the Supervisor responds
#[utoipa::path(get, path = "/livez", tag = "health", security(()),
    responses((status = 200, description = "It responds", body = String, content_type = "text/plain"),
        (status = 503, description = "It does not respond", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn live(backend: Data<Backend>) -> Result<HttpResponse, ApiError> {
    backend.counts().await?;
    Ok(HttpResponse::Ok().content_type(TEXT).body("live\n"))
}

/// Check that enough accounts are ready, as set by `admin.ready`
///
/// A member of a cluster is not ready before it has its shards, nor while it drains. `?verbose` lists each account, and requires a
/// token if one is configured.
#[utoipa::path(get, path = "/readyz", tag = "health", params(ReadyQuery),
    responses((status = 200, description = "Enough accounts are ready", body = String, content_type = "text/plain"),
        (status = 503, description = "Too few accounts are ready, the member of a cluster is not, or the Supervisor does not respond",
            content((String = "text/plain"), (Problem = "application/problem+json"))),
        (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn ready(
    backend: Data<Backend>,
    query: Query<ReadyQuery>,
) -> Result<HttpResponse, ApiError> {
    let member = backend.operations.unready_member();
    let answer = |accounts| {
        let (met, text) = with_member(member, accounts);
        let status = if met { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        HttpResponse::build(status).content_type(TEXT).body(text)
    };
    if query.verbose.is_none() {
        let counts = backend.counts().await?;
        return Ok(answer(summarize(backend.ready, counts.count(AccountState::Ready), counts.total())));
    }
    let permit = backend.large_answer_permit()?;
    let answer = answer(describe_each(backend.ready, &backend.ask(ListAccounts).await?));
    Ok(answer.map_body(|_, text| hold_until_sent(text, permit)))
}

/// Returns the verdict on the accounts, or the reason why the member is not ready, with the same lines below.
fn with_member(unready: Option<&str>, (met, text): (bool, String)) -> (bool, String) {
    let Some(reason) = unready else { return (met, text) };
    let lines = text.split_once('\n').map_or("", |(_, lines)| lines);
    (false, format!("not ready: {reason}\n{lines}"))
}

/// Returns whether enough accounts are ready, and a text with a line per account.
fn describe_each(policy: ReadyPolicy, accounts: &[AccountSnapshot]) -> (bool, String) {
    let ready = accounts.iter().filter(|account| is_ready(account)).count();
    let (met, mut text) = summarize(policy, ready, accounts.len());
    for account in accounts {
        write_account(account, &mut text);
    }
    (met, text)
}

fn is_ready(account: &AccountSnapshot) -> bool {
    account.state == AccountState::Ready
}

/// Returns whether enough accounts are ready, and a line with their number.
fn summarize(policy: ReadyPolicy, ready: usize, all: usize) -> (bool, String) {
    let met = policy.is_met(ready, all);
    let required = match policy {
        ReadyPolicy::All => "all".to_owned(),
        ReadyPolicy::Any => "one".to_owned(),
        ReadyPolicy::Share(percent) => format!("{percent}%"),
    };
    let word = if met { "ready" } else { "not ready" };
    (met, format!("{word}: {ready} of {all} accounts are ready; {required} must be\n"))
}

/// Writes a line in the style of Kubernetes' own probes.
fn write_account(account: &AccountSnapshot, text: &mut String) {
    let sign = if is_ready(account) { '+' } else { '-' };
    // Writing to a String cannot fail.
    let _ = write!(text, "[{sign}]{} {} since {}", account.account, account.state, rfc3339(account.since));
    if let Some(ending) = account.last_ending.as_ref().filter(|_| !is_ready(account)) {
        let _ = write!(text, ": {}", ending.reason);
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_is_not_ready_is_the_verdict_whatever_its_accounts_are() {
        let accounts = || (true, "ready: 1 of 1 accounts are ready; all must be\n[+]bot ready\n".to_owned());
        assert_eq!(with_member(None, accounts()), accounts());
        let draining = with_member(Some("it is draining"), accounts());
        assert_eq!(draining, (false, "not ready: it is draining\n[+]bot ready\n".to_owned()));
    }
}
