//! Handling of a child's end: the restart policy decides, and the Supervisor carries it out.

use std::time::{Duration, Instant, SystemTime};

use actix::{Context, Handler};

use super::{ChildStopped, DeliveryStopped, Supervisor, account::Intent};
use crate::{
    hosting::{account_context::now, connection::Terminate},
    model::{AccountName, AccountState, CloseClass, CloseReason, Ending, Fact},
    policy::{ProxyDrop, RestartDecision, SocketDrop, SocketLifetime},
};

impl Handler<ChildStopped> for Supervisor {
    type Result = ();

    fn handle(&mut self, child: ChildStopped, ctx: &mut Self::Context) {
        // An abandoned Connection may end after all; it is not the current one.
        if self.find_current(&child.account, &child.connection).is_some() {
            self.on_connection_ended(child, ctx);
        }
    }
}

impl Handler<DeliveryStopped> for Supervisor {
    type Result = ();

    /// Ends the Connection; the next one gets a new Delivery.
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
    /// Records the end of a Connection and starts what follows.
    pub(super) fn on_connection_ended(&mut self, mut child: ChildStopped, ctx: &mut Context<Self>) {
        let reason = child.reason.take().unwrap_or_else(|| self.infer_reason(&child.account));
        let now = now();
        let mut excused = self.count_ending(&child, &reason, now);
        child.run.common_cause = excused.iter().any(|(name, _)| *name == child.account);
        if let Some(found) = self.find_lifetime(&child, &reason, now) {
            child.run.proxy_lifetime = true;
            excused.extend(found.earlier);
        }
        let Some(account) = self.accounts.get_mut(&child.account) else { return };
        account.connection = None;
        account.was_ready = false;
        if let Some(timer) = account.stop_timer.take() {
            self.timers.cancel(&timer);
        }
        // An intent overrides the reported reason, so that the ending follows the command and is not charged.
        let decisive = match account.intent {
            Intent::Run => &reason,
            Intent::Reconnect => &CloseReason::ConfigChanged,
            Intent::Stop | Intent::StopThenStart | Intent::Remove(_) => &CloseReason::OperatorStop,
        };
        let next = account.tracker.ended(now, decisive, child.run);
        let ready_for = child.run.ready_for;
        let witnessed =
            account.seen_by_sibling && matches!(reason.class(), CloseClass::Recycle | CloseClass::Blocked);
        let charged =
            matches!(next, RestartDecision::Trip { .. } | RestartDecision::Start { charged: Some(_), .. });
        account.observe(Fact::Closed { reason: reason.clone(), ready_for, charged });
        account.resume = child.resume;
        account.deaf_timer.baseline_raised(child.baseline_update_at);
        account.record_ending(Ending {
            at: SystemTime::now(),
            generation: account.generation,
            reason,
            charged,
            witnessed,
            ready_for,
            back_after: None,
        });
        self.apply_decision(&child.account, next, ctx);
        self.refund(excused, ctx);
        self.notify_if_idle();
    }

    /// Returns the reason of an ending without one: the Arbiter died or the actor panicked.
    fn infer_reason(&self, name: &AccountName) -> CloseReason {
        let placement = self.accounts.get(name).and_then(|account| account.placement.as_ref());
        if placement.is_some_and(|placement| !self.pool.is_alive(placement.slot)) {
            CloseReason::ArbiterDied
        } else {
            CloseReason::Panicked
        }
    }

    /// Returns the proxy's lifetime behind the ending, and reports it the first time.
    fn find_lifetime(
        &mut self,
        child: &ChildStopped,
        reason: &CloseReason,
        now: Instant,
    ) -> Option<ProxyDrop<AccountName>> {
        if !matches!(reason, CloseReason::Dropped { .. } | CloseReason::Closed { .. })
            || child.run.reading_paused
        {
            return None;
        }
        let server = &self.accounts.get(&child.account)?.spec.server;
        let server = self.servers.get_mut(server).filter(|server| !server.common_cause.is_down())?;
        let drop = SocketDrop { at: now, age: child.run.age?, quiet: child.run.quiet };
        let found = server.lifetimes.dropped(&child.account, drop)?;
        let (after, idle) = match found.lifetime {
            SocketLifetime::Age(after) => (after, false),
            SocketLifetime::Idle(after) => (after, true),
        };
        if idle {
            server.ping_rate.limit_idle(after);
        }
        if found.is_news {
            self.observer.publish_server(&server.spec.name, Fact::SocketLifetime { after, idle });
        }
        Some(found)
    }

    /// Counts the ending for the server, and returns the drops that turn out to have a common cause with it.
    fn count_ending(
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

    fn apply_decision(&mut self, name: &AccountName, next: RestartDecision, ctx: &mut Context<Self>) {
        let Some(account) = self.accounts.get_mut(name) else { return };
        let at_once = std::mem::take(&mut account.seen_by_sibling);
        // A shutdown stores the resume point for the next process.
        let is_shutdown =
            self.shutting_down.is_some() && account.last_reason() == Some(&CloseReason::Shutdown);
        if !is_shutdown && !matches!(next, RestartDecision::Start { resume: true, .. }) {
            account.resume = None;
        }
        let (state, fact, after) = match next {
            RestartDecision::Stop => return self.on_stopped(name, ctx),
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
        // The fact is published when the account enters the state, not at each further attempt.
        if let Some(fact) = fact.filter(|_| account.state != state) {
            account.observe(fact);
        }
        account.set_state(state);
        let resume = account.resume.is_some();
        account.observe(Fact::RestartScheduled { after, resume });
        self.start_after(name, after, ctx);
    }

    /// Records that the account has stopped, and carries out the rest of its intent.
    fn on_stopped(&mut self, name: &AccountName, ctx: &mut Context<Self>) {
        let Some(account) = self.accounts.get_mut(name) else { return };
        account.set_state(AccountState::Stopped);
        account.observe(Fact::Stopped);
        match account.intent {
            Intent::Run | Intent::Reconnect | Intent::Stop => {}
            Intent::StopThenStart => self.start_connection(name, ctx),
            Intent::Remove(_) => self.remove(name, ctx),
        }
    }

    /// Refunds charges, and restarts the accounts that tripped because of them.
    pub(super) fn refund(&mut self, excused: Vec<(AccountName, Instant)>, ctx: &mut Context<Self>) {
        for (name, at) in excused {
            let Some(account) = self.accounts.get_mut(&name) else { continue };
            let (undone, after) = account.tracker.refund(at);
            if undone {
                account.observe(Fact::Refunded);
            }
            let waits_longer = account.next_start.as_ref().is_some_and(|timer| timer.at > now() + after);
            let is_undone = undone && account.state == AccountState::Tripped;
            if is_undone || (account.state == AccountState::Backoff && waits_longer) {
                account.set_state(AccountState::Backoff);
                account.observe(Fact::RestartScheduled { after, resume: account.resume.is_some() });
                self.start_after(&name, after, ctx);
            }
        }
    }
}
