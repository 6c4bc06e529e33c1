//! The Delivery: between an account's sockets and its sink, for as long as the account lives.

mod permits;
mod persistence;
mod query;
mod reconfigure;
mod rounds;

use std::{collections::HashMap, sync::Arc, time::Duration};

use actix::{
    Actor, ActorContext as _, ActorFutureExt as _, Addr, AsyncContext as _, Context, Handler, Message,
    SpawnHandle, WrapFuture as _,
};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

pub(super) use permits::Permits;
pub(super) use persistence::Part;
pub(super) use query::LookInto;
pub(super) use reconfigure::{ChangeQueue, ChangeSink};
pub(super) use rounds::{BeginRound, FinishRound, Leaves, Recovered, ShowListing};

use self::{persistence::Saving, reconfigure::Tenure, rounds::Round};

use super::{
    connection::{Connection, Terminate},
    context::Env,
    supervisor::{DeliveryStopped, Stalled},
};
use crate::{
    model::{ChannelId, CloseReason, Event, Fact, Generation, Stall},
    policy::{Book, Lanes},
    ports::{Delivered, EventSink, Outcome},
};

/// The shortest and the longest wait before an event is handed over again, whatever the sink says.
const RETRY_AFTER: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(300));

/// Hands an account's events to its sink: in order within a channel, at most so many at once.
pub(super) struct Delivery {
    env: Arc<Env>,
    sink: Arc<dyn EventSink>,
    /// Held by the sink's work until its last event is answered.
    tenure: Tenure,
    lanes: Lanes<ChannelId, Queued>,
    /// Events that the sink has and has not answered.
    out: Vec<Arc<Event>>,
    round: Round,
    saving: Saving,
    connection: Option<(Generation, Addr<Connection>)>,
    /// Channels whose head is waiting to be handed over again, and the timers for them.
    retrying: HashMap<ChannelId, SpawnHandle>,
    /// Whether it was told that the sink takes nothing.
    stalled: bool,
    /// The sink said that it is broken: nothing is handed over until a new Connection comes.
    broken: bool,
    /// Nothing more comes: told when all is handed over.
    draining: Vec<oneshot::Sender<()>>,
    planned: bool,
}

/// An event and the permits that it holds until it is acknowledged.
#[derive(Debug)]
struct Queued {
    event: Arc<Event>,
    permit: OwnedSemaphorePermit,
}

/// Hands an event over. There are never more of these on their way than permits.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Deliver {
    pub(super) event: Event,
    pub(super) permit: OwnedSemaphorePermit,
}

/// A new Connection feeds the Delivery.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Attach {
    pub(super) generation: Generation,
    pub(super) connection: Addr<Connection>,
}

/// Says when all that was heard is handed over; dropped when the sink is broken.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Drain(pub(super) oneshot::Sender<()>);

/// Ends the Delivery.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Stop;

impl Delivery {
    pub(super) fn new(env: Arc<Env>, sink: Arc<dyn EventSink>, permits: &Permits) -> Self {
        // What the Delivery before this one took and did not hand over is to come again.
        env.book.with(Book::forget_open);
        Self {
            out: Vec::new(),
            round: Round::new(permits.to_hold()),
            saving: Saving::default(),
            lanes: Lanes::new(env.settings.delivery.in_flight),
            env,
            sink,
            tenure: Tenure::default(),
            connection: None,
            retrying: HashMap::new(),
            stalled: false,
            broken: false,
            draining: Vec::new(),
            planned: false,
        }
    }

    fn generation(&self) -> Generation {
        self.connection.as_ref().map_or_else(Generation::default, |(generation, _)| *generation)
    }

    /// Hands over all that may be handed over now.
    fn pump(&mut self, ctx: &mut Context<Self>) {
        while !self.broken
            && !self.saving.failed
            && let Some((lane, queued)) = self.lanes.take()
        {
            if self.skips(&queued.event) {
                self.settle(lane, queued, Outcome::Acknowledged, ctx);
                continue;
            }
            self.env.guard.hands_over(&queued.event);
            match self.sink.deliver(&queued.event) {
                Delivered::Now(outcome) => self.settle(lane, queued, outcome, ctx),
                Delivered::Later(outcome) => {
                    self.out.push(queued.event.clone());
                    let tenure = self.tenure.clone();
                    ctx.spawn(outcome.into_actor(self).map(move |outcome, act, ctx| {
                        drop(tenure);
                        act.out.retain(|event| !Arc::ptr_eq(event, &queued.event));
                        act.settle(lane, queued, outcome, ctx);
                        act.pump(ctx);
                    }));
                }
            }
        }
        self.save(ctx);
        if self.lanes.is_empty() {
            for waiting in self.draining.drain(..) {
                // Whoever asked may have stopped waiting.
                let _ = waiting.send(());
            }
        }
    }

    /// Whether an event is passed over. In its lane it counts as acknowledged like any other.
    fn skips(&self, event: &Event) -> bool {
        event.own && self.env.settings.delivery.skip_own
    }

    fn settle(&mut self, lane: ChannelId, queued: Queued, outcome: Outcome, ctx: &mut Context<Self>) {
        match outcome {
            Outcome::Acknowledged => self.acknowledged(&lane, &queued),
            Outcome::Rejected { cause } => {
                self.env.observe(queued.event.generation, Fact::Rejected { cause });
                self.acknowledged(&lane, &queued);
            }
            Outcome::Retry { after, cause: _ } => self.retry(lane, queued, after, ctx),
            Outcome::Broken { cause } => {
                self.lanes.back(&lane, queued);
                self.break_down(cause);
            }
        }
    }

    fn acknowledged(&mut self, lane: &ChannelId, queued: &Queued) {
        self.lanes.done(lane);
        if self.retrying.is_empty() {
            self.tell_stalled(false);
        }
        if let Some(change) = &queued.event.body.change {
            self.env.book.with(|book| book.acknowledged(lane, change.clone()));
        }
    }

    fn retry(&mut self, lane: ChannelId, queued: Queued, after: Duration, ctx: &mut Context<Self>) {
        self.tell_stalled(true);
        self.lanes.park(&lane, queued);
        let (shortest, longest) = RETRY_AFTER;
        let key = lane.clone();
        let timer = ctx.run_later(after.clamp(shortest, longest), move |act, ctx| {
            act.retrying.remove(&key);
            act.lanes.unpark(&key);
            act.pump(ctx);
        });
        self.retrying.insert(lane, timer);
    }

    fn break_down(&mut self, cause: String) {
        if std::mem::replace(&mut self.broken, true) {
            return;
        }
        self.draining.clear();
        if let Some((generation, connection)) = &self.connection {
            let reason = CloseReason::SinkBroken { cause };
            connection.do_send(Terminate { generation: *generation, reason });
        }
    }

    fn tell_stalled(&mut self, stalled: bool) {
        if std::mem::replace(&mut self.stalled, stalled) == stalled {
            return;
        }
        let fact = if stalled { Fact::Stalled } else { Fact::Unstalled };
        self.env.observe(self.generation(), fact);
        let account = self.env.account.clone();
        self.env.supervisor.do_send(Stalled { account, by: Stall::Sink, on: stalled });
    }
}

impl Actor for Delivery {
    type Context = Context<Self>;

    fn stopped(&mut self, ctx: &mut Self::Context) {
        if !self.planned {
            let died = DeliveryStopped { account: self.env.account.clone(), delivery: ctx.address() };
            self.env.supervisor.do_send(died);
        }
    }
}

impl Handler<Deliver> for Delivery {
    type Result = ();

    fn handle(&mut self, deliver: Deliver, ctx: &mut Self::Context) {
        let queued = Queued { event: Arc::new(deliver.event), permit: deliver.permit };
        // While what was missed is being fetched, what comes live waits behind it.
        if let Some(queued) = self.round.hold(queued) {
            self.queue(queued);
            self.pump(ctx);
        }
    }
}

impl Handler<Attach> for Delivery {
    type Result = ();

    fn handle(&mut self, attach: Attach, ctx: &mut Self::Context) {
        self.connection = Some((attach.generation, attach.connection));
        self.broken = false;
        self.pump(ctx);
    }
}

impl Handler<Drain> for Delivery {
    type Result = ();

    fn handle(&mut self, drain: Drain, ctx: &mut Self::Context) {
        // A broken sink takes nothing: whoever waits learns at once that it was not drained.
        if !self.broken {
            self.draining.push(drain.0);
            self.pump(ctx);
        }
    }
}

impl Handler<Stop> for Delivery {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        self.planned = true;
        ctx.stop();
    }
}
