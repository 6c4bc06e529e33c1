//! Starting Connections, now or later.

use std::{sync::Arc, time::Duration};

use actix::{AsyncContext as _, Context};

use super::{Supervisor, account::Placement};
use crate::{
    hosting::{
        connection::Connection,
        context::now,
        delivery::{self, Delivery, Permits},
        server_gate::ServerGate,
    },
    model::{AccountName, AccountState, Fact, Stalls},
    policy::BreakerState,
};

/// No wait is longer: what a policy says beyond it is a mistake, and a clock must not overflow.
const LONGEST_WAIT: Duration = Duration::from_secs(366 * 24 * 3600);

impl Supervisor {
    /// Schedules the next Connection in place of any that is scheduled.
    pub(super) fn start_after(&mut self, name: &AccountName, after: Duration, ctx: &mut Context<Self>) {
        let Some(account) = self.accounts.get_mut(name) else { return };
        let key = name.clone();
        let after = after.min(LONGEST_WAIT);
        // Before the timer is set, so that it never fires before this time.
        let at = now() + after;
        let timer = ctx.run_later(after, move |act, ctx| act.start_if_due(&key, ctx));
        if let Some((_, old)) = account.next_start.replace((at, timer)) {
            ctx.cancel_future(old);
        }
    }

    /// The time of a scheduled Connection has come. A timer that is cancelled when it is due already still fires: then
    /// nothing is scheduled any more, or something later.
    fn start_if_due(&mut self, name: &AccountName, ctx: &mut Context<Self>) {
        let next_start = self.accounts.get(name).and_then(|account| account.next_start.as_ref());
        if next_start.is_some_and(|(at, _)| *at <= now()) {
            self.start_connection(name, ctx);
        }
    }

    /// Starts the next Connection, unless one runs or the host shuts down.
    pub(super) fn start_connection(&mut self, name: &AccountName, ctx: &mut Context<Self>) {
        self.cancel_start(name, ctx);
        let runs = self.accounts.get(name).is_none_or(|account| account.connection.is_some());
        if self.shutting_down.is_some() || runs {
            return;
        }
        self.renew_gate(name, ctx);
        self.ensure_placement(name);
        self.size_queue(name);
        let Some(account) = self.accounts.get_mut(name) else {
            return;
        };
        if let BreakerState::Tripped { .. } = account.tracker.breaker_state() {
            account.tracker.cooled_down();
            account.context.observe(account.generation, Fact::HalfOpen);
        }
        account.generation = account.generation.next();
        account.restarts += u64::from(account.generation.0 > 1);
        // While it is asked slowly it stays what it is until the server welcomes it.
        if !matches!(account.state, AccountState::Blocked | AccountState::Misconfigured) {
            account.set_state(if account.stalls.any() {
                AccountState::Stalled
            } else {
                AccountState::Connecting
            });
        }
        (account.seen_by_sibling, account.config_changed) = (false, false);
        let Some(placement) = &account.placement else { return };
        let (context, generation, resume) =
            (account.context.clone(), account.generation, account.resume.take());
        let (delivery, permits) = (placement.delivery.clone(), placement.permits.clone());
        let make = move || Connection::new(context, generation, delivery, permits, resume);
        account.connection = Some(self.pool.start(placement.slot, make));
    }

    pub(super) fn cancel_start(&mut self, name: &AccountName, ctx: &mut Context<Self>) {
        if let Some((_, timer)) = self.accounts.get_mut(name).and_then(|account| account.next_start.take()) {
            ctx.cancel_future(timer);
        }
    }

    /// Gives the account a Delivery on an Arbiter that lives.
    pub(super) fn ensure_placement(&mut self, name: &AccountName) {
        let Some(account) = self.accounts.get_mut(name) else { return };
        if let Some(placement) = &account.placement {
            if self.pool.is_alive(placement.slot) && !placement.delivery_died {
                return;
            }
            placement.delivery.do_send(delivery::Stop);
            self.pool.release(placement.slot);
        }
        let slot = self.pool.assign();
        let permits = Permits::new(self.settings.delivery.queue);
        let (context, sink, shared) = (account.context.clone(), account.spec.sink.clone(), permits.clone());
        let delivery = self.pool.start(slot, move || Delivery::new(context, sink, &shared));
        account.stalls = Stalls::default();
        account.placement = Some(Placement { slot, delivery, permits, delivery_died: false });
    }

    /// The next Connection reads with as many permits as are set now.
    fn size_queue(&mut self, name: &AccountName) {
        let Some(placement) = self.accounts.get_mut(name).and_then(|account| account.placement.as_mut())
        else {
            return;
        };
        if !placement.permits.are_sized_for(self.settings.delivery.queue) {
            placement.permits = Permits::new(self.settings.delivery.queue);
            placement.delivery.do_send(delivery::ChangePermits(placement.permits.clone()));
        }
    }

    /// A gate that died is replaced, for this account and those that come after it.
    fn renew_gate(&mut self, name: &AccountName, ctx: &mut Context<Self>) {
        let Some(account) = self.accounts.get_mut(name) else { return };
        let Some(server) = self.servers.get_mut(&account.spec.server) else { return };
        if !server.gate.is_open() {
            server.gate = ServerGate::start(
                &server.spec,
                self.settings.health.poll_interval,
                self.observer.clone(),
                ctx.address(),
            );
            server.gate.set_account_count(server.accounts);
            // The new gate finds out for itself.
            server.common_cause.server_up();
        }
        if !account.context.gate.is_open() || !Arc::ptr_eq(&account.context.api, &server.spec.api) {
            self.refresh_context(name);
        }
    }
}
