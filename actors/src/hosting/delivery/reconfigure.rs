//! Configuration changes while events are in flight.

use std::{cell::Cell, rc::Rc, sync::Arc};

use actix::{Context, Handler, Message};
use tokio::sync::oneshot;

use super::{Delivery, Permits, Queued};
use crate::{
    hosting::account_context::UpdateContext,
    model::ChannelId,
    ports::{EventSink, Outcome},
};

/// Replaces the account's sink. The old sink still answers the events that it has; a channel's next event goes to the
/// new sink once the old one has answered the last, so the order is kept.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::hosting) struct ChangeSink {
    pub(in crate::hosting) sink: Arc<dyn EventSink>,
    /// Dropped when the old sink has answered all its events.
    pub(in crate::hosting) released: oneshot::Sender<()>,
}

/// Notifies the Delivery of the next Connection's permits. Events already read keep theirs until acknowledged.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(in crate::hosting) struct ChangePermits(pub(in crate::hosting) Permits);

/// A guard held for each event that a sink has; dropping the last one drops the sender and so notifies its receiver.
pub(super) type InFlightGuard = Rc<Cell<Option<oneshot::Sender<()>>>>;

impl Delivery {
    /// Returns true if the sink that holds this guard for an event was not replaced since.
    pub(super) fn is_held_by_current_sink(&self, guard: &InFlightGuard) -> bool {
        Rc::ptr_eq(guard, &self.in_flight_guard)
    }

    /// Carries out the outcome that a replaced sink had for an event. Its trouble says nothing of the new sink, which
    /// gets the event at once.
    pub(super) fn settle_replaced(
        &mut self,
        channel: ChannelId,
        queued: Queued,
        outcome: Outcome,
        ctx: &mut Context<Self>,
    ) {
        match outcome {
            Outcome::Acknowledged | Outcome::Rejected { .. } => {
                self.settle(channel, queued, outcome, false, ctx);
            }
            Outcome::Retry { .. } | Outcome::Hold { .. } | Outcome::Broken { .. } => {
                self.queue.requeue(&channel, queued);
            }
        }
    }
}

impl Handler<ChangeSink> for Delivery {
    type Result = ();

    fn handle(&mut self, change: ChangeSink, ctx: &mut Self::Context) {
        self.sink = change.sink;
        // From here on, only the old sink's events hold the guard.
        std::mem::take(&mut self.in_flight_guard).set(Some(change.released));
        self.retry_now(ctx);
    }
}

impl Handler<ChangePermits> for Delivery {
    type Result = ();

    fn handle(&mut self, ChangePermits(permits): ChangePermits, _: &mut Self::Context) {
        self.round.set_max_permits(permits.live_limit());
        self.permits = permits;
    }
}

impl Handler<UpdateContext> for Delivery {
    type Result = ();

    fn handle(&mut self, UpdateContext(context): UpdateContext, ctx: &mut Self::Context) {
        self.queue.set_max_in_flight(context.settings.delivery.in_flight);
        self.context = context;
        self.pump(ctx);
    }
}
