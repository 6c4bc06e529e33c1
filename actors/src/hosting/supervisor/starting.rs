//! The start of Connections, at once or after a delay.

use std::{sync::Arc, time::Duration};

use actix::{AsyncContext as _, Context};

use super::{
    Supervisor,
    account::{Account, Intent, Placement},
    timers::Due,
};
use crate::{
    hosting::{
        connection::Connection,
        delivery::{self, Delivery, Permits},
        server_gate::ServerGate,
    },
    model::{AccountName, AccountState, Fact, Stalls},
    policy::BreakerState,
};

impl Supervisor {
    /// Schedules the next Connection, and cancels any that was scheduled before.
    pub(super) fn start_after(&mut self, name: &AccountName, after: Duration, ctx: &mut Context<Self>) {
        let Some(account) = self.accounts.get_mut(name) else { return };
        let timer = self.timers.set(after, Due::Start(name.clone()), ctx);
        if let Some(old) = account.next_start.replace(timer) {
            self.timers.cancel(&old);
        }
    }

    /// Starts the scheduled Connection, whose timer has fired.
    pub(super) fn start_due(&mut self, name: &AccountName, ctx: &mut Context<Self>) {
        let Some(account) = self.accounts.get_mut(name) else { return };
        account.next_start = None;
        self.start_connection(name, ctx);
    }

    /// Starts the next Connection, unless one runs, the account is being removed or the host shuts down.
    pub(super) fn start_connection(&mut self, name: &AccountName, ctx: &mut Context<Self>) {
        self.cancel_start(name);
        let startable = |account: &Account| account.connection.is_none() && !account.is_being_removed();
        if self.shutting_down.is_some() || !self.accounts.get(name).is_some_and(startable) {
            return;
        }
        self.renew_gate(name, ctx);
        self.ensure_placement(name);
        self.resize_queue(name);
        let Some(account) = self.accounts.get_mut(name) else {
            return;
        };
        if let BreakerState::Tripped { .. } = account.tracker.breaker_state() {
            account.tracker.cooled_down();
            account.context.observe(account.generation, Fact::HalfOpen);
        }
        account.generation = account.generation.next();
        account.restarts += u64::from(account.generation.0 > 1);
        // `Blocked` and `Misconfigured` stay visible until the server's hello arrives.
        if !matches!(account.state, AccountState::Blocked | AccountState::Misconfigured) {
            account.set_state(if account.stalls.any() {
                AccountState::Stalled
            } else {
                AccountState::Connecting
            });
        }
        (account.seen_by_sibling, account.intent) = (false, Intent::Run);
        let Some(placement) = &account.placement else { return };
        let (context, generation, resume) =
            (account.context.clone(), account.generation, account.resume.take());
        let (delivery, permits) = (placement.delivery.clone(), placement.permits.clone());
        let make = move || Connection::new(context, generation, delivery, permits, resume);
        account.connection = Some(self.pool.start(placement.slot, make));
    }

    pub(super) fn cancel_start(&mut self, name: &AccountName) {
        if let Some(timer) = self.accounts.get_mut(name).and_then(|account| account.next_start.take()) {
            self.timers.cancel(&timer);
        }
    }

    /// Gives the account a Delivery on a live Arbiter if it has none.
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
        let permits = Permits::new(account.context.settings.delivery.queue);
        let (context, sink, shared) = (account.context.clone(), account.spec.sink.clone(), permits.clone());
        let delivery = self.pool.start(slot, move || Delivery::new(context, sink, &shared));
        account.stalls = Stalls::default();
        account.placement = Some(Placement { slot, delivery, permits, delivery_died: false });
    }

    /// Resizes the permits of the next Connection to the current setting.
    fn resize_queue(&mut self, name: &AccountName) {
        let Some(account) = self.accounts.get_mut(name) else { return };
        let queue = account.context.settings.delivery.queue;
        let Some(placement) = account.placement.as_mut() else { return };
        if !placement.permits.are_sized_for(queue) {
            placement.permits = Permits::new(queue);
            placement.delivery.do_send(delivery::ChangePermits(placement.permits.clone()));
        }
    }

    /// Replaces the gate of the account's server if it died, and the account's context if it is out of date.
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
            // The new gate determines the status again.
            server.common_cause.server_up();
        }
        if !account.context.gate.is_open() || !Arc::ptr_eq(&account.context.api, &server.spec.api) {
            self.refresh_context(name);
        }
    }
}
