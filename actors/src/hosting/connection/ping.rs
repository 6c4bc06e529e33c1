//! The in-band ping.

use std::time::Duration;

use actix::{AsyncContext as _, Context};

use super::{Connection, Phase, now};
use crate::{
    hosting::shared_moments,
    model::{CloseReason, Excerpt},
    policy::PingAction,
};

impl Connection {
    /// Carries out the ping monitor's next action and sets a timer for the one after it.
    pub(super) fn drive_ping(&mut self, ctx: &mut Context<Self>) {
        if !self.context.settings.health.ping
            || !matches!(self.phase, Phase::CatchingUp | Phase::Ready { .. })
        {
            return;
        }
        let interval = self.ping_interval();
        let Some(socket) = &mut self.socket else { return };
        socket.ping_monitor.set_interval(now(), interval);
        if let Some(timer) = socket.ping_timer.take() {
            ctx.cancel_future(timer);
        }
        match socket.ping_monitor.next_action(now()) {
            PingAction::Wait(until) => {
                let wait = shared_moments::extend(until.saturating_duration_since(now()));
                socket.ping_timer = Some(ctx.run_later(wait, Self::drive_ping));
            }
            PingAction::Paused => {}
            PingAction::Ping => {
                self.send_ping(ctx);
                self.drive_ping(ctx);
            }
            PingAction::Silent => self.on_socket_closed(CloseReason::Silent, ctx),
        }
    }

    /// Returns the time between pings that the number of connected accounts allows at the moment.
    fn ping_interval(&self) -> Duration {
        self.context.ping_rate.interval(&self.context.settings.health.ping_limits)
    }

    pub(super) fn send_ping(&mut self, ctx: &mut Context<Self>) {
        let Some(socket) = &mut self.socket else { return };
        let (seq, text) = socket.requests.ping();
        socket.ping_monitor.ping_sent(now(), seq);
        if let Err(error) = socket.writer.send_text(&text) {
            self.on_socket_lost(Excerpt::of(&error), ctx);
        }
    }
}
