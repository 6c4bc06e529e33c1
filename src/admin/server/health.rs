//! What looks after processes asks.

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

/// How old an answer to a probe may be. Probes are asked for without a token: however many are, the Supervisor hears of ten
/// a second.
const FRESH_FOR: Duration = Duration::from_millis(100);

/// How many accounts were in which state a moment ago, asked for once for all who probe.
#[derive(Clone, Default)]
pub(super) struct StateCountsCache(Arc<Mutex<Option<Asked>>>);

/// When, and what the Supervisor said, or that it said nothing: whoever waited need not wait for that again.
type Asked = (Instant, Result<StateCounts, ApiError>);

impl Backend {
    async fn counts(&self) -> Result<StateCounts, ApiError> {
        // Whoever comes meanwhile waits for the same answer.
        let mut last = self.state_counts.0.lock().await;
        if let Some((_, counts)) = last.as_ref().filter(|(at, _)| at.elapsed() < FRESH_FOR) {
            return counts.clone();
        }
        let counts = self.ask(CountStates).await;
        *last = Some((Instant::now(), counts.clone()));
        counts
    }
}

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
pub(super) async fn live(backend: Data<Backend>) -> Result<HttpResponse, ApiError> {
    backend.counts().await?;
    Ok(HttpResponse::Ok().content_type(TEXT).body("live\n"))
}

/// Whether enough accounts are ready, by `admin.ready`
///
/// `?verbose` says it of each account, and needs a token where one is set.
#[utoipa::path(get, path = "/readyz", tag = "health", params(HowMuch),
    responses((status = 200, description = "Enough are", body = String, content_type = "text/plain"),
        (status = 503, description = "Too few are; or the Supervisor does not answer",
            content((String = "text/plain"), (Problem = "application/problem+json"))),
        (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn ready(
    backend: Data<Backend>,
    how_much: Query<HowMuch>,
) -> Result<HttpResponse, ApiError> {
    let answer = |(met, text)| {
        let status = if met { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        HttpResponse::build(status).content_type(TEXT).body(text)
    };
    if how_much.verbose.is_none() {
        let counts = backend.counts().await?;
        return Ok(answer(sum(backend.ready, counts.count(AccountState::Ready), counts.total())));
    }
    let permit = backend.large_answer_permit()?;
    let answer = answer(of_each(backend.ready, &backend.ask(ListAccounts).await?));
    Ok(answer.map_body(|_, text| hold_until_sent(text, permit)))
}

/// Whether enough are ready, and what is the matter with those that are not.
fn of_each(policy: ReadyPolicy, accounts: &[AccountSnapshot]) -> (bool, String) {
    let ready = accounts.iter().filter(|account| is_ready(account)).count();
    let (met, mut text) = sum(policy, ready, accounts.len());
    for account in accounts {
        tell(account, &mut text);
    }
    (met, text)
}

fn is_ready(account: &AccountSnapshot) -> bool {
    account.state == AccountState::Ready
}

/// Whether enough are ready, and how many are.
fn sum(policy: ReadyPolicy, ready: usize, all: usize) -> (bool, String) {
    let met = policy.is_met(ready, all);
    let wanted = match policy {
        ReadyPolicy::All => "all are".to_owned(),
        ReadyPolicy::Any => "one is".to_owned(),
        ReadyPolicy::Share(percent) => format!("{percent}% are"),
    };
    let word = if met { "ready" } else { "not ready" };
    (met, format!("{word}: {ready} of {all} accounts are ready; {wanted} to be\n"))
}

/// A line as Kubernetes' own probes have them.
fn tell(account: &AccountSnapshot, text: &mut String) {
    let sign = if is_ready(account) { '+' } else { '-' };
    // Texts cannot fail to be written.
    let _ = write!(text, "[{sign}]{} {} since {}", account.account, account.state, rfc3339(account.since));
    if let Some(ending) = account.last_ending.as_ref().filter(|_| !is_ready(account)) {
        let _ = write!(text, ": {}", ending.reason);
    }
    text.push('\n');
}
