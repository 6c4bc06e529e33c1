//! Configuration changes while the gate runs, and its stop.

use std::{sync::Arc, time::Duration};

use actix::{ActorContext as _, AsyncContext as _, Context, Handler, Message};

use super::{ServerGate, slots_of};
use crate::{
    hosting::account_context::now,
    policy::{GateLimits, ServerStatus, TokenBucket},
    ports::ApiFactory,
};

/// Changes the configuration of the server.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::hosting) struct Configure {
    pub(in crate::hosting) factory: Arc<dyn ApiFactory>,
    pub(in crate::hosting) limits: GateLimits,
    /// True if the server's address changed: what was learned about the server may no longer hold.
    pub(in crate::hosting) moved: bool,
}

/// Changes the interval between an account's polls.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::hosting) struct ChangePollInterval(pub(in crate::hosting) Duration);

/// Stops the gate.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Stop;

impl ServerGate {
    /// Discards everything learned about the server.
    fn forget_server(&mut self, limits: GateLimits, ctx: &mut Context<Self>) {
        self.bucket = TokenBucket::with_limits(now(), limits);
        if let Some(probe_handle) = self.probe_handle.take() {
            ctx.cancel_future(probe_handle);
        }
        if self.probe.status() == ServerStatus::Down {
            self.probe.probe_started();
            self.send_probe(ctx);
        } else {
            // The probe in flight was cancelled.
            let _ = self.probe.probe_answered(now());
        }
    }

    fn set_slots(&mut self, limits: GateLimits) {
        let slots = slots_of(limits);
        if slots > self.dial_slots {
            self.slots.add_permits(slots - self.dial_slots);
            self.dial_slots = slots;
        } else {
            // Slots in use cannot be removed: they exceed the new limit until the next change.
            self.dial_slots -= self.slots.forget_permits(self.dial_slots - slots);
        }
    }
}

impl Handler<Configure> for ServerGate {
    type Result = ();

    fn handle(&mut self, new: Configure, ctx: &mut Self::Context) {
        if !Arc::ptr_eq(&self.factory, &new.factory) {
            self.factory = new.factory;
            self.api = None;
        }
        if new.moved {
            self.forget_server(new.limits, ctx);
        } else {
            self.bucket.configure(new.limits);
        }
        self.set_slots(new.limits);
        self.pump(ctx);
    }
}

impl Handler<ChangePollInterval> for ServerGate {
    type Result = ();

    fn handle(&mut self, ChangePollInterval(interval): ChangePollInterval, _: &mut Self::Context) {
        self.poll_interval = interval;
        self.reported_interval = interval;
    }
}

impl Handler<Stop> for ServerGate {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        ctx.stop();
    }
}
