mod handle;
mod reconfigure;

use std::{rc::Rc, sync::Arc, time::Duration};

use actix::{
    Actor, ActorFutureExt as _, Addr, AsyncContext as _, Context, Handler, Message, MessageResult,
    SpawnHandle, WrapFuture as _,
};
use tokio::sync::{Semaphore, oneshot};

pub(super) use handle::{GateError, GateHandle, RequestPermit};
pub(super) use reconfigure::{ChangePollInterval, Configure};

use super::{
    Observer, Supervisor,
    account_context::now,
    supervisor::{ServerSpec, ServerStatusChanged},
};
use crate::{
    mattermost::{RestError, RestErrorKind},
    model::{AccountName, Fact, ServerName, ServerSnapshot},
    policy::{
        FairQueue, GateLimits, RateHeaders, RequestClass, ServerProbe, ServerStatus, StatusChange,
        TokenBucket, stretched_interval,
    },
    ports::{Api, ApiFactory},
};

/// The gate of one server: it rations requests and dials among the server's accounts and tracks whether the server is
/// up.
pub(super) struct ServerGate {
    name: ServerName,
    factory: Arc<dyn ApiFactory>,
    /// The API for probes, created on the gate's own Arbiter at the first probe.
    api: Option<Rc<dyn Api>>,
    poll_interval: Duration,
    accounts: usize,
    bucket: TokenBucket,
    queue: FairQueue<AccountName, oneshot::Sender<Duration>>,
    probe: ServerProbe,
    slots: Arc<Semaphore>,
    dial_slots: usize,
    observer: Observer,
    supervisor: Addr<Supervisor>,
    /// The timer for the next grant.
    timer: Option<SpawnHandle>,
    /// The probe in flight or the timer for the next; there is at most one.
    probe_handle: Option<SpawnHandle>,
    /// The poll interval last published.
    reported_interval: Duration,
}

/// Requests permission for one request.
#[derive(Message)]
#[rtype(result = "()")]
struct Acquire {
    class: RequestClass,
    account: AccountName,
    /// Receives the current interval between polls once the request may be made.
    grant: oneshot::Sender<Duration>,
}

/// A caller's observation about the server.
#[derive(Message)]
#[rtype(result = "()")]
enum ServerReport {
    /// The server could not be reached or answered with a 5xx.
    Failed,
    /// An account was refused by something that may not be Mattermost.
    Refused,
    /// The server answered 429, perhaps with a time to wait.
    Limited(Option<Duration>),
    /// The server sent rate limit headers.
    Rate(RateHeaders),
}

/// Sets the number of accounts on the server.
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
            bucket: TokenBucket::with_limits(now(), limits),
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

    /// Grants all requests that may be made now and sets a timer for the next.
    fn pump(&mut self, ctx: &mut Context<Self>) {
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        let up = self.probe.status() != ServerStatus::Down;
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

    /// Grants the next request whose caller still waits. A caller that is gone costs no token.
    fn grant_one(&mut self, up: bool) {
        while let Some(grant) = self.queue.next(up) {
            let poll_interval = self.stretched_interval();
            if grant.ticket.send(poll_interval).is_ok() {
                return;
            }
        }
        self.bucket.return_token();
    }

    fn stretched_interval(&mut self) -> Duration {
        let interval = stretched_interval(self.poll_interval, self.accounts, self.bucket.rate());
        // Published only when it changes by more than a tenth: learned rates fluctuate.
        let reported = self.reported_interval.as_secs_f64();
        if (interval.as_secs_f64() - reported).abs() > reported / 10.0 {
            self.reported_interval = interval;
            self.observer.publish_server(&self.name, Fact::PollsStretched { interval });
        }
        interval
    }

    fn send_probe(&mut self, ctx: &mut Context<Self>) {
        if let Some(timer) = self.probe_handle.take() {
            ctx.cancel_future(timer);
        }
        let api = self.api.get_or_insert_with(|| self.factory.api()).clone();
        let answer = async move { api.system_ping().await };
        self.probe_handle = Some(ctx.spawn(answer.into_actor(self).map(|answer, gate, ctx| {
            gate.probe_handle = None;
            gate.on_probed(answer.err().as_ref(), ctx);
        })));
    }

    fn on_probed(&mut self, error: Option<&RestError>, ctx: &mut Context<Self>) {
        let (next, change) = match error {
            None => (None, self.probe.probe_answered(now())),
            // Mattermost's own rate limit.
            Some(error) if matches!(error.kind, RestErrorKind::RateLimited { .. }) => {
                (None, self.probe.probe_answered(now()))
            }
            Some(error) if is_unreachable(error) => {
                let (wait, change) = self.probe.probe_failed();
                (Some(wait), change)
            }
            Some(_) => {
                let (wait, change) = self.probe.probe_refused();
                (Some(wait), change)
            }
        };
        if let Some(change) = change {
            self.report_change(change, error);
        }
        if let Some(wait) = next {
            self.probe_later(wait, ctx);
        }
        self.pump(ctx);
    }

    fn report_change(&self, change: StatusChange, error: Option<&RestError>) {
        let cause = || error.map(ToString::to_string).unwrap_or_default();
        let fact = match change {
            StatusChange::Down => Fact::ServerDown,
            StatusChange::Refuses => Fact::ServerRefusing { cause: cause() },
            StatusChange::Answers | StatusChange::Well => Fact::ServerUp,
        };
        self.observer.publish_server(&self.name, fact);
        let down_since = self.probe.down_since();
        self.supervisor.do_send(ServerStatusChanged { server: self.name.clone(), change, down_since });
    }

    fn probe_later(&mut self, wait: Duration, ctx: &mut Context<Self>) {
        self.probe_handle = Some(ctx.run_later(wait, |gate, ctx| {
            gate.probe.probe_started();
            gate.send_probe(ctx);
        }));
    }
}

/// Returns true if nothing answers. Any answer below 500 is one, even a refusal. A rejected certificate is one, too,
/// because each account detects that misconfiguration itself.
fn is_unreachable(error: &RestError) -> bool {
    matches!(error.kind, RestErrorKind::Unreachable | RestErrorKind::Timeout | RestErrorKind::Server(_))
}

impl Actor for ServerGate {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // Each account has at most a poll, a connect and a report in flight.
        ctx.set_mailbox_capacity(super::supervisor::MAILBOX_CAPACITY);
    }
}

impl Handler<Acquire> for ServerGate {
    type Result = ();

    fn handle(&mut self, acquire: Acquire, ctx: &mut Self::Context) {
        // If the queue is full, the grant is dropped and the caller gets an error.
        let _ = self.queue.push(acquire.class, acquire.account, acquire.grant);
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
            ServerReport::Refused => {
                if self.probe.account_refused(now()) {
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
                // The timer was set for another rate.
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

/// Requests a snapshot of the server.
#[derive(Message)]
#[rtype(result = "ServerSnapshot")]
struct GetSnapshot;

impl Handler<GetSnapshot> for ServerGate {
    type Result = MessageResult<GetSnapshot>;

    fn handle(&mut self, _: GetSnapshot, _: &mut Self::Context) -> Self::Result {
        let now = now();
        let up = self.probe.status() != ServerStatus::Down;
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
