mod permits;
mod persistence;
mod reconfigure;
mod rounds;

use std::{collections::HashMap, sync::Arc, time::Duration};

use actix::{
    Actor, ActorContext as _, ActorFutureExt as _, Addr, AsyncContext as _, Context, Handler, Message,
    MessageResult, SpawnHandle, WrapFuture as _,
};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

pub(super) use permits::Permits;
pub(super) use persistence::PersistFinalState;
pub(super) use reconfigure::{ChangePermits, ChangeSink};
pub(super) use rounds::{BeginRound, DeliverRecovered, FinishRound, LeftChannel, SubmitListing};

use self::{persistence::Persistence, reconfigure::InFlightGuard, rounds::Round};
use super::{
    account_context::{AccountContext, now},
    connection::{Connection, Terminate},
    supervisor::{DeliveryStopped, StallChanged},
};
use crate::{
    model::{ChannelId, CloseReason, DeliveryQueueStats, Event, Fact, Generation, StallCause},
    policy::{KeyedQueue, ReplayState},
    ports::{Delivered, EventSink, Outcome},
};

/// The shortest and the longest wait before an event is delivered again; the sink's wish is clamped to them.
const RETRY_AFTER: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(300));

/// The longest wait for a retry that a shutdown sits out. A sink with a full queue asks for less, one that is down for
/// more; its events come again after the next start.
const AWAITED_RETRY: Duration = Duration::from_secs(1);

/// Delivers an account's events to its sink, in order within a channel and with a limit on events in flight. It lives
/// as long as the account, across its Connections.
pub(super) struct Delivery {
    context: Arc<AccountContext>,
    sink: Arc<dyn EventSink>,
    /// Cloned for each event that the sink has.
    in_flight_guard: InFlightGuard,
    queue: KeyedQueue<ChannelId, Queued>,
    /// Events that the sink has not answered yet.
    in_flight: Vec<Arc<Event>>,
    round: Round,
    persistence: Persistence,
    connection: Option<(Generation, Addr<Connection>)>,
    /// The retry timers of channels whose first event the sink did not accept.
    retrying: HashMap<ChannelId, RetryTimer>,
    /// True while the sink is reported as stalled.
    stalled: bool,
    /// True if the sink is broken: nothing is delivered until a new Connection attaches or the sink is replaced.
    sink_broken: bool,
    /// Notified when all events are delivered.
    draining: Vec<Drain>,
    planned: bool,
}

/// The timer of a channel whose first event is delivered again.
struct RetryTimer {
    handle: SpawnHandle,
    is_long: bool,
}

/// An event with the permits that it holds until it is acknowledged.
#[derive(Debug)]
struct Queued {
    event: Arc<Event>,
    permit: OwnedSemaphorePermit,
    origin: Origin,
}

/// The way by which an event came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// On the socket.
    Live,
    /// By a page or a list of changes.
    Fetched,
    /// By a page, made while the account was not in the channel: it counts as acknowledged and no sink gets it.
    WhileOut,
}

/// Delivers a live event. The permits bound the number of these messages.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Deliver {
    pub(super) event: Event,
    pub(super) permit: OwnedSemaphorePermit,
}

/// Attaches a new Connection to the Delivery.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct AttachConnection {
    pub(super) generation: Generation,
    pub(super) connection: Addr<Connection>,
}

/// Requests a notification when all received events are delivered. The sender is dropped if the sink is broken.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Drain {
    pub(super) done: oneshot::Sender<()>,
    /// False if the sender is dropped, too, when only events are left that the sink wants much later.
    pub(super) awaits_retries: bool,
}

/// Stops the Delivery.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Stop;

impl Delivery {
    pub(super) fn new(context: Arc<AccountContext>, sink: Arc<dyn EventSink>, permits: &Permits) -> Self {
        // Events that the previous Delivery took and did not deliver are fetched again.
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

    /// Queues an event unless its change was received before. Returns false for such a duplicate.
    fn enqueue(&mut self, queued: Queued) -> bool {
        let body = &queued.event.body;
        let is_new = match &body.change {
            Some(change) => self.context.replay.with(|replay| {
                replay.advance_clock(now());
                match queued.origin {
                    Origin::Live => replay.admit(&body.channel_id, change),
                    Origin::Fetched | Origin::WhileOut => replay.admit_fetched(&body.channel_id, change),
                }
            }),
            None => true,
        };
        if is_new {
            self.queue.push(body.channel_id.clone(), queued);
        }
        is_new
    }

    /// Delivers all events that may be delivered now.
    fn pump(&mut self, ctx: &mut Context<Self>) {
        while !self.sink_broken
            && !self.persistence.failed
            && let Some((channel, queued)) = self.queue.take()
        {
            if self.skips(&queued) {
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
                // The caller may no longer wait.
                let _ = waiting.done.send(());
            }
        } else if self.has_only_long_retries() {
            self.draining.retain(|waiting| waiting.awaits_retries);
        }
    }

    /// Returns true if no event is with the sink and all channels wait for a retry that is far away.
    fn has_only_long_retries(&self) -> bool {
        self.in_flight.is_empty()
            && !self.retrying.is_empty()
            && !self.persistence.failed
            && self.retrying.values().all(|timer| timer.is_long)
    }

    /// Returns true if an event is not for the sink. It counts as acknowledged.
    fn skips(&self, queued: &Queued) -> bool {
        queued.origin == Origin::WhileOut || (queued.event.own && self.context.settings.delivery.skip_own)
    }

    fn settle(&mut self, channel: ChannelId, queued: Queued, outcome: Outcome, ctx: &mut Context<Self>) {
        match outcome {
            Outcome::Acknowledged => self.acknowledge(&channel, &queued),
            Outcome::Rejected { cause } => {
                self.context.observe(queued.event.generation, Fact::Rejected { cause: cause.into() });
                self.acknowledge(&channel, &queued);
            }
            Outcome::Retry { after, cause: _ } => self.retry(channel, queued, after, ctx),
            Outcome::Broken { cause } => {
                self.queue.requeue(&channel, queued);
                self.on_sink_broken(cause);
            }
        }
    }

    fn acknowledge(&mut self, channel: &ChannelId, queued: &Queued) {
        self.queue.complete(channel);
        if self.retrying.is_empty() {
            self.report_stalled(false);
        }
        if let Some(change) = &queued.event.body.change {
            self.context.replay.with(|replay| match queued.origin {
                Origin::Live | Origin::Fetched => replay.acknowledge(channel, change.clone()),
                Origin::WhileOut => replay.acknowledge_while_out(channel, change.clone()),
            });
        }
    }

    fn retry(&mut self, channel: ChannelId, queued: Queued, after: Duration, ctx: &mut Context<Self>) {
        self.report_stalled(true);
        self.queue.pause(&channel, queued);
        let (shortest, longest) = RETRY_AFTER;
        let key = channel.clone();
        let handle = ctx.run_later(after.clamp(shortest, longest), move |act, ctx| {
            act.retrying.remove(&key);
            act.queue.resume(&key);
            act.pump(ctx);
        });
        self.retrying.insert(channel, RetryTimer { handle, is_long: after > AWAITED_RETRY });
    }

    fn on_sink_broken(&mut self, cause: String) {
        if std::mem::replace(&mut self.sink_broken, true) {
            return;
        }
        self.draining.clear();
        if let Some((generation, connection)) = &self.connection {
            let reason = CloseReason::SinkBroken { cause: cause.into() };
            connection.do_send(Terminate { generation: *generation, reason });
        }
    }

    fn report_stalled(&mut self, is_stalled: bool) {
        if std::mem::replace(&mut self.stalled, is_stalled) == is_stalled {
            return;
        }
        let fact = if is_stalled { Fact::Stalled } else { Fact::Unstalled };
        self.context.observe(self.generation(), fact);
        let account = self.context.account.clone();
        self.context.supervisor.do_send(StallChanged { account, cause: StallCause::Sink, is_stalled });
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
        let queued = Queued { event: Arc::new(deliver.event), permit: deliver.permit, origin: Origin::Live };
        // During a catch-up, live events wait until the fetched ones are delivered.
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
        // A broken sink accepts no events: dropping the sender notifies the caller at once.
        if !self.sink_broken {
            self.draining.push(drain);
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

/// Requests the state of the queue.
#[derive(Debug, Message)]
#[rtype(result = "DeliveryQueueStats")]
pub(super) struct GetWaiting;

impl Handler<GetWaiting> for Delivery {
    type Result = MessageResult<GetWaiting>;

    fn handle(&mut self, _: GetWaiting, _: &mut Self::Context) -> Self::Result {
        let in_flight = self.in_flight.iter().map(|event| event.received_at);
        let waiting = self.queue.waiting().map(|queued| queued.event.received_at);
        MessageResult(DeliveryQueueStats {
            unacknowledged: self.in_flight.len(),
            waiting: self.queue.len().saturating_sub(self.queue.in_flight()),
            oldest: in_flight.chain(waiting).min(),
        })
    }
}
