mod permits;
mod persistence;
mod postponing;
mod queue_stats;
mod reconfigure;
mod refusals;
mod rounds;

use std::{collections::HashMap, sync::Arc, time::Duration};

use actix::{
    Actor, ActorContext as _, ActorFutureExt as _, Addr, AsyncContext as _, Context, Handler, Message,
    WrapFuture as _,
};
use tokio::{
    sync::{OwnedSemaphorePermit, oneshot},
    time::Instant,
};

pub(super) use permits::Permits;
pub(super) use persistence::PersistFinalState;
pub(super) use queue_stats::GetWaiting;
pub(super) use reconfigure::{ChangePermits, ChangeSink};
pub(super) use refusals::RetryNow;
pub(super) use rounds::{
    Admission, BeginListing, BeginRound, DeliverRecovered, EndListing, FinishRound, LeftChannel, SubmitListed,
};

use self::{
    persistence::Persistence, postponing::PostponedChannels, reconfigure::InFlightGuard,
    refusals::RetryTimer, rounds::Round,
};
use super::{
    account_context::AccountContext,
    connection::{Connection, Terminate},
    known_names::Directory,
    supervisor::DeliveryStopped,
};
use crate::{
    model::{ChannelId, Event, Excerpt, Fact, Generation},
    policy::{KeyedQueue, RefusalScope, RefusedEvents},
    ports::{Delivered, EventSink, EventStorage, Outcome},
};

/// The wait before an event is tried again that another host may own: such an account is about to be removed.
const FENCED_RETRY: Duration = Duration::from_secs(1);

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
    permits: Permits,
    round: Round,
    postponed: PostponedChannels,
    persistence: Persistence,
    /// The storage of the last acknowledged event, for the next one: a new one for each would be an allocation.
    last_storage: EventStorage,
    connection: Option<(Generation, Addr<Connection>)>,
    /// The retry timers of channels whose first event the sink did not accept.
    retrying: HashMap<ChannelId, RetryTimer>,
    /// The events that the sink did not accept.
    refused: RefusedEvents,
    /// True while the sink is reported as stalled.
    stalled: bool,
    /// True if the sink is broken: nothing is delivered until a new Connection attaches or the sink is replaced.
    sink_broken: bool,
    /// Notified when all events are delivered.
    draining: Vec<Drain>,
    planned: bool,
}

/// An event with the permits that it holds until it is acknowledged.
#[derive(Debug)]
struct Queued {
    event: Arc<Event>,
    permit: OwnedSemaphorePermit,
    origin: Origin,
    since: Instant,
    /// The storage of the handler that has the event.
    storage: EventStorage,
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

/// Delivers live events, in order. Their permits bound their number.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Deliver(pub(super) Vec<Received>);

/// A live event with its permits.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) event: Arc<Event>,
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

impl Queued {
    fn new(event: Arc<Event>, permit: OwnedSemaphorePermit, origin: Origin, since: Instant) -> Self {
        Self { event, permit, origin, since, storage: EventStorage::unavailable() }
    }

    /// Adds the description of the channel if it has become known since the event was received: a round lists the
    /// channels while live events wait.
    fn describe_channel(&mut self, directory: &Directory) {
        if self.event.channel.is_none()
            && let Some(event) = Arc::get_mut(&mut self.event)
        {
            event.channel = directory.channel(&event.body.channel_id);
        }
    }
}

impl Delivery {
    pub(super) fn new(context: Arc<AccountContext>, sink: Arc<dyn EventSink>, permits: &Permits) -> Self {
        // Events that the previous Delivery took and did not deliver are fetched again.
        context.replay.forget_unacknowledged();
        context.stats.set_waiting_channels(None);
        Self {
            in_flight: Vec::new(),
            round: Round::new(permits.live_limit()),
            permits: permits.clone(),
            postponed: PostponedChannels::default(),
            persistence: Persistence::default(),
            last_storage: EventStorage::unavailable(),
            queue: KeyedQueue::new(context.settings.delivery.in_flight),
            context,
            sink,
            in_flight_guard: InFlightGuard::default(),
            connection: None,
            retrying: HashMap::new(),
            refused: RefusedEvents::default(),
            stalled: false,
            sink_broken: false,
            draining: Vec::new(),
            planned: false,
        }
    }

    fn generation(&self) -> Generation {
        self.connection.as_ref().map_or_else(Generation::default, |(generation, _)| *generation)
    }

    /// Queues an event unless its change was received before or its channel is postponed.
    fn enqueue(&mut self, mut queued: Queued, now: Instant, ctx: &mut Context<Self>) -> Admission {
        queued.describe_channel(&self.context.directory);
        let body = &queued.event.body;
        if self.postponed.contains(&body.channel_id) {
            return Admission::Postponed;
        }
        let is_new = match &body.change {
            Some(change) => self.context.replay.with(|replay| {
                replay.advance_clock(now.into_std());
                match queued.origin {
                    Origin::Live => replay.admit(&body.channel_id, change),
                    Origin::Fetched | Origin::WhileOut => replay.admit_fetched(&body.channel_id, change),
                }
            }),
            None => true,
        };
        if !is_new {
            return Admission::Known;
        }
        self.queue.push(body.channel_id.clone(), queued);
        self.check_lag_later(ctx);
        Admission::New
    }

    /// Delivers all events that may be delivered now.
    fn pump(&mut self, ctx: &mut Context<Self>) {
        let awaits_store = self.awaits_store();
        while !awaits_store
            && !self.persistence.is_final
            && !self.sink_broken
            && let Some((channel, mut queued)) = self.queue.take()
        {
            if self.skips(&queued) {
                self.settle(channel, queued, Outcome::Acknowledged, false, ctx);
                continue;
            }
            self.context.loop_guard.observe_delivery(&queued.event, queued.origin != Origin::Live);
            queued.storage = self.storage(&channel);
            match self.hand_over(&queued) {
                Delivered::Now(outcome) => self.settle(channel, queued, outcome, false, ctx),
                Delivered::Later(outcome) => {
                    self.in_flight.push(queued.event.clone());
                    let in_flight_guard = self.in_flight_guard.clone();
                    ctx.spawn(outcome.into_actor(self).map(move |outcome, act, ctx| {
                        if act.is_too_late(&queued) {
                            return;
                        }
                        act.in_flight.retain(|event| !Arc::ptr_eq(event, &queued.event));
                        if act.is_held_by_current_sink(&in_flight_guard) {
                            act.settle(channel, queued, outcome, true, ctx);
                        } else {
                            act.settle_replaced(channel, queued, outcome, ctx);
                        }
                        drop(in_flight_guard);
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

    /// Returns the storage for the handler of an event of a channel.
    fn storage(&mut self, channel: &ChannelId) -> EventStorage {
        let last = std::mem::take(&mut self.last_storage);
        last.reused(channel).unwrap_or_else(|| self.context.replay.storage(channel))
    }

    /// Hands an event to the sink, unless another host owns the account by now.
    fn hand_over(&self, queued: &Queued) -> Delivered {
        if self.context.may_act() {
            return self.sink.deliver_with(&queued.event, &queued.storage);
        }
        let cause = "another host may own the account".into();
        Delivered::Now(Outcome::Retry { after: FENCED_RETRY, cause })
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

    /// Returns true if the outcome of an event comes after the resume point was named: the event may come again, as after a
    /// kill. A change does not, because it is known by its id.
    fn is_too_late(&self, queued: &Queued) -> bool {
        self.persistence.is_final && queued.event.body.change.is_none()
    }

    /// Carries out the outcome of an event. `is_answer` is true if the sink took the event and answered.
    fn settle(
        &mut self,
        channel: ChannelId,
        queued: Queued,
        outcome: Outcome,
        is_answer: bool,
        ctx: &mut Context<Self>,
    ) {
        match outcome {
            Outcome::Acknowledged => {
                queued.storage.accept();
                self.acknowledge(&channel, &queued, is_answer, ctx);
                self.last_storage = queued.storage;
            }
            Outcome::Rejected { cause } => {
                let event = Excerpt::of(&queued.event.id());
                let fact = Fact::Rejected { event, channel: channel.clone(), cause: cause.into() };
                self.context.observe(queued.event.generation, fact);
                queued.storage.accept_adopted();
                self.acknowledge(&channel, &queued, is_answer, ctx);
            }
            Outcome::Retry { after, cause } => {
                self.retry(channel, queued, (after, cause, RefusalScope::Sink), is_answer, ctx);
            }
            Outcome::Hold { after, cause } => {
                self.retry(channel, queued, (after, cause, RefusalScope::Channel), is_answer, ctx);
            }
            Outcome::Broken { cause } => {
                self.queue.requeue(&channel, queued);
                self.on_sink_broken(cause);
            }
        }
    }

    fn acknowledge(&mut self, channel: &ChannelId, queued: &Queued, is_answer: bool, ctx: &Context<Self>) {
        self.queue.complete(channel);
        // With several sinks, another one than that which accepts nothing may have answered.
        self.finish_refused(channel, is_answer && self.sink.names().len() <= 1, ctx);
        if let Some(change) = &queued.event.body.change {
            self.context.replay.with(|replay| match queued.origin {
                Origin::Live | Origin::Fetched => replay.acknowledge(channel, change.clone()),
                Origin::WhileOut => replay.acknowledge_while_out(channel, change.clone()),
            });
        }
        self.fetch_if_worked_off(channel);
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

    fn handle(&mut self, Deliver(received): Deliver, ctx: &mut Self::Context) {
        let now = Instant::now();
        for Received { event, permit } in received {
            if self.postponed.contains(&event.body.channel_id) {
                continue;
            }
            let queued = Queued::new(event, permit, Origin::Live, now);
            if self.round.is_running() {
                self.hold(queued);
            } else {
                self.enqueue(queued, now, ctx);
            }
        }
        self.pump(ctx);
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
