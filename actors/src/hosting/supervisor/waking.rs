//! The wake-up of accounts that wait although the trouble they waited for is over.

use std::time::{Duration, SystemTime};

use actix::Context;

use super::{Supervisor, account::Account};
use crate::{
    hosting::account_context::now,
    model::{AccountName, AccountState, CloseClass, CloseReason, Fact, ServerName},
    policy::spread_delay,
};

/// The time over which woken accounts are spread; the gate's rate spreads many of them further.
const WAKE_SPREAD: Duration = Duration::from_secs(1);
/// The least time between two wake-ups of a server's accounts: a server that is well and ill by turns, such as one bad
/// machine of several, must not undo the slow polling.
const WAKE_INTERVAL: Duration = Duration::from_secs(10);
/// Accounts that were refused within this time of each other have the trouble in common.
const SAME_TROUBLE: Duration = Duration::from_secs(10);

impl Supervisor {
    /// Starts the waiting accounts of a server, spread over a second, if they wait for the server and match.
    pub(super) fn wake_waiting(
        &mut self,
        server: &ServerName,
        matches: impl Fn(&Account) -> bool,
        ctx: &mut Context<Self>,
    ) {
        let Some(state) = self.servers.get_mut(server) else { return };
        if state.woken_at.is_some_and(|at| now().saturating_duration_since(at) < WAKE_INTERVAL) {
            return;
        }
        let waiting = self.accounts.iter().filter(|(_, account)| {
            account.spec.server == *server && account.waits_for_server() && matches(account)
        });
        let waiting: Vec<AccountName> = waiting.map(|(name, _)| name.clone()).collect();
        if waiting.is_empty() {
            return;
        }
        state.woken_at = Some(now());
        for name in waiting {
            self.wake(&name, ctx);
        }
    }

    /// Starts the accounts that were refused at the same time as one that now connects, although the server itself was
    /// well: a proxy may refuse accounts only.
    pub(super) fn wake_companions(
        &mut self,
        connected: &AccountName,
        state: AccountState,
        since: SystemTime,
        ctx: &mut Context<Self>,
    ) {
        let Some(server) = self.accounts.get(connected).map(|account| account.spec.server.clone()) else {
            return;
        };
        let together = |account: &Account| {
            let apart = account.since.duration_since(since).unwrap_or_else(|error| error.duration());
            account.state == state && apart <= SAME_TROUBLE
        };
        self.wake_waiting(&server, together, ctx);
    }

    fn wake(&mut self, name: &AccountName, ctx: &mut Context<Self>) {
        let after = spread_delay(name, WAKE_SPREAD);
        let Some(account) = self.accounts.get(name) else { return };
        if account.next_start.as_ref().is_none_or(|timer| timer.at <= now() + after) {
            return;
        }
        account.observe(Fact::RestartScheduled { after, resume: account.resume.is_some() });
        self.start_after(name, after, ctx);
    }
}

impl Account {
    /// True if it waits for its next attempt because of trouble that may be the server's.
    fn waits_for_server(&self) -> bool {
        let waits =
            matches!(self.state, AccountState::Backoff | AccountState::Blocked | AccountState::Misconfigured);
        let is_servers = self.last_reason().is_some_and(|reason| match reason.class() {
            // The server named the time.
            CloseClass::Transient => !matches!(reason, CloseReason::RateLimited { .. }),
            CloseClass::Blocked | CloseClass::Misconfigured => true,
            CloseClass::Planned
            | CloseClass::Recycle
            | CloseClass::Identity
            | CloseClass::Fault
            | CloseClass::Arbiter => false,
        });
        waits && is_servers && self.next_start.is_some()
    }
}
