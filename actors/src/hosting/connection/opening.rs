//! From the dial to ready: hello, HealthCheck, catching up.

use std::{cell::Cell, time::Duration};

use actix::{Actor as _, ActorFutureExt as _, AsyncContext as _, Context, WrapFuture as _};

use super::{CatchingUp, Connected, Connection, OpenSocket, Phase, now, permitted_frames::PermittedFrames};
use crate::hosting::catch_up::{CatchUp, page::CatchUpClient};
use crate::{
    hosting::{
        HealthSettings,
        delivery::BeginRound,
        health_check::HealthCheck,
        supervisor::{ChildConnected, ChildReady, ChildSettled},
    },
    mattermost::SocketRequests,
    model::{CloseReason, Fact},
    policy::{PingMonitor, Sequence},
};

/// How soon to look again at a Connection that is not settled yet because its reading was paused.
const SETTLE_STEP: Duration = Duration::from_secs(1);

impl Connection {
    /// The dial is done, one way or the other.
    pub(super) fn on_connected(&mut self, result: Result<Connected, CloseReason>, ctx: &mut Context<Self>) {
        if !matches!(self.phase, Phase::Connecting) {
            return;
        }
        match result {
            Ok(connected) => self.open(connected, ctx),
            Err(reason) => self.end(reason, ctx),
        }
    }

    fn open(&mut self, connected: Connected, ctx: &mut Context<Self>) {
        let (writer, reader) = connected.socket.split();
        let resumed = connected.resume.is_some();
        let (connection_id, next) =
            connected.resume.map_or_else(Default::default, |point| (point.connection_id, point.next_seq));
        self.baseline = Some(connected.baseline);
        self.socket = Some(OpenSocket {
            writer,
            requests: SocketRequests::new(),
            ping_monitor: PingMonitor::new(now(), self.context.settings.health.ping_limits),
            sequence: Sequence::starting_at(next),
            connection_id: connection_id.into(),
            ping_timer: None,
        });
        self.phase = Phase::Opening { slot: Some(connected.slot), resumed };
        self.delivery.do_send(BeginRound);
        ctx.add_stream(PermittedFrames::new(reader, self.permits.clone(), connected.permit));
        self.await_hello(ctx);
        if resumed {
            // A resume brings no hello (fact 10): an answered ping says that it worked.
            self.send_ping(ctx);
        }
    }

    /// Ends the wait for the hello. Time in which our own reading is paused is not the server's.
    fn await_hello(&mut self, ctx: &mut Context<Self>) {
        ctx.run_later(self.context.settings.hello_timeout, |act, ctx| {
            if !matches!(act.phase, Phase::Opening { .. }) {
                return;
            }
            if act.is_behind() {
                act.await_hello(ctx);
            } else {
                act.explain(CloseReason::HelloOverdue, ctx);
            }
        });
    }

    /// Hello came, or the first ping of a resume was answered.
    pub(super) fn on_hello(&mut self, resumed: bool, ctx: &mut Context<Self>) {
        self.observe(Fact::Connected { resumed });
        let api = self.api();
        let Some(baseline) = &self.baseline else { return };
        let account = self.context.account.clone();
        self.context.supervisor.do_send(ChildConnected { account, connection: ctx.address() });
        if needs_health_check(&self.context.settings.health) {
            let check = HealthCheck::new(self.context.clone(), api, self.generation, ctx.address(), baseline);
            self.health_check = Some(check.start());
        }
        if std::mem::take(&mut self.poll_pending) {
            self.poll_now();
        }
        // Replacing the phase gives the dial slot back.
        self.phase = Phase::CatchingUp;
        self.drive_ping(ctx);
        self.catch_up(ctx);
    }

    /// Has fetched what was missed, before anything that the socket brings is handed over.
    fn catch_up(&mut self, ctx: &mut Context<Self>) {
        let client = CatchUpClient { context: self.context.clone(), api: self.api() };
        let (Some(socket), Some(baseline)) = (&self.socket, &self.baseline) else { return };
        let catching_up = CatchUp {
            client,
            delivery: self.delivery.clone(),
            permits: self.permits.clone(),
            generation: self.generation,
            connection_id: socket.connection_id.clone(),
            me: baseline.account_user(),
            server_time: baseline.update_at,
            oldest: None,
            progress: Cell::default(),
            reported_at: Cell::new(now()),
        };
        self.catching_up = CatchingUp::Yes;
        ctx.spawn(catching_up.run().into_actor(self).map(|result, act, ctx| act.caught_up(result, ctx)));
    }

    /// Something was lost on the way: fetches it. What the socket brings from now on waits behind it.
    pub(super) fn catch_up_again(&mut self, ctx: &mut Context<Self>) {
        if !matches!(self.phase, Phase::CatchingUp | Phase::Ready { .. }) {
            // It is about to catch up anyway.
            return;
        }
        self.delivery.do_send(BeginRound);
        match self.catching_up {
            CatchingUp::No => self.catch_up(ctx),
            CatchingUp::Yes | CatchingUp::Again => self.catching_up = CatchingUp::Again,
        }
    }

    fn caught_up(&mut self, result: Result<(), CloseReason>, ctx: &mut Context<Self>) {
        let before = std::mem::replace(&mut self.catching_up, CatchingUp::No);
        match result {
            Err(reason) => self.end(reason, ctx),
            Ok(()) if before == CatchingUp::Again => self.catch_up(ctx),
            Ok(()) if matches!(self.phase, Phase::CatchingUp) => self.become_ready(ctx),
            Ok(()) => {}
        }
    }

    fn become_ready(&mut self, ctx: &mut Context<Self>) {
        self.phase = Phase::Ready { since: now(), paused: Duration::ZERO };
        let after = now().saturating_duration_since(self.started);
        let baseline_update_at =
            self.baseline.as_ref().map(|baseline| baseline.update_at).unwrap_or_default();
        let (account, connection) = (self.context.account.clone(), ctx.address());
        let ready = ChildReady { account, connection, after, baseline_update_at };
        self.context.supervisor.do_send(ready);
        self.drive_ping(ctx);
        self.settle(ctx);
        self.schedule_first_audit(ctx);
    }

    /// Tells the Supervisor when it has been ready for `reset_after`, its own pauses left out.
    pub(super) fn settle(&mut self, ctx: &mut Context<Self>) {
        self.settle_timer = None;
        let reset_after = self.context.settings.restart.settings().reset_after;
        let Some(ready_for) = self.ready_for() else { return };
        if ready_for >= reset_after {
            let account = self.context.account.clone();
            self.context.supervisor.do_send(ChildSettled { account, connection: ctx.address() });
        } else {
            let left = reset_after.saturating_sub(ready_for);
            // While reading is paused nothing is gained, and there is no hurry.
            let wait = if self.is_behind() { left.max(SETTLE_STEP) } else { left };
            self.settle_timer = Some(ctx.run_later(wait, Self::settle));
        }
    }
}

/// Whether there is anything to ask `/users/me` for.
pub(super) fn needs_health_check(health: &HealthSettings) -> bool {
    health.poll || health.witness
}
