//! One way down: every ending of a Connection comes through here.

use actix::{ActorContext as _, ActorFutureExt as _, AsyncContext as _, Context, WrapFuture as _};

use super::{Connection, Phase, connect};
use crate::{
    mattermost::SocketError,
    model::{CloseClass, CloseReason},
};

/// What the server is told when it is us who end the connection (RFC 6455, section 7.4.1: normal closure).
const NORMAL_CLOSURE: u16 = 1000;

impl Connection {
    /// Ends the Connection: the first reason counts. The next generation waits for the actor to have stopped.
    pub(super) fn end(&mut self, reason: CloseReason, ctx: &mut Context<Self>) {
        if matches!(self.phase, Phase::Ending { .. }) {
            return;
        }
        self.phase = Phase::Ending { ready_for: self.ready_for(), behind: self.is_behind() };
        let says_goodbye = matches!(reason.class(), CloseClass::Planned | CloseClass::Recycle);
        self.reason = Some(reason);
        if let Some(socket) = self.socket.as_ref().filter(|_| says_goodbye) {
            // It is with the system when this returns; a socket that takes nothing gets no goodbye.
            let _ = socket.writer.send_close(NORMAL_CLOSURE);
        }
        ctx.stop();
    }

    /// The socket broke.
    pub(super) fn on_socket_error(&mut self, error: &SocketError, ctx: &mut Context<Self>) {
        match error {
            SocketError::FrameTooLarge { limit, .. } => {
                self.end(CloseReason::Oversized { limit: *limit }, ctx);
            }
            SocketError::Io(error) => self.on_socket_lost(error.to_string(), ctx),
            SocketError::Protocol(_) | SocketError::Compressed => {
                self.end(CloseReason::Protocol { cause: error.to_string() }, ctx);
            }
        }
    }

    /// The socket ended without a close frame.
    pub(super) fn on_socket_lost(&mut self, cause: String, ctx: &mut Context<Self>) {
        self.on_socket_closed(CloseReason::Dropped { cause }, ctx);
    }

    /// The socket is gone: after ready that is the reason, before it REST is asked for the true one.
    pub(super) fn on_socket_closed(&mut self, reason: CloseReason, ctx: &mut Context<Self>) {
        match self.phase {
            Phase::Opening { .. } | Phase::CatchingUp => self.explain(CloseReason::DroppedBeforeReady, ctx),
            Phase::Ready { .. } => {
                self.context.gate.report_lost_socket();
                self.end(reason, ctx);
            }
            Phase::Connecting | Phase::Explaining | Phase::Ending { .. } => {}
        }
    }

    /// Asks REST why there is no hello, and ends with what it says.
    pub(super) fn explain(&mut self, otherwise: CloseReason, ctx: &mut Context<Self>) {
        self.phase = Phase::Explaining;
        let explaining = connect::explain(self.context.clone(), self.api(), otherwise);
        ctx.spawn(explaining.into_actor(self).map(|reason, act, ctx| act.end(reason, ctx)));
    }
}
