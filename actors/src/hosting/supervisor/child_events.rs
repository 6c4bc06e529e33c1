//! Events that children, gates and other hosts report to the Supervisor, and their handlers.

use std::time::{Duration, Instant, SystemTime};

use actix::{Addr, Context, Handler, Message};

use super::{HeardElsewhere, Supervisor, account::Account, timers::Due};
use crate::{
    hosting::{
        account_context::now,
        connection::{Connection, PollSoon},
        delivery::Delivery,
    },
    model::{AccountName, AccountState, CloseReason, Fact, ResumePoint, ServerName, StallCause},
    policy::{RunSummary, SiblingNews, StatusChange},
};

/// A Connection received the server's hello.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(in crate::hosting) struct ChildConnected {
    pub(in crate::hosting) account: AccountName,
    pub(in crate::hosting) connection: Addr<Connection>,
}

/// A Connection was ready for `reset_after`, not counting its own pauses.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(in crate::hosting) struct ChildSettled {
    pub(in crate::hosting) account: AccountName,
    pub(in crate::hosting) connection: Addr<Connection>,
}

/// A Connection is ready.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(in crate::hosting) struct ChildReady {
    pub(in crate::hosting) account: AccountName,
    pub(in crate::hosting) connection: Addr<Connection>,
    /// The time since the start of the Connection.
    pub(in crate::hosting) after: Duration,
    /// `update_at` when the Connection started.
    pub(in crate::hosting) baseline_update_at: i64,
}

/// A Connection ended. It is reported exactly once, also after a panic.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(in crate::hosting) struct ChildStopped {
    pub(in crate::hosting) account: AccountName,
    pub(in crate::hosting) connection: Addr<Connection>,
    /// `None` if the Connection panicked or its Arbiter died.
    pub(in crate::hosting) reason: Option<CloseReason>,
    pub(in crate::hosting) run: RunSummary,
    /// The point at which its socket may be resumed.
    pub(in crate::hosting) resume: Option<ResumePoint>,
    /// The last `update_at` that it accepted as its baseline.
    pub(in crate::hosting) baseline_update_at: Option<i64>,
}

/// A Delivery died.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(in crate::hosting) struct DeliveryStopped {
    pub(in crate::hosting) account: AccountName,
    pub(in crate::hosting) delivery: Addr<Delivery>,
}

/// The sink or the store stopped accepting data, or accepts it again.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(in crate::hosting) struct StallChanged {
    pub(in crate::hosting) account: AccountName,
    /// The Delivery that reports this, or that of the reporting Connection. The report of an abandoned one may be late.
    pub(in crate::hosting) delivery: Addr<Delivery>,
    pub(in crate::hosting) cause: StallCause,
    pub(in crate::hosting) is_stalled: bool,
}

/// A sibling saw an account change.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(in crate::hosting) struct SiblingSawChange {
    pub(in crate::hosting) account: AccountName,
    /// The delay until the poll: polls of one account for this cause are at least a second apart.
    pub(in crate::hosting) after: Duration,
}

/// A gate found that its server is down, refuses, or answers again.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(in crate::hosting) struct ServerStatusChanged {
    pub(in crate::hosting) server: ServerName,
    pub(in crate::hosting) change: StatusChange,
    /// The time of the failure that started the last probes.
    pub(in crate::hosting) down_since: Option<Instant>,
}

impl Handler<ChildConnected> for Supervisor {
    type Result = ();

    fn handle(&mut self, event: ChildConnected, ctx: &mut Self::Context) {
        let Some(account) = self.find_current(&event.account, &event.connection) else { return };
        if account.state == AccountState::Stopping {
            return;
        }
        let (was, since) = (account.state, account.since);
        account.set_state(AccountState::CatchingUp);
        if matches!(was, AccountState::Blocked | AccountState::Misconfigured) {
            self.wake_companions(&event.account, was, since, ctx);
        }
    }
}

impl Handler<ChildReady> for Supervisor {
    type Result = ();

    fn handle(&mut self, event: ChildReady, _: &mut Self::Context) {
        let Some(account) = self.find_current(&event.account, &event.connection) else { return };
        if account.state == AccountState::Stopping {
            return;
        }
        account.set_state(if account.stalls.any() { AccountState::Stalled } else { AccountState::Ready });
        account.was_ready = true;
        account.record_recovery();
        account.observe(Fact::Ready { after: event.after });
        if let Some(after) = account.deaf_timer.ready(SystemTime::now(), event.baseline_update_at) {
            account.observe(Fact::HearsAgain { after });
        }
        let server = account.spec.server.clone();
        if let Some(server) = self.servers.get_mut(&server) {
            server.common_cause.ready(event.account);
        }
    }
}

impl Handler<ChildSettled> for Supervisor {
    type Result = ();

    fn handle(&mut self, event: ChildSettled, _: &mut Self::Context) {
        if let Some(account) = self.find_current(&event.account, &event.connection) {
            account.tracker.settled();
            account.observe(Fact::Settled);
        }
    }
}

impl Supervisor {
    /// Returns the account if the address is that of its current Connection. Addresses are never reused.
    pub(super) fn find_current(
        &mut self,
        name: &AccountName,
        connection: &Addr<Connection>,
    ) -> Option<&mut Account> {
        self.accounts.get_mut(name).filter(|account| account.connection.as_ref() == Some(connection))
    }

    /// Polls an account that a sibling saw change; a blocked one connects at once.
    pub(super) fn prompt(&mut self, name: &AccountName, ctx: &mut Context<Self>) {
        let Some(account) = self.accounts.get_mut(name) else { return };
        if !account.context.settings.health.witness {
            return;
        }
        account.observe(Fact::Prompted);
        account.context.stats.record_prompt();
        match &account.connection {
            Some(connection) => {
                // A 401 that is on its way is older than the change.
                account.seen_by_sibling = true;
                connection.do_send(PollSoon);
            }
            None if account.state == AccountState::Blocked => self.start_connection(name, ctx),
            None => {}
        }
    }
}

impl Handler<SiblingSawChange> for Supervisor {
    type Result = ();

    fn handle(&mut self, event: SiblingSawChange, ctx: &mut Self::Context) {
        if event.after.is_zero() {
            self.prompt(&event.account, ctx);
        } else {
            self.timers.set(event.after, Due::Prompt(event.account), ctx);
        }
    }
}

impl Handler<HeardElsewhere> for Supervisor {
    type Result = ();

    fn handle(&mut self, HeardElsewhere(changes): HeardElsewhere, ctx: &mut Self::Context) {
        for change in changes {
            let Some(server) = self.servers.get(&change.server) else { continue };
            let news = server.sibling_watch.heard_elsewhere(now(), &change);
            if let SiblingNews::Poll(account, after) = news {
                self.handle(SiblingSawChange { account, after }, ctx);
            }
        }
    }
}

impl Handler<StallChanged> for Supervisor {
    type Result = ();

    fn handle(&mut self, event: StallChanged, _: &mut Self::Context) {
        let Some(account) = self.accounts.get_mut(&event.account) else { return };
        if account.placement.as_ref().is_none_or(|placement| placement.delivery != event.delivery) {
            return;
        }
        account.stalls.set(event.cause, event.is_stalled);
        match (account.stalls.any(), account.state) {
            (true, AccountState::Connecting | AccountState::CatchingUp | AccountState::Ready) => {
                account.set_state(AccountState::Stalled);
            }
            (false, AccountState::Stalled) if account.was_ready => account.set_state(AccountState::Ready),
            (false, AccountState::Stalled) => account.set_state(AccountState::Connecting),
            _ => {}
        }
    }
}

impl Handler<ServerStatusChanged> for Supervisor {
    type Result = ();

    fn handle(&mut self, event: ServerStatusChanged, ctx: &mut Self::Context) {
        let Some(server) = self.servers.get_mut(&event.server) else { return };
        match event.change {
            StatusChange::Refuses => {}
            StatusChange::Answers => server.common_cause.server_up(),
            StatusChange::Well => {
                server.common_cause.server_up();
                self.wake_waiting(&event.server, |_| true, ctx);
            }
            StatusChange::Down => {
                let since = event.down_since.unwrap_or_else(now);
                server.lifetimes.server_down(since);
                let excused = server.common_cause.server_down(since);
                self.refund(excused, ctx);
            }
        }
    }
}
