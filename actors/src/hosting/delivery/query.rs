//! What waits for the sink, for whoever asks.

use actix::{Handler, Message, MessageResult};

use super::Delivery;
use crate::model::DeliveryQueueStats;

/// Asks what waits for the sink.
#[derive(Debug, Message)]
#[rtype(result = "DeliveryQueueStats")]
pub(in crate::hosting) struct GetWaiting;

impl Handler<GetWaiting> for Delivery {
    type Result = MessageResult<GetWaiting>;

    fn handle(&mut self, _: GetWaiting, _: &mut Self::Context) -> Self::Result {
        let out = self.in_flight.iter().map(|event| event.received_at);
        let waiting = self.queue.waiting().map(|queued| queued.event.received_at);
        MessageResult(DeliveryQueueStats {
            unacknowledged: self.in_flight.len(),
            waiting: self.queue.len().saturating_sub(self.queue.in_flight()),
            oldest: out.chain(waiting).min(),
        })
    }
}
