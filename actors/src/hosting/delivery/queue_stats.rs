//! The state of the queue, for people.

use actix::{Context, Handler, Message, MessageResult};

use super::Delivery;
use crate::model::DeliveryQueueStats;

/// Requests the state of the queue.
#[derive(Debug, Message)]
#[rtype(result = "DeliveryQueueStats")]
pub(in crate::hosting) struct GetWaiting;

impl Handler<GetWaiting> for Delivery {
    type Result = MessageResult<GetWaiting>;

    fn handle(&mut self, _: GetWaiting, _: &mut Context<Self>) -> Self::Result {
        let in_flight = self.in_flight.iter().map(|event| event.received_at);
        let waiting = self.queue.waiting().map(|queued| queued.event.received_at);
        MessageResult(DeliveryQueueStats {
            unacknowledged: self.in_flight.len(),
            waiting: self.queue.len().saturating_sub(self.queue.in_flight()),
            oldest: in_flight.chain(waiting).min(),
            refused: self.refused.longest_waiting(),
        })
    }
}
