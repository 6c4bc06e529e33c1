//! The Delivery's part in a catch-up: fetched events go first, live events are held meanwhile.

use std::{collections::VecDeque, sync::Arc};

use actix::{
    ActorFutureExt as _, Context, Handler, Message, MessageResult, ResponseActFuture, WrapFuture as _,
};
use tokio::{
    sync::{OwnedSemaphorePermit, oneshot},
    time::Instant,
};

use super::{Delivery, Origin, Queued};
use crate::{
    hosting::account_context::now,
    model::{Change, ChannelId, Event},
    policy::{ChannelBacklog, ListedChannel, ReplayState, ServerClock},
};

/// The live events held during a round of a catch-up.
#[derive(Debug)]
pub(super) struct Round {
    is_running: bool,
    held: VecDeque<Queued>,
    /// True if another round must follow because events were lost.
    again: bool,
    /// True after an overflow: held and further live events are dropped, and the next round fetches them.
    has_overflowed: bool,
    /// The permits of the held events.
    permits: usize,
    /// The most permits that held events may have.
    max_permits: usize,
}

/// Requests a round, because a socket was opened or has lost events: live events are held until a round that begins
/// later is finished.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(in crate::hosting) struct BeginRound;

/// Begins to submit the server's list of channels.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(in crate::hosting) struct BeginListing {
    /// A lower bound of the server's time.
    pub(in crate::hosting) server_time: i64,
    /// The server's clock, if the list shows it.
    pub(in crate::hosting) clock: Option<ServerClock>,
    /// False if rows of the list could not be read.
    pub(in crate::hosting) is_complete: bool,
}

/// Submits a part of the list; answered with the channels in it that have news.
#[derive(Debug, Message)]
#[rtype(result = "Vec<ChannelBacklog>")]
pub(in crate::hosting) struct SubmitListed(pub(in crate::hosting) Vec<ListedChannel>);

/// Ends the list; answered with the channels that it lacks and that must be read.
#[derive(Debug, Message)]
#[rtype(result = "Vec<ChannelBacklog>")]
pub(in crate::hosting) struct EndListing;

/// The result of an event's arrival at the Delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::hosting) enum Admission {
    /// The event is queued.
    New,
    /// The event's change was received before.
    Known,
    /// Too many events of its channel wait: it is dropped, and fetched again later.
    Postponed,
}

/// Delivers a fetched change.
#[derive(Debug, Message)]
#[rtype(result = "Admission")]
pub(in crate::hosting) struct DeliverRecovered {
    pub(in crate::hosting) event: Event,
    pub(in crate::hosting) permit: OwnedSemaphorePermit,
    pub(in crate::hosting) origin: Origin,
}

/// Removes a channel that the account has left, once the channel's fetched events are acknowledged.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(in crate::hosting) struct LeftChannel(pub(in crate::hosting) ChannelId);

/// Finishes a round. Answered with false if another round is needed.
#[derive(Debug, Message)]
#[rtype(result = "bool")]
pub(in crate::hosting) struct FinishRound {
    /// Channels that could not be read.
    pub(in crate::hosting) skipped: Vec<ChannelId>,
}

impl Round {
    pub(super) fn new(max_permits: usize) -> Self {
        Self {
            is_running: false,
            held: VecDeque::new(),
            again: false,
            has_overflowed: false,
            permits: 0,
            max_permits,
        }
    }

    /// True while live events are held.
    pub(super) fn is_running(&self) -> bool {
        self.is_running
    }

    /// Holds an event. Returns the events that are dropped because the round has overflowed.
    pub(super) fn hold(&mut self, queued: Queued) -> VecDeque<Queued> {
        self.permits += queued.permit.num_permits();
        self.held.push_back(queued);
        self.has_overflowed |= self.permits > self.max_permits;
        if self.has_overflowed { self.take() } else { VecDeque::new() }
    }

    pub(super) fn set_max_permits(&mut self, max_permits: usize) {
        self.max_permits = max_permits;
    }

    pub(super) fn held(&self) -> impl Iterator<Item = &Queued> {
        self.held.iter()
    }

    /// Removes the held duplicate of a fetched change, if there is one.
    fn remove_duplicate(&mut self, change: &Change) {
        let is_duplicate = |queued: &Queued| queued.event.body.change.as_ref() == Some(change);
        let index = self.held.iter().position(is_duplicate);
        if let Some(queued) = index.and_then(|index| self.held.remove(index)) {
            self.permits -= queued.permit.num_permits();
        }
    }

    /// Takes all held events.
    fn take(&mut self) -> VecDeque<Queued> {
        self.permits = 0;
        std::mem::take(&mut self.held)
    }
}

impl Handler<BeginRound> for Delivery {
    type Result = ();

    fn handle(&mut self, _: BeginRound, _: &mut Context<Self>) {
        // Events held by an unfinished round stay held: they follow the fetched ones.
        self.round.again = self.round.is_running;
        self.round.is_running = true;
    }
}

impl Handler<BeginListing> for Delivery {
    type Result = ();

    fn handle(&mut self, begin: BeginListing, _: &mut Context<Self>) {
        self.resume_postponed();
        (self.round.again, self.round.has_overflowed) = (false, false);
        self.context.replay.with(|replay| {
            replay.read_clock(begin.clock, now());
            replay.begin_listing(begin.server_time, begin.is_complete);
        });
    }
}

impl Handler<SubmitListed> for Delivery {
    type Result = MessageResult<SubmitListed>;

    fn handle(&mut self, SubmitListed(part): SubmitListed, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.context.replay.with(|replay| replay.list(&part)))
    }
}

impl Handler<EndListing> for Delivery {
    type Result = MessageResult<EndListing>;

    fn handle(&mut self, _: EndListing, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.context.replay.with(|replay| replay.end_listing().collect()))
    }
}

impl Handler<DeliverRecovered> for Delivery {
    type Result = MessageResult<DeliverRecovered>;

    fn handle(&mut self, recovered: DeliverRecovered, ctx: &mut Context<Self>) -> Self::Result {
        let event = Arc::new(recovered.event);
        let now = Instant::now();
        let queued = Queued::new(event.clone(), recovered.permit, recovered.origin, now);
        let admission = self.enqueue(queued, now, ctx);
        // A change that is not new has its held duplicate rejected by id when the round ends.
        if let Some(change) = event.body.change.as_ref().filter(|_| admission == Admission::New) {
            self.round.remove_duplicate(change);
        }
        self.pump(ctx);
        MessageResult(admission)
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
        let (done, saved) = oneshot::channel();
        self.context.replay.with(|replay| replay.finish_round(&finish.skipped));
        self.report_forgotten();
        if self.context.replay.has_unsaved_start() && !self.needs_another_round() {
            // The start of a new account is stored before it is ready, together with the held events: from then on, a
            // kill loses nothing.
            self.queue_held(ctx);
            self.save_then_notify(done, ctx);
        }
        Box::pin(saved.into_actor(self).map(|_, act, ctx| act.end_round(ctx)))
    }
}

impl Delivery {
    /// Releases the held events and returns true, unless another round is needed.
    fn end_round(&mut self, ctx: &mut Context<Self>) -> bool {
        if self.needs_another_round() {
            return false;
        }
        self.round.is_running = false;
        self.context.replay.with(ReplayState::end_start);
        self.queue_held(ctx);
        self.pump(ctx);
        true
    }

    /// Holds a live event until the fetched ones are delivered.
    pub(super) fn hold(&mut self, queued: Queued) {
        for dropped in self.round.hold(queued) {
            let body = &dropped.event.body;
            if let Some(change) = &body.change {
                self.context.replay.with(|replay| replay.drop_live(&body.channel_id, change));
            }
        }
    }

    fn needs_another_round(&self) -> bool {
        self.round.again || self.round.has_overflowed
    }

    fn queue_held(&mut self, ctx: &mut Context<Self>) {
        let now = Instant::now();
        for queued in self.round.take() {
            self.enqueue(queued, now, ctx);
        }
    }
}
