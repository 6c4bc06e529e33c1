//! What waits for the sink, for whoever asks.

use actix::{Handler, Message, MessageResult};

use super::Delivery;
use crate::model::Waiting;

/// Asks what waits for the sink.
#[derive(Debug, Message)]
#[rtype(result = "Waiting")]
pub(in crate::hosting) struct LookInto;

impl Handler<LookInto> for Delivery {
    type Result = MessageResult<LookInto>;

    fn handle(&mut self, _: LookInto, _: &mut Self::Context) -> Self::Result {
        let out = self.out.iter().map(|event| event.received_at);
        let waiting = self.lanes.waiting().map(|queued| queued.event.received_at);
        MessageResult(Waiting {
            unacknowledged: self.out.len(),
            waiting: self.lanes.len().saturating_sub(self.lanes.out()),
            oldest: out.chain(waiting).min(),
        })
    }
}
