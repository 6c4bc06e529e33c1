//! Catching up, as the Delivery sees it: what was missed goes first, what comes live meanwhile is held.

use std::{collections::VecDeque, sync::Arc};

use actix::{
    ActorFutureExt as _, Context, Handler, Message, MessageResult, ResponseActFuture, WrapFuture as _,
};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::{Delivery, Queued};
use crate::{
    model::{Change, ChannelId, Event},
    policy::{ChannelBacklog, ListedChannel},
};

/// Live events that wait while what was missed is fetched.
#[derive(Debug)]
pub(super) struct Round {
    under_way: bool,
    held: VecDeque<Queued>,
    /// Another round is due before anything is let go: too many came, and what was held is dropped; or some were lost.
    again: bool,
    /// What is held is dropped, and what else comes: the next round fetches it.
    overflown: bool,
    /// Permits that the held ones have, and the most that they may have.
    permits: usize,
    most: usize,
}

/// A socket is open, or has lost something: hold what it brings until a round that begins from now on is finished.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(in crate::hosting) struct BeginRound;

/// The channels as the server lists them; answered with those that have news.
#[derive(Debug, Message)]
#[rtype(result = "Vec<ChannelBacklog>")]
pub(in crate::hosting) struct SubmitListing {
    pub(in crate::hosting) listing: Vec<ListedChannel>,
    /// It is this late at least, by the server's clock.
    pub(in crate::hosting) server_time: i64,
}

/// A change that was fetched. Answered with whether it is handed over: one that was heard already is not.
#[derive(Debug, Message)]
#[rtype(result = "bool")]
pub(in crate::hosting) struct DeliverRecovered {
    pub(in crate::hosting) event: Event,
    pub(in crate::hosting) permit: OwnedSemaphorePermit,
}

/// The account is out of a channel, as soon as what was fetched of it is acknowledged.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(in crate::hosting) struct LeftChannel(pub(in crate::hosting) ChannelId);

/// All is fetched. Answered with whether everything held was kept: if not, another round is due.
#[derive(Debug, Message)]
#[rtype(result = "bool")]
pub(in crate::hosting) struct FinishRound {
    /// Channels that could not be read.
    pub(in crate::hosting) skipped: Vec<ChannelId>,
}

impl Round {
    pub(super) fn new(most: usize) -> Self {
        Self { under_way: false, held: VecDeque::new(), again: false, overflown: false, permits: 0, most }
    }

    /// Keeps an event while a round is under way; gives it back otherwise.
    pub(super) fn hold(&mut self, queued: Queued) -> Option<Queued> {
        if !self.under_way {
            return Some(queued);
        }
        self.permits += queued.permit.num_permits();
        self.held.push_back(queued);
        if self.overflown || self.permits > self.most {
            self.overflown = true;
            self.take();
        }
        None
    }

    /// Live events may hold so many permits from now on.
    pub(super) fn set_limit(&mut self, most: usize) {
        self.most = most;
    }

    /// What is held.
    pub(super) fn held(&self) -> impl Iterator<Item = &Queued> {
        self.held.iter()
    }

    /// A change was fetched: if it is held, too, it need not come twice.
    fn fetched(&mut self, change: &Change) {
        let is_it = |queued: &Queued| queued.event.body.change.as_ref() == Some(change);
        if let Some(queued) = self.held.iter().position(is_it).and_then(|place| self.held.remove(place)) {
            self.permits -= queued.permit.num_permits();
        }
    }

    /// Takes all that is held.
    fn take(&mut self) -> VecDeque<Queued> {
        self.permits = 0;
        std::mem::take(&mut self.held)
    }
}

impl Delivery {
    /// Puts an event in its lane, unless what it changes was taken before.
    pub(super) fn enqueue(&mut self, queued: Queued) -> bool {
        let body = &queued.event.body;
        let taken = match &body.change {
            Some(change) if queued.event.recovered => {
                self.context.replay.with(|replay| replay.admit_fetched(&body.channel_id, change))
            }
            Some(change) => self.context.replay.with(|replay| replay.admit(&body.channel_id, change)),
            None => true,
        };
        if taken {
            self.queue.push(body.channel_id.clone(), queued);
        }
        taken
    }
}

impl Handler<BeginRound> for Delivery {
    type Result = ();

    fn handle(&mut self, _: BeginRound, _: &mut Context<Self>) {
        // What an unfinished round before this one held is still held: it was heard, and comes after what is fetched.
        self.round.again = self.round.under_way;
        self.round.under_way = true;
    }
}

impl Handler<SubmitListing> for Delivery {
    type Result = MessageResult<SubmitListing>;

    fn handle(&mut self, shown: SubmitListing, _: &mut Context<Self>) -> Self::Result {
        (self.round.again, self.round.overflown) = (false, false);
        MessageResult(
            self.context.replay.with(|replay| replay.apply_listing(&shown.listing, shown.server_time)),
        )
    }
}

impl Handler<DeliverRecovered> for Delivery {
    type Result = bool;

    fn handle(&mut self, recovered: DeliverRecovered, ctx: &mut Context<Self>) -> bool {
        let event = Arc::new(recovered.event);
        let taken = self.enqueue(Queued { event: event.clone(), permit: recovered.permit });
        // What was not taken is told apart by its id when the held one is let go: none is dropped for its time.
        if let Some(change) = event.body.change.as_ref().filter(|_| taken) {
            self.round.fetched(change);
        }
        self.pump(ctx);
        taken
    }
}

impl Handler<LeftChannel> for Delivery {
    type Result = ();

    fn handle(&mut self, LeftChannel(channel): LeftChannel, _: &mut Context<Self>) {
        self.context.replay.with(|replay| replay.leave_channel(&channel));
    }
}

impl Handler<FinishRound> for Delivery {
    type Result = ResponseActFuture<Self, bool>;

    fn handle(&mut self, finish: FinishRound, ctx: &mut Context<Self>) -> Self::Result {
        let (done, begun) = oneshot::channel();
        let is_new = self.context.replay.with(|replay| {
            let is_new = replay.is_new();
            replay.finish_round(&finish.skipped);
            is_new
        });
        if is_new && !self.is_another_due() {
            // Where an account begins is kept before it is ready, with what came meanwhile: from then on a kill loses
            // nothing.
            self.queue_held();
            self.save_then_notify(done, ctx);
        }
        Box::pin(begun.into_actor(self).map(|_, act, ctx| act.let_go(ctx)))
    }
}

impl Delivery {
    /// Ends the round, unless another is due.
    fn let_go(&mut self, ctx: &mut Context<Self>) -> bool {
        if self.is_another_due() {
            return false;
        }
        self.round.under_way = false;
        self.queue_held();
        self.pump(ctx);
        true
    }

    fn is_another_due(&self) -> bool {
        self.round.again || self.round.overflown
    }

    fn queue_held(&mut self) {
        for queued in self.round.take() {
            self.enqueue(queued);
        }
    }
}
