//! What an operator changes while events are on their way.

use std::{cell::Cell, rc::Rc, sync::Arc};

use actix::{AsyncContext as _, Context, Handler, Message};
use tokio::sync::oneshot;

use super::{Delivery, Permits};
use crate::{hosting::context::UpdateContext, ports::EventSink};

/// The account's events go to another sink from now on. What the old one has it still answers, and the next of a
/// channel goes to the new one when the last of it is answered: the order stays.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::hosting) struct ChangeSink {
    pub(in crate::hosting) sink: Arc<dyn EventSink>,
    /// Dropped when the old sink has answered all that it had.
    pub(in crate::hosting) released: oneshot::Sender<()>,
}

/// The next Connection reads with these permits. What was read with others keeps them until it is acknowledged.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(in crate::hosting) struct ChangePermits(pub(in crate::hosting) Permits);

/// Held for each event that a sink has: when the last is let go, whoever waits for that learns it.
pub(super) type InFlightGuard = Rc<Cell<Option<oneshot::Sender<()>>>>;

impl Delivery {
    /// What waits to be offered again need not wait any longer.
    fn offer_again(&mut self, ctx: &mut Context<Self>) {
        for (channel, timer) in self.retrying.drain() {
            ctx.cancel_future(timer);
            self.queue.resume(&channel);
        }
        self.sink_broken = false;
        self.pump(ctx);
    }
}

impl Handler<ChangeSink> for Delivery {
    type Result = ();

    fn handle(&mut self, change: ChangeSink, ctx: &mut Self::Context) {
        self.sink = change.sink;
        // Let go here, it is held by the old sink's events alone.
        std::mem::take(&mut self.in_flight_guard).set(Some(change.released));
        self.offer_again(ctx);
    }
}

impl Handler<ChangePermits> for Delivery {
    type Result = ();

    fn handle(&mut self, ChangePermits(permits): ChangePermits, _: &mut Self::Context) {
        self.round.set_limit(permits.live_limit());
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
