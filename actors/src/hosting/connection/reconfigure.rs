//! What an operator changes while the socket is open.

use actix::{Actor as _, AsyncContext as _, Context, Handler};

use super::{Connection, Phase, now, opening::needs_health_check};
use crate::hosting::{HostSettings, context::UpdateContext, health_check::HealthCheck};

impl Handler<UpdateContext> for Connection {
    type Result = ();

    fn handle(&mut self, UpdateContext(context): UpdateContext, ctx: &mut Self::Context) {
        let before = std::mem::replace(&mut self.context, context);
        if matches!(self.phase, Phase::CatchingUp | Phase::Ready { .. }) {
            self.check_as_set(ctx);
            self.update_ping(&before.settings, ctx);
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
        if let Some(health) = &self.health_check {
            return health.do_send(UpdateContext(self.context.clone()));
        }
        if !needs_health_check(&self.context.settings.health) {
            return;
        }
        let api = self.api();
        let Some(baseline) = &self.baseline else { return };
        let check = HealthCheck::new(self.context.clone(), api, self.generation, ctx.address(), baseline);
        self.health_check = Some(check.start());
    }

    fn update_ping(&mut self, before: &HostSettings, ctx: &mut Context<Self>) {
        let health = self.context.settings.health;
        if (before.health.ping, before.health.ping_limits) == (health.ping, health.ping_limits) {
            return;
        }
        if let Some(socket) = &mut self.socket {
            socket.ping_monitor.configure(now(), health.ping_limits);
        }
        self.drive_ping(ctx);
    }

    fn settle_as_set(&mut self, before: &HostSettings, ctx: &mut Context<Self>) {
        let reset_after = |settings: &HostSettings| settings.restart.settings().reset_after;
        if reset_after(before) == reset_after(&self.context.settings) {
            return;
        }
        // One that is settled stays so.
        if let Some(timer) = self.settle_timer.take() {
            ctx.cancel_future(timer);
            self.settle(ctx);
        }
    }

    fn audit_as_set(&mut self, before: &HostSettings, ctx: &mut Context<Self>) {
        let audit = self.context.settings.audit;
        if before.audit == audit {
            return;
        }
        // One that is under way comes back as it is set then.
        if !self.auditing {
            self.schedule_first_audit(ctx);
        }
    }
}
