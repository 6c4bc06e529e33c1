//! Starting Connections, now or later.

use std::{sync::Arc, time::Duration};

use actix::{AsyncContext as _, Context};

use super::{Supervisor, account::Home};
use crate::{
    hosting::{
        connection::Connection,
        context::now,
        delivery::{self, Delivery, Permits},
        server_gate::ServerGate,
    },
    model::{AccountName, AccountState, Fact, Stalls},
    policy::Phase,
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
        self.make_home(name);
        self.size_queue(name);
        let Some(account) = self.accounts.get_mut(name) else {
            return;
        };
        if let Phase::Tripped { .. } = account.tracker.phase() {
            account.tracker.cooled_down();
            account.env.observe(account.generation, Fact::HalfOpen);
        }
        account.generation = account.generation.next();
        account.restarts += u64::from(account.generation.0 > 1);
        // While it is asked slowly it stays what it is until the server welcomes it.
        if !matches!(account.state, AccountState::Blocked | AccountState::Misconfigured) {
            account.enter(if account.stalls.any() {
                AccountState::Stalled
            } else {
                AccountState::Connecting
            });
        }
        (account.prompted, account.changed) = (false, false);
        let Some(home) = &account.home else { return };
        let (env, generation, resume) = (account.env.clone(), account.generation, account.resume.take());
        let (delivery, permits) = (home.delivery.clone(), home.permits.clone());
        let make = move || Connection::new(env, generation, delivery, permits, resume);
        account.connection = Some(self.pool.start(home.place, make));
    }

    pub(super) fn cancel_start(&mut self, name: &AccountName, ctx: &mut Context<Self>) {
        if let Some((_, timer)) = self.accounts.get_mut(name).and_then(|account| account.next_start.take()) {
            ctx.cancel_future(timer);
        }
    }

    /// Gives the account a Delivery on an Arbiter that lives.
    pub(super) fn make_home(&mut self, name: &AccountName) {
        let Some(account) = self.accounts.get_mut(name) else { return };
        if let Some(home) = &account.home {
            if self.pool.is_alive(home.place) && !home.dead {
                return;
            }
            home.delivery.do_send(delivery::Stop);
            self.pool.leave(home.place);
        }
        let place = self.pool.take();
        let permits = Permits::new(self.settings.delivery.queue);
        let (env, sink, shared) = (account.env.clone(), account.spec.sink.clone(), permits.clone());
        let delivery = self.pool.start(place, move || Delivery::new(env, sink, &shared));
        account.stalls = Stalls::default();
        account.home = Some(Home { place, delivery, permits, dead: false });
    }

    /// The next Connection reads with as many permits as are set now.
    fn size_queue(&mut self, name: &AccountName) {
        let Some(home) = self.accounts.get_mut(name).and_then(|account| account.home.as_mut()) else {
            return;
        };
        if !home.permits.are_of(self.settings.delivery.queue) {
            home.permits = Permits::new(self.settings.delivery.queue);
            home.delivery.do_send(delivery::ChangeQueue(home.permits.clone()));
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
            server.gate.accounts(server.accounts);
            // The new gate finds out for itself.
            server.cause.server_up();
        }
        if !account.env.gate.is_open() || !Arc::ptr_eq(&account.env.api, &server.spec.api) {
            self.take_up(name);
        }
    }
}
