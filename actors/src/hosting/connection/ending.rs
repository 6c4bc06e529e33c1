//! The ending of a Connection, for every reason.

use actix::{ActorContext as _, ActorFutureExt as _, AsyncContext as _, Context, WrapFuture as _};

use super::{Connection, Phase, connect};
use crate::{
    mattermost::SocketError,
    model::{CloseClass, CloseReason, Excerpt},
};

/// The close code for connections that we end (RFC 6455, section 7.4.1: normal closure).
const NORMAL_CLOSURE: u16 = 1000;

impl Connection {
    /// Ends the Connection. Only the first reason counts. The next generation starts after this actor has stopped.
    pub(super) fn end(&mut self, reason: CloseReason, ctx: &mut Context<Self>) {
        if matches!(self.phase, Phase::Ending { .. }) {
            return;
        }
        self.phase = Phase::Ending { run: self.run_summary() };
        let sends_close = matches!(reason.class(), CloseClass::Planned | CloseClass::Recycle);
        self.reason = Some(reason);
        if let Some(socket) = self.socket.as_ref().filter(|_| sends_close) {
            // The frame is with the operating system when this returns. A socket that accepts no data gets none.
            let _ = socket.writer.send_close(NORMAL_CLOSURE);
        }
        ctx.stop();
    }

    /// Ends the Connection after a socket error.
    pub(super) fn on_socket_error(&mut self, error: &SocketError, ctx: &mut Context<Self>) {
        match error {
            SocketError::FrameTooLarge { limit, .. } => {
                self.end(CloseReason::Oversized { limit: *limit }, ctx);
            }
            SocketError::Io(error) => self.on_socket_lost(Excerpt::of(error), ctx),
            SocketError::Protocol(_) | SocketError::Compressed => {
                self.end(CloseReason::Protocol { cause: Excerpt::of(error) }, ctx);
            }
        }
    }

    /// Handles the end of a socket without a close frame.
    pub(super) fn on_socket_lost(&mut self, cause: Excerpt, ctx: &mut Context<Self>) {
        self.on_socket_closed(CloseReason::Dropped { cause }, ctx);
    }

    /// Handles the end of a socket: after ready, that is the reason; before it, REST gives the true one.
    pub(super) fn on_socket_closed(&mut self, reason: CloseReason, ctx: &mut Context<Self>) {
        match self.phase {
            Phase::Opening { .. } | Phase::CatchingUp => self.explain(CloseReason::DroppedBeforeReady, ctx),
            Phase::Ready { .. } => {
                self.context.gate.report_lost_socket();
                if self.is_flapping() {
                    self.explain_drop(reason, ctx);
                } else {
                    self.end(reason, ctx);
                }
            }
            Phase::Connecting | Phase::Explaining { .. } | Phase::Ending { .. } => {}
        }
    }

    /// Finds out by REST why there is no hello, and ends with that reason, or with `fallback`.
    pub(super) fn explain(&mut self, fallback: CloseReason, ctx: &mut Context<Self>) {
        self.phase = Phase::Explaining { run: self.run_summary() };
        let explaining = connect::find_close_reason(self.context.clone(), self.api(), fallback);
        ctx.spawn(explaining.into_actor(self).map(|reason, act, ctx| act.end(reason, ctx)));
    }

    /// True if a drop now would be charged, as far as the Connection knows.
    fn is_flapping(&self) -> bool {
        let reset_after = self.context.settings.restart.settings().reset_after;
        !self.is_behind() && self.ready_for().is_some_and(|ready| ready < reset_after)
    }

    /// Looks at the account before a drop is charged: a server may close the socket of an account that was disabled and
    /// enabled soon after it connected. Ends as what it finds, or with `reason`.
    fn explain_drop(&mut self, reason: CloseReason, ctx: &mut Context<Self>) {
        let Some(baseline) = self.baseline.as_ref().map(|baseline| baseline.update_at) else {
            return self.end(reason, ctx);
        };
        self.phase = Phase::Explaining { run: self.run_summary() };
        let explaining = connect::find_drop_reason(self.context.clone(), self.api(), baseline, reason);
        ctx.spawn(explaining.into_actor(self).map(|reason, act, ctx| act.end(reason, ctx)));
    }
}
