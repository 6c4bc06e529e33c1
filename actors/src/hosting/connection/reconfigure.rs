//! Configuration changes while the socket is open.

use actix::{Actor as _, AsyncContext as _, Context, Handler};

use super::{Connection, Phase, now, opening::needs_health_check};
use crate::hosting::{HostSettings, account_context::UpdateContext, health_check::HealthCheck};

impl Handler<UpdateContext> for Connection {
    type Result = ();

    fn handle(&mut self, UpdateContext(context): UpdateContext, ctx: &mut Self::Context) {
        let before = std::mem::replace(&mut self.context, context);
        if matches!(self.phase, Phase::CatchingUp | Phase::Ready { .. }) {
            self.update_health_check(ctx);
            self.update_ping(&before.settings, ctx);
        }
        if matches!(self.phase, Phase::Ready { .. }) {
            self.update_settle_timer(&before.settings, ctx);
            self.update_audit(&before.settings, ctx);
        }
    }
}

impl Connection {
    /// Forwards the new settings to the HealthCheck, or starts one if it was not needed before.
    fn update_health_check(&mut self, ctx: &mut Context<Self>) {
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

    fn update_settle_timer(&mut self, before: &HostSettings, ctx: &mut Context<Self>) {
        let reset_after = |settings: &HostSettings| settings.restart.settings().reset_after;
        if reset_after(before) == reset_after(&self.context.settings) {
            return;
        }
        // A Connection that is settled stays settled.
        if let Some(timer) = self.settle_timer.take() {
            ctx.cancel_future(timer);
            self.settle(ctx);
        }
    }

    fn update_audit(&mut self, before: &HostSettings, ctx: &mut Context<Self>) {
        let audit = self.context.settings.audit;
        if before.audit == audit {
            return;
        }
        // A running audit schedules the next one with the new settings.
        if !self.auditing {
            self.schedule_first_audit(ctx);
        }
    }
}
