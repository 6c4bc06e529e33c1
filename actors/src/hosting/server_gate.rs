//! The ServerGate: everything the accounts of one server share.

mod handle;
mod reconfigure;

use std::{rc::Rc, sync::Arc, time::Duration};

use actix::{
    Actor, ActorFutureExt as _, Addr, AsyncContext as _, Context, Handler, Message, MessageResult,
    SpawnHandle, WrapFuture as _,
};
use tokio::sync::{Semaphore, oneshot};

pub(super) use handle::{GateHandle, RequestPermit};
pub(super) use reconfigure::{ChangePollInterval, Configure};

use super::{
    Observer, Supervisor,
    context::now,
    supervisor::{ServerSpec, ServerStatusChanged},
};
use crate::{
    mattermost::{RestError, RestErrorKind},
    model::{AccountName, Fact, ServerName, ServerSnapshot},
    policy::{
        FairQueue, GateLimits, RateHeaders, RequestClass, ServerProbe, ServerStatus, TokenBucket,
        stretched_interval,
    },
    ports::{Api, ApiFactory},
};

/// Gives out requests and dials to the accounts of one server, and knows whether it is up.
pub(super) struct ServerGate {
    name: ServerName,
    factory: Arc<dyn ApiFactory>,
    /// Made on the gate's own Arbiter at the first knock.
    api: Option<Rc<dyn Api>>,
    poll_interval: Duration,
    accounts: usize,
    bucket: TokenBucket,
    queue: FairQueue<AccountName, oneshot::Sender<RequestPermit>>,
    probe: ServerProbe,
    slots: Arc<Semaphore>,
    dial_slots: usize,
    observer: Observer,
    supervisor: Addr<Supervisor>,
    /// The timer for the next grant.
    timer: Option<SpawnHandle>,
    /// A knock on its way, or the timer for the next: there is one at most.
    probe_handle: Option<SpawnHandle>,
    /// The interval last told, to tell it once.
    reported_interval: Duration,
}

/// Asks for one request.
#[derive(Message)]
#[rtype(result = "()")]
struct Acquire {
    class: RequestClass,
    account: AccountName,
    grant: oneshot::Sender<RequestPermit>,
}

/// What a caller learned about the server.
#[derive(Message)]
#[rtype(result = "()")]
enum ServerReport {
    /// It could not be reached, or answered with a 5xx.
    Failed,
    /// It answered 429.
    Limited(Option<Duration>),
    /// Its headers.
    Rate(RateHeaders),
}

/// How many accounts are on the server now.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct SetAccountCount(pub(super) usize);

impl ServerGate {
    pub(super) fn start(
        spec: &ServerSpec,
        poll_interval: Duration,
        observer: Observer,
        supervisor: Addr<Supervisor>,
    ) -> GateHandle {
        let limits = spec.limits;
        let dial_slots = slots_of(limits);
        let slots = Arc::new(Semaphore::new(dial_slots));
        let gate = Self {
            name: spec.name.clone(),
            factory: spec.api.clone(),
            api: None,
            poll_interval,
            accounts: 0,
            bucket: TokenBucket::new(now(), limits.requests_per_second),
            queue: FairQueue::default(),
            probe: ServerProbe::default(),
            slots: slots.clone(),
            dial_slots,
            observer,
            supervisor,
            timer: None,
            probe_handle: None,
            reported_interval: poll_interval,
        };
        GateHandle::new(Actor::start(gate), slots, spec.api.request_stats())
    }

    /// Grants all that may go now, and sets a timer for the next.
    fn pump(&mut self, ctx: &mut Context<Self>) {
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        let up = self.probe.status() == ServerStatus::Up;
        while self.queue.has_work(up) {
            if let Err(wait) = self.bucket.take(now()) {
                self.timer = Some(ctx.run_later(wait, |gate, ctx| {
                    gate.timer = None;
                    gate.pump(ctx);
                }));
                return;
            }
            self.grant_one(up);
        }
    }

    /// Grants to the first whose asker still waits: a Connection that ended leaves its place to the next.
    fn grant_one(&mut self, up: bool) {
        while let Some(grant) = self.queue.next(up) {
            let permit = RequestPermit { poll_interval: self.stretched_interval() };
            if grant.ticket.send(permit).is_ok() {
                return;
            }
        }
        self.bucket.return_token();
    }

    fn stretched_interval(&mut self) -> Duration {
        let interval = stretched_interval(self.poll_interval, self.accounts, self.bucket.rate());
        // Told when it changes by more than a tenth: rates that are learned waver.
        let reported = self.reported_interval.as_secs_f64();
        if (interval.as_secs_f64() - reported).abs() > reported / 10.0 {
            self.reported_interval = interval;
            self.observer.publish_server(&self.name, Fact::PollsStretched { interval });
        }
        interval
    }

    fn send_probe(&mut self, ctx: &mut Context<Self>) {
        let api = self.api.get_or_insert_with(|| self.factory.api()).clone();
        let answer = async move { api.system_ping().await };
        self.probe_handle = Some(ctx.spawn(answer.into_actor(self).map(|answer, gate, ctx| {
            gate.probe_handle = None;
            if is_answer(answer.as_ref().err()) {
                gate.answered(ctx);
            } else {
                gate.unanswered(ctx);
            }
        })));
    }

    fn answered(&mut self, ctx: &mut Context<Self>) {
        if self.probe.probe_answered(now()) {
            self.observer.publish_server(&self.name, Fact::ServerUp);
            self.supervisor.do_send(ServerStatusChanged { server: self.name.clone(), down_since: None });
        }
        self.pump(ctx);
    }

    fn unanswered(&mut self, ctx: &mut Context<Self>) {
        let (wait, news) = self.probe.probe_failed();
        if news {
            self.observer.publish_server(&self.name, Fact::ServerDown);
            self.supervisor.do_send(ServerStatusChanged {
                server: self.name.clone(),
                down_since: self.probe.down_since(),
            });
        }
        self.probe_handle = Some(ctx.run_later(wait, |gate, ctx| {
            gate.probe.probe_started();
            gate.send_probe(ctx);
        }));
    }
}

/// Any answer below 500 means that the server is up, also one that refuses. A refused certificate is an answer too:
/// each account finds out for itself that it is misconfigured.
fn is_answer(error: Option<&RestError>) -> bool {
    error.is_none_or(|error| {
        !matches!(error.kind, RestErrorKind::Unreachable | RestErrorKind::Timeout | RestErrorKind::Server(_))
    })
}

impl Actor for ServerGate {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // Every account has at most a poll, a connect and a report on its way.
        ctx.set_mailbox_capacity(super::supervisor::MAILBOX_CAPACITY);
    }
}

impl Handler<Acquire> for ServerGate {
    type Result = ();

    fn handle(&mut self, ask: Acquire, ctx: &mut Self::Context) {
        // When the queue is full the asker finds its grant dropped, and says so.
        let _ = self.queue.push(ask.class, ask.account, ask.grant);
        if self.timer.is_none() {
            self.pump(ctx);
        }
    }
}

impl Handler<ServerReport> for ServerGate {
    type Result = ();

    fn handle(&mut self, report: ServerReport, ctx: &mut Self::Context) {
        match report {
            ServerReport::Failed => {
                if self.probe.request_failed(now()) {
                    self.send_probe(ctx);
                }
            }
            ServerReport::Limited(retry_after) => {
                let wait = self.bucket.rate_limited(now(), retry_after);
                self.observer.publish_server(&self.name, Fact::RatePaused { wait });
                self.pump(ctx);
            }
            ServerReport::Rate(seen) => {
                self.bucket.adapt(now(), seen);
                // A timer that was set at a slower pace is set anew.
                if self.timer.is_some() {
                    self.pump(ctx);
                }
            }
        }
    }
}

impl Handler<SetAccountCount> for ServerGate {
    type Result = ();

    fn handle(&mut self, accounts: SetAccountCount, _: &mut Self::Context) {
        self.accounts = accounts.0;
    }
}

/// Asks what is known of the server.
#[derive(Message)]
#[rtype(result = "ServerSnapshot")]
struct GetSnapshot;

impl Handler<GetSnapshot> for ServerGate {
    type Result = MessageResult<GetSnapshot>;

    fn handle(&mut self, _: GetSnapshot, _: &mut Self::Context) -> Self::Result {
        let now = now();
        let up = self.probe.status() == ServerStatus::Up;
        MessageResult(ServerSnapshot {
            server: self.name.clone(),
            up,
            down_for: self
                .probe
                .down_since()
                .filter(|_| !up)
                .map(|since| now.saturating_duration_since(since)),
            accounts: self.accounts,
            requests_per_second: self.bucket.rate(),
            waiting: self.queue.len(),
            dials: self.dial_slots.saturating_sub(self.slots.available_permits()),
            paused_for: self.bucket.paused_for(now),
        })
    }
}

fn slots_of(limits: GateLimits) -> usize {
    limits.dial_slots.clamp(1, Semaphore::MAX_PERMITS)
}
