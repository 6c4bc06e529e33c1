//! What the Supervisor does when a child has ended: the table of endings, carried out.

use std::time::{Duration, Instant, SystemTime};

use actix::{AsyncContext as _, Context, Handler};

use super::{ChildStopped, DeliveryStopped, Supervisor};
use crate::{
    hosting::{connection::Terminate, context::now},
    model::{AccountName, AccountState, CloseClass, CloseReason, Ending, Fact},
    policy::RestartDecision,
};

impl Handler<ChildStopped> for Supervisor {
    type Result = ();

    fn handle(&mut self, child: ChildStopped, ctx: &mut Self::Context) {
        // One that was abandoned, and ends after all.
        if self.current(&child.account, &child.connection).is_some() {
            self.on_connection_ended(child, ctx);
        }
    }
}

impl Handler<DeliveryStopped> for Supervisor {
    type Result = ();

    /// Both restart: the Connection ends for it, and the next one gets a fresh Delivery.
    fn handle(&mut self, died: DeliveryStopped, _: &mut Self::Context) {
        let Some(account) = self.accounts.get_mut(&died.account) else { return };
        let Some(placement) =
            account.placement.as_mut().filter(|placement| placement.delivery == died.delivery)
        else {
            return;
        };
        placement.delivery_died = true;
        if let Some(connection) = &account.connection {
            connection
                .do_send(Terminate { generation: account.generation, reason: CloseReason::DeliveryDied });
        }
    }
}

impl Supervisor {
    /// A Connection ended: takes note, and does what follows.
    pub(super) fn on_connection_ended(&mut self, mut child: ChildStopped, ctx: &mut Context<Self>) {
        let reason = child.reason.take().unwrap_or_else(|| self.silent_end(&child.account));
        let now = now();
        let excused = self.dropped_with_others(&child, &reason, now);
        child.run.common_cause = excused.iter().any(|(who, _)| *who == child.account);
        let Some(account) = self.accounts.get_mut(&child.account) else { return };
        account.connection = None;
        account.was_ready = false;
        if let Some(timer) = account.stop_timer.take() {
            ctx.cancel_future(timer);
        }
        // Whatever ended it: one that was told to stop has stopped, and owes nothing.
        let stopping = account.state == AccountState::Stopping;
        let decided = match std::mem::take(&mut account.config_changed) {
            _ if stopping => &CloseReason::OperatorStop,
            true => &CloseReason::ConfigChanged,
            false => &reason,
        };
        let next = account.tracker.ended(now, decided, child.run);
        let ready_for = child.run.ready_for;
        let witnessed =
            account.seen_by_sibling && matches!(reason.class(), CloseClass::Recycle | CloseClass::Blocked);
        let charged =
            matches!(next, RestartDecision::Trip { .. } | RestartDecision::Start { charged: Some(_), .. });
        account.observe(Fact::Closed { reason: reason.clone(), ready_for, charged });
        account.resume = child.resume;
        account.record_ending(Ending {
            at: SystemTime::now(),
            generation: account.generation,
            reason,
            charged,
            witnessed,
            ready_for,
            back_after: None,
        });
        self.carry_out(&child.account, next, ctx);
        self.refund(excused, ctx);
        self.notify_if_idle();
    }

    /// Nobody set a reason: its Arbiter died under it, or it panicked.
    fn silent_end(&self, name: &AccountName) -> CloseReason {
        let placement = self.accounts.get(name).and_then(|account| account.placement.as_ref());
        if placement.is_some_and(|placement| !self.pool.is_alive(placement.slot)) {
            CloseReason::ArbiterDied
        } else {
            CloseReason::Panicked
        }
    }

    /// Counts the ending of a ready Connection, and gives back the drops that have a common cause with it.
    fn dropped_with_others(
        &mut self,
        child: &ChildStopped,
        reason: &CloseReason,
        now: Instant,
    ) -> Vec<(AccountName, Instant)> {
        let Some(account) = self.accounts.get(&child.account) else { return Vec::new() };
        let Some(server) = self.servers.get_mut(&account.spec.server) else { return Vec::new() };
        let dropped =
            matches!(reason, CloseReason::Dropped { .. } | CloseReason::Closed { .. } | CloseReason::Silent);
        if account.was_ready && dropped {
            return server.common_cause.dropped(now, child.account.clone());
        }
        server.common_cause.ended(&child.account);
        Vec::new()
    }

    fn carry_out(&mut self, name: &AccountName, next: RestartDecision, ctx: &mut Context<Self>) {
        let Some(account) = self.accounts.get_mut(name) else { return };
        let at_once = std::mem::take(&mut account.seen_by_sibling);
        // A host that ends keeps it for the next one.
        let is_shutting_down =
            self.shutting_down.is_some() && account.last_ended_with(&CloseReason::Shutdown);
        if !is_shutting_down && !matches!(next, RestartDecision::Start { resume: true, .. }) {
            account.resume = None;
        }
        let (state, fact, after) = match next {
            RestartDecision::Stop => return self.stopped(name, ctx),
            RestartDecision::MoveArbiter => (AccountState::Connecting, None, Duration::ZERO),
            RestartDecision::Start { after, .. } => (AccountState::Backoff, None, after),
            RestartDecision::PollBlocked(_) if at_once => {
                (AccountState::Blocked, Some(Fact::Blocked), Duration::ZERO)
            }
            RestartDecision::PollBlocked(after) => (AccountState::Blocked, Some(Fact::Blocked), after),
            RestartDecision::PollMisconfigured(after) => {
                (AccountState::Misconfigured, Some(Fact::Misconfigured), after)
            }
            RestartDecision::Trip { cooldown, .. } => {
                (AccountState::Tripped, Some(Fact::Tripped { cooldown }), cooldown)
            }
        };
        // A fact is told when the account comes into its state, not at every question.
        if let Some(fact) = fact.filter(|_| account.state != state) {
            account.observe(fact);
        }
        account.set_state(state);
        let resume = account.resume.is_some();
        account.observe(Fact::RestartScheduled { after, resume });
        self.start_after(name, after, ctx);
    }

    /// The account rests until somebody starts it.
    fn stopped(&mut self, name: &AccountName, ctx: &mut Context<Self>) {
        let Some(account) = self.accounts.get_mut(name) else { return };
        account.set_state(AccountState::Stopped);
        account.observe(Fact::Stopped);
        if account.removing {
            self.remove(name, ctx);
        } else if std::mem::take(&mut account.restart_after_stop) {
            self.start_connection(name, ctx);
        }
    }

    /// Takes charges back, and starts again whoever tripped for them.
    pub(super) fn refund(&mut self, excused: Vec<(AccountName, Instant)>, ctx: &mut Context<Self>) {
        for (name, at) in excused {
            let Some(account) = self.accounts.get_mut(&name) else { continue };
            let Some(after) = account.tracker.refund(at) else { continue };
            account.observe(Fact::Refunded);
            if account.state == AccountState::Tripped {
                account.set_state(AccountState::Backoff);
                account.observe(Fact::RestartScheduled { after, resume: account.resume.is_some() });
                self.start_after(&name, after, ctx);
            }
        }
    }
}
