//! What an operator changes while the socket is open.

use actix::{Actor as _, AsyncContext as _, Context, Handler};

use super::{Connection, Phase, now, opening::checks};
use crate::hosting::{HostSettings, context::Renew, health_check::HealthCheck};

impl Handler<Renew> for Connection {
    type Result = ();

    fn handle(&mut self, Renew(env): Renew, ctx: &mut Self::Context) {
        let before = std::mem::replace(&mut self.env, env);
        if matches!(self.phase, Phase::CatchingUp | Phase::Ready { .. }) {
            self.check_as_set(ctx);
            self.beat_as_set(&before.settings, ctx);
        }
        if matches!(self.phase, Phase::Ready { .. }) {
            self.settle_as_set(&before.settings, ctx);
            self.audit_as_set(&before.settings, ctx);
        }
    }
}

impl Connection {
    /// Has its HealthCheck look as it is set now; begins one where there was nothing to look for.
    fn check_as_set(&mut self, ctx: &mut Context<Self>) {
        if let Some(health) = &self.health {
            return health.do_send(Renew(self.env.clone()));
        }
        if !checks(&self.env.settings.health) {
            return;
        }
        let api = self.api();
        let Some(baseline) = &self.baseline else { return };
        let check = HealthCheck::new(self.env.clone(), api, self.generation, ctx.address(), baseline);
        self.health = Some(check.start());
    }

    fn beat_as_set(&mut self, before: &HostSettings, ctx: &mut Context<Self>) {
        let health = self.env.settings.health;
        if (before.health.ping, before.health.pulse) == (health.ping, health.pulse) {
            return;
        }
        if let Some(socket) = &mut self.socket {
            socket.liveness.configure(now(), health.pulse);
        }
        self.beat(ctx);
    }

    fn settle_as_set(&mut self, before: &HostSettings, ctx: &mut Context<Self>) {
        let reset_after = |settings: &HostSettings| settings.restart.settings().reset_after;
        if reset_after(before) == reset_after(&self.env.settings) {
            return;
        }
        // One that is settled stays so.
        if let Some(timer) = self.settling.take() {
            ctx.cancel_future(timer);
            self.settle(ctx);
        }
    }

    fn audit_as_set(&mut self, before: &HostSettings, ctx: &mut Context<Self>) {
        let audit = self.env.settings.audit;
        if before.audit == audit {
            return;
        }
        // One that is under way comes back as it is set then.
        if !self.auditing {
            self.audit_first(ctx);
        }
    }
}
