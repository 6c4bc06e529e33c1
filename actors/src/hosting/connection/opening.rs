//! The phases from the dial to ready: hello, HealthCheck, catching up.

use std::{cell::Cell, time::Duration};

use actix::{Actor as _, ActorFutureExt as _, AsyncContext as _, Context, Handler, Message, WrapFuture as _};

use super::{CatchingUp, Connected, Connection, OpenSocket, Phase, now, permitted_frames::PermittedFrames};
use crate::{
    hosting::{
        HealthSettings,
        catch_up::{CatchUp, CatchUpClient},
        delivery::BeginRound,
        health_check::HealthCheck,
        supervisor::{ChildConnected, ChildReady, ChildSettled},
    },
    mattermost::SocketRequests,
    model::{CloseReason, Fact},
    policy::{PingMonitor, Sequence, TeamIds},
};

/// The interval of checks for a Connection that is not settled yet because its reading is paused.
const SETTLE_STEP: Duration = Duration::from_secs(1);

impl Connection {
    /// Opens the socket after a successful dial, or ends the Connection after a failed one.
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
        let (connection_id, next, handled) = connected
            .resume
            .map_or_else(Default::default, |point| (point.connection_id, point.next_seq, point.handled));
        self.baseline = Some(connected.baseline);
        self.socket = Some(OpenSocket {
            opened: now(),
            writer,
            requests: SocketRequests::new(),
            ping_monitor: PingMonitor::new(now(), self.context.settings.health.ping_limits),
            sequence: Sequence::starting_at(next),
            connection_id: connection_id.into(),
            handled,
            ping_timer: None,
            unreadable_frames: 0,
        });
        self.phase = Phase::Opening { slot: Some(connected.slot), resumed };
        self.delivery.do_send(BeginRound);
        ctx.add_stream(PermittedFrames::new(reader, self.permits.clone(), connected.permit));
        self.await_hello(ctx);
        if resumed {
            // A resumed connection gets no hello (fact 10): an answered ping shows that it works.
            self.send_ping(ctx);
        }
    }

    /// Limits the wait for the hello. Time in which reading is paused does not count.
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

    /// Starts catching up, after the hello or the answer to the first ping of a resume.
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
        self.connected = Some(self.context.ping_rate.enter());
        self.refresh_server_limits(ctx);
        // Replacing the phase releases the dial slot.
        self.phase = Phase::CatchingUp;
        self.drive_ping(ctx);
        // Later the account may have been added to another team.
        let teams = self.context.replay.with(|replay| replay.known_teams(now()));
        self.catch_up(teams, ctx);
    }

    /// Reads the sizes that the server takes, beside the catch-up.
    fn refresh_server_limits(&mut self, ctx: &mut Context<Self>) {
        let (context, api) = (self.context.clone(), self.api());
        let refreshing = async move { context.server_limits.refresh(&context, &*api).await };
        ctx.spawn(refreshing.into_actor(self));
    }

    /// Starts a catch-up. The Delivery holds live events until it is finished. `teams` are all teams of the account, if they are
    /// known.
    fn catch_up(&mut self, teams: Option<TeamIds>, ctx: &mut Context<Self>) {
        let client = CatchUpClient { context: self.context.clone(), api: self.api() };
        let (Some(socket), Some(baseline)) = (&self.socket, &self.baseline) else { return };
        let catch_up = CatchUp {
            client,
            delivery: self.delivery.clone(),
            permits: self.permits.clone(),
            generation: self.generation,
            connection_id: socket.connection_id.clone(),
            me: baseline.account_user(),
            server_time: baseline.update_at,
            listed_at: baseline.update_at,
            oldest: None,
            teams,
            progress: Cell::default(),
            reported_at: Cell::new(now()),
        };
        self.catching_up = CatchingUp::Yes;
        ctx.spawn(catch_up.run().into_actor(self).map(|result, act, ctx| act.on_caught_up(result, ctx)));
    }

    /// Starts another catch-up because an event was lost. Later live events wait for it.
    pub(super) fn catch_up_again(&mut self, ctx: &mut Context<Self>) {
        if !matches!(self.phase, Phase::CatchingUp | Phase::Ready { .. }) {
            // A catch-up follows anyway.
            return;
        }
        // They came before what was lost.
        self.hand_over_received();
        self.delivery.do_send(BeginRound);
        match self.catching_up {
            CatchingUp::No => self.catch_up(None, ctx),
            CatchingUp::Yes | CatchingUp::Again => self.catching_up = CatchingUp::Again,
        }
    }

    fn on_caught_up(&mut self, result: Result<(), CloseReason>, ctx: &mut Context<Self>) {
        let before = std::mem::replace(&mut self.catching_up, CatchingUp::No);
        match result {
            Err(reason) => self.end(reason, ctx),
            Ok(()) if before == CatchingUp::Again => self.catch_up(None, ctx),
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

    /// Notifies the Supervisor once the Connection has been ready for `reset_after`, not counting pauses.
    pub(super) fn settle(&mut self, ctx: &mut Context<Self>) {
        self.settle_timer = None;
        let reset_after = self.context.settings.restart.settings().reset_after;
        let Some(ready_for) = self.ready_for() else { return };
        if ready_for >= reset_after {
            let account = self.context.account.clone();
            self.context.supervisor.do_send(ChildSettled { account, connection: ctx.address() });
        } else {
            let remaining = reset_after.saturating_sub(ready_for);
            // While reading is paused, the remaining time does not shrink.
            let wait = if self.is_behind() { remaining.max(SETTLE_STEP) } else { remaining };
            self.settle_timer = Some(ctx.run_later(wait, Self::settle));
        }
    }
}

/// Returns true if any setting needs polls of `/users/me`.
pub(super) fn needs_health_check(health: &HealthSettings) -> bool {
    health.poll || health.witness
}

/// Requests another catch-up, for events that were received and dropped.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(in crate::hosting) struct CatchUpAgain;

impl Handler<CatchUpAgain> for Connection {
    type Result = ();

    fn handle(&mut self, _: CatchUpAgain, ctx: &mut Self::Context) {
        self.catch_up_again(ctx);
    }
}
