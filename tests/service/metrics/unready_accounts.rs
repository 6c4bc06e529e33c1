//! Metrics of accounts that should be ready but are not, or that no probe has confirmed.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use matterhost::telemetry::metrics::{Format, Metrics};
use matterhost_actors::model::{AccountSnapshot, AccountState, CloseReason, Ending, Generation};

use super::sample::account;

const MINUTE: Duration = Duration::from_secs(60);

/// Returns the series of a family for these accounts, per account or per server.
fn series(family: &str, per_account: bool, accounts: &[AccountSnapshot]) -> Vec<String> {
    let text = Metrics::new(per_account).render(Format::Prometheus, accounts.to_vec(), Vec::new());
    let begin = format!("matterhost_{family}{{");
    text.lines().filter_map(|line| line.strip_prefix(&begin)).map(str::to_owned).collect()
}

fn in_state(state: AccountState, last: Option<CloseReason>) -> AccountSnapshot {
    let ending = |reason| Ending {
        at: SystemTime::now(),
        generation: Generation(1),
        reason,
        charged: false,
        witnessed: false,
        ready_for: None,
        back_after: None,
    };
    let last_ending = last.map(|reason| Arc::new(ending(reason)));
    AccountSnapshot { state, last_ending, ..account(state.label(), 5) }
}

#[test]
fn whoever_is_to_hear_and_is_not_ready_is_told_whatever_its_state() {
    let accounts = AccountState::ALL.map(|state| in_state(state, Some(CloseReason::OperatorStop)));
    for account in &accounts {
        let found = series("not_ready_accounts", true, std::slice::from_ref(account));
        let is_missing = !matches!(account.state, AccountState::Ready | AccountState::Stopped);
        let expected = format!("account=\"{}\",server=\"main\"}} 1", account.state);
        assert_eq!(found, Vec::from_iter(is_missing.then_some(expected)));
    }
    assert_eq!(series("not_ready_accounts", false, &accounts), ["server=\"main\"} 8"]);
}

#[test]
fn one_that_stopped_because_it_became_somebody_else_is_missing() {
    let somebody_else = CloseReason::IdentityChanged { was: "a".into(), now: "b".into() };
    let accounts =
        [in_state(AccountState::Stopped, Some(somebody_else)), in_state(AccountState::Stopped, None)];
    assert_eq!(series("not_ready_accounts", false, &accounts), ["server=\"main\"} 1"]);
}

#[test]
fn whoever_is_ready_and_was_not_said_to_be_well_is_unproven() {
    let now = SystemTime::now();
    let ready = |since: Duration, probe: Option<Duration>| AccountSnapshot {
        since: now - since,
        last_good_probe: probe.map(|probe| now - probe),
        ..account("bot", 5)
    };
    let unproven = [ready(4 * MINUTE, None), ready(60 * MINUTE, Some(4 * MINUTE))];
    let proven = [ready(60 * MINUTE, Some(MINUTE)), ready(MINUTE, None), ready(MINUTE, Some(60 * MINUTE))];
    let away = AccountSnapshot { state: AccountState::Backoff, ..ready(60 * MINUTE, None) };
    for account in &unproven {
        let found = series("unproven_accounts", true, std::slice::from_ref(account));
        assert_eq!(found, ["account=\"bot\",server=\"main\"} 1"], "{account:?}");
    }
    let all: Vec<_> = unproven.into_iter().chain(proven).chain([away]).collect();
    assert_eq!(series("unproven_accounts", false, &all), ["server=\"main\"} 2"]);
}
