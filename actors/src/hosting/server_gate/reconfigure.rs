//! Configuration changes while the gate runs, and its stop.

use std::sync::Arc;

use actix::{ActorContext as _, AsyncContext as _, Context, Handler, Message};

use super::ServerGate;
use crate::{policy::GateLimits, ports::ApiFactory};

/// Changes the configuration of the server.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::hosting) struct Configure {
    pub(in crate::hosting) factory: Arc<dyn ApiFactory>,
    pub(in crate::hosting) limits: GateLimits,
    /// True if the server's address changed: what was learned about the server may no longer hold.
    pub(in crate::hosting) moved: bool,
}

/// Stops the gate.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Stop;

impl ServerGate {
    /// Discards everything learned about the server.
    fn forget_server(&mut self, limits: GateLimits, ctx: &mut Context<Self>) {
        if let Some(probe_handle) = self.probe_handle.take() {
            ctx.cancel_future(probe_handle);
        }
        if self.state.lock().forget_server(limits) {
            self.send_probe(ctx);
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
            self.state.lock().bucket.configure(new.limits);
        }
        self.state.lock().set_slots(new.limits);
        self.pump(ctx);
    }
}

impl Handler<Stop> for ServerGate {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        ctx.stop();
    }
}
