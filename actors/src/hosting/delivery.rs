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
pub(super) use persistence::PersistFinalState;
pub(super) use query::GetWaiting;
pub(super) use reconfigure::{ChangePermits, ChangeSink};
pub(super) use rounds::{BeginRound, DeliverRecovered, FinishRound, LeftChannel, SubmitListing};

use self::{persistence::Persistence, reconfigure::InFlightGuard, rounds::Round};

use super::{
    connection::{Connection, Terminate},
    context::AccountContext,
    supervisor::{DeliveryStopped, StallChanged},
};
use crate::{
    model::{ChannelId, CloseReason, Event, Fact, Generation, StallCause},
    policy::{KeyedQueue, ReplayState},
    ports::{Delivered, EventSink, Outcome},
};

/// The shortest and the longest wait before an event is handed over again, whatever the sink says.
const RETRY_AFTER: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(300));

/// Hands an account's events to its sink: in order within a channel, at most so many at once.
pub(super) struct Delivery {
    context: Arc<AccountContext>,
    sink: Arc<dyn EventSink>,
    /// Held by the sink's work until its last event is answered.
    in_flight_guard: InFlightGuard,
    queue: KeyedQueue<ChannelId, Queued>,
    /// Events that the sink has and has not answered.
    in_flight: Vec<Arc<Event>>,
    round: Round,
    persistence: Persistence,
    connection: Option<(Generation, Addr<Connection>)>,
    /// Channels whose head is waiting to be handed over again, and the timers for them.
    retrying: HashMap<ChannelId, SpawnHandle>,
    /// Whether it was told that the sink takes nothing.
    stalled: bool,
    /// The sink said that it is broken: nothing is handed over until a new Connection comes.
    sink_broken: bool,
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
pub(super) struct AttachConnection {
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
    pub(super) fn new(context: Arc<AccountContext>, sink: Arc<dyn EventSink>, permits: &Permits) -> Self {
        // What the Delivery before this one took and did not hand over is to come again.
        context.replay.with(ReplayState::forget_unacknowledged);
        Self {
            in_flight: Vec::new(),
            round: Round::new(permits.live_limit()),
            persistence: Persistence::default(),
            queue: KeyedQueue::new(context.settings.delivery.in_flight),
            context,
            sink,
            in_flight_guard: InFlightGuard::default(),
            connection: None,
            retrying: HashMap::new(),
            stalled: false,
            sink_broken: false,
            draining: Vec::new(),
            planned: false,
        }
    }

    fn generation(&self) -> Generation {
        self.connection.as_ref().map_or_else(Generation::default, |(generation, _)| *generation)
    }

    /// Hands over all that may be handed over now.
    fn pump(&mut self, ctx: &mut Context<Self>) {
        while !self.sink_broken
            && !self.persistence.failed
            && let Some((channel, queued)) = self.queue.take()
        {
            if self.skips(&queued.event) {
                self.settle(channel, queued, Outcome::Acknowledged, ctx);
                continue;
            }
            self.context.loop_guard.observe_delivery(&queued.event);
            match self.sink.deliver(&queued.event) {
                Delivered::Now(outcome) => self.settle(channel, queued, outcome, ctx),
                Delivered::Later(outcome) => {
                    self.in_flight.push(queued.event.clone());
                    let in_flight_guard = self.in_flight_guard.clone();
                    ctx.spawn(outcome.into_actor(self).map(move |outcome, act, ctx| {
                        drop(in_flight_guard);
                        act.in_flight.retain(|event| !Arc::ptr_eq(event, &queued.event));
                        act.settle(channel, queued, outcome, ctx);
                        act.pump(ctx);
                    }));
                }
            }
        }
        self.save(ctx);
        if self.queue.is_empty() {
            for waiting in self.draining.drain(..) {
                // Whoever asked may have stopped waiting.
                let _ = waiting.send(());
            }
        }
    }

    /// Whether an event is passed over. In its lane it counts as acknowledged like any other.
    fn skips(&self, event: &Event) -> bool {
        event.own && self.context.settings.delivery.skip_own
    }

    fn settle(&mut self, channel: ChannelId, queued: Queued, outcome: Outcome, ctx: &mut Context<Self>) {
        match outcome {
            Outcome::Acknowledged => self.acknowledged(&channel, &queued),
            Outcome::Rejected { cause } => {
                self.context.observe(queued.event.generation, Fact::Rejected { cause });
                self.acknowledged(&channel, &queued);
            }
            Outcome::Retry { after, cause: _ } => self.retry(channel, queued, after, ctx),
            Outcome::Broken { cause } => {
                self.queue.requeue(&channel, queued);
                self.break_down(cause);
            }
        }
    }

    fn acknowledged(&mut self, channel: &ChannelId, queued: &Queued) {
        self.queue.complete(channel);
        if self.retrying.is_empty() {
            self.report_stalled(false);
        }
        if let Some(change) = &queued.event.body.change {
            self.context.replay.with(|replay| replay.acknowledge(channel, change.clone()));
        }
    }

    fn retry(&mut self, channel: ChannelId, queued: Queued, after: Duration, ctx: &mut Context<Self>) {
        self.report_stalled(true);
        self.queue.pause(&channel, queued);
        let (shortest, longest) = RETRY_AFTER;
        let key = channel.clone();
        let timer = ctx.run_later(after.clamp(shortest, longest), move |act, ctx| {
            act.retrying.remove(&key);
            act.queue.resume(&key);
            act.pump(ctx);
        });
        self.retrying.insert(channel, timer);
    }

    fn break_down(&mut self, cause: String) {
        if std::mem::replace(&mut self.sink_broken, true) {
            return;
        }
        self.draining.clear();
        if let Some((generation, connection)) = &self.connection {
            let reason = CloseReason::SinkBroken { cause };
            connection.do_send(Terminate { generation: *generation, reason });
        }
    }

    fn report_stalled(&mut self, stalled: bool) {
        if std::mem::replace(&mut self.stalled, stalled) == stalled {
            return;
        }
        let fact = if stalled { Fact::Stalled } else { Fact::Unstalled };
        self.context.observe(self.generation(), fact);
        let account = self.context.account.clone();
        self.context.supervisor.do_send(StallChanged {
            account,
            cause: StallCause::Sink,
            is_stalled: stalled,
        });
    }
}

impl Actor for Delivery {
    type Context = Context<Self>;

    fn stopped(&mut self, ctx: &mut Self::Context) {
        if !self.planned {
            let died = DeliveryStopped { account: self.context.account.clone(), delivery: ctx.address() };
            self.context.supervisor.do_send(died);
        }
    }
}

impl Handler<Deliver> for Delivery {
    type Result = ();

    fn handle(&mut self, deliver: Deliver, ctx: &mut Self::Context) {
        let queued = Queued { event: Arc::new(deliver.event), permit: deliver.permit };
        // While what was missed is being fetched, what comes live waits behind it.
        if let Some(queued) = self.round.hold(queued) {
            self.enqueue(queued);
            self.pump(ctx);
        }
    }
}

impl Handler<AttachConnection> for Delivery {
    type Result = ();

    fn handle(&mut self, attach: AttachConnection, ctx: &mut Self::Context) {
        self.connection = Some((attach.generation, attach.connection));
        self.sink_broken = false;
        self.pump(ctx);
    }
}

impl Handler<Drain> for Delivery {
    type Result = ();

    fn handle(&mut self, drain: Drain, ctx: &mut Self::Context) {
        // A broken sink takes nothing: whoever waits learns at once that it was not drained.
        if !self.sink_broken {
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
