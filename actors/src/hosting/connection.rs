mod audit;
mod connect;
mod ending;
mod frames;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod opening;
mod own_account;
mod permitted_frames;
mod ping;
mod post_change;
mod reconfigure;
mod repeated_posts;

use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use actix::{
    Actor, ActorFutureExt as _, Addr, AsyncContext as _, Context, Handler, Message, SpawnHandle,
    WrapFuture as _,
};
use tokio::sync::OwnedSemaphorePermit;

use self::connect::Connected;
pub(super) use self::{
    audit::AuditNow,
    connect::{Baseline, rest_close_reason},
    opening::CatchUpAgain,
};
use super::{
    account_context::{AccountContext, ConnectedGuard, now},
    delivery::{AttachConnection, Delivery, Permits, Received},
    health_check::{self, HealthCheck},
    supervisor::ChildStopped,
};
use crate::{
    mattermost::{SocketRequests, SocketWriter},
    model::{CloseReason, Fact, Generation, ResumePoint},
    policy::{OwnChanges, PingMonitor, PromptLimit, RunSummary, Sequence},
    ports::Api,
};

/// A connection of an account: one socket, from the baseline to its end.
///
/// ```text
/// connecting ──▶ opening ──▶ catching up ──▶ ready ──▶ ending
///     │             └──▶ explaining ◀┴─────────┘         ▲
///     │                      └───────────────────────────┤
///     └──────────────────────────────────────────────────┘
/// ```
pub(super) struct Connection {
    context: Arc<AccountContext>,
    /// The API for this Arbiter, kept until the Connection ends so that its REST connections stay open between polls.
    api: Option<Rc<dyn Api>>,
    generation: Generation,
    delivery: Addr<Delivery>,
    permits: Permits,
    /// The events of this turn of the socket, which go to the Delivery before anything else does.
    received: Vec<Received>,
    /// The time of this turn's first frame, which counts for all of them.
    turn_began: Option<(Instant, SystemTime)>,
    /// The point at which the last socket may be resumed.
    resume: Option<ResumePoint>,
    phase: Phase,
    started: Instant,
    baseline: Option<Baseline>,
    socket: Option<OpenSocket>,
    health_check: Option<Addr<HealthCheck>>,
    /// Counts this Connection among the server's connected accounts, from the hello to the end.
    connected: Option<ConnectedGuard>,
    own_changes: OwnChanges,
    own_prompts: PromptLimit,
    catching_up: CatchingUp,
    audit_timer: Option<SpawnHandle>,
    /// True while an audit runs: audits never overlap.
    auditing: bool,
    /// True if the next audit was requested: it runs even if audits are turned off.
    audit_requested: bool,
    /// True if a sibling saw a change before the HealthCheck was started.
    poll_pending: bool,
    /// The timer after which the Connection counts as settled.
    settle_timer: Option<SpawnHandle>,
    reason: Option<CloseReason>,
}

/// The state of the catch-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CatchingUp {
    No,
    Yes,
    /// A catch-up runs, and another follows because something was lost meanwhile.
    Again,
}

/// The phase of a Connection; see [`Connection`] for the transitions.
#[derive(Debug)]
enum Phase {
    /// The baseline is fetched, a dial slot awaited, the server dialed.
    Connecting,
    /// The socket is open; hello, or the answer to the first ping of a resume, is due. The slot is released early if
    /// reading is paused.
    Opening { slot: Option<OwnedSemaphorePermit>, resumed: bool },
    /// Missed events are fetched; live events wait until they are delivered.
    CatchingUp,
    /// The socket ended before it was ready, or soon after; a REST request finds out the reason.
    Explaining { run: RunSummary },
    /// Events are delivered as they arrive.
    Ready { since: Instant, paused: Duration },
    /// The close reason is known, and the socket is being closed.
    Ending { run: RunSummary },
}

/// The open socket and its state.
struct OpenSocket {
    opened: Instant,
    writer: SocketWriter,
    requests: SocketRequests,
    ping_monitor: PingMonitor,
    sequence: Sequence,
    connection_id: Arc<str>,
    /// The numbers of the events that an earlier process handled and that a resume repeats.
    handled: Vec<u64>,
    ping_timer: Option<SpawnHandle>,
    /// The number of frames since the last one that could be read.
    unreadable_frames: u32,
}

/// Ends the Connection. Sent by its HealthCheck, its Delivery and the Supervisor.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Terminate {
    /// The generation to end; any other ignores the message.
    pub(super) generation: Generation,
    pub(super) reason: CloseReason,
}

/// Requests a poll at once, because a sibling saw the account change.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct PollSoon;

/// Notifies the Connection that its HealthCheck died.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct HealthCheckStopped;

impl Connection {
    pub(super) fn new(
        context: Arc<AccountContext>,
        generation: Generation,
        delivery: Addr<Delivery>,
        permits: Permits,
        resume: Option<ResumePoint>,
    ) -> Self {
        Self {
            context,
            api: None,
            generation,
            delivery,
            permits,
            received: Vec::new(),
            turn_began: None,
            resume,
            phase: Phase::Connecting,
            started: now(),
            baseline: None,
            socket: None,
            health_check: None,
            connected: None,
            own_changes: OwnChanges::default(),
            own_prompts: PromptLimit::default(),
            catching_up: CatchingUp::No,
            audit_timer: None,
            auditing: false,
            audit_requested: false,
            poll_pending: false,
            settle_timer: None,
            reason: None,
        }
    }

    /// Returns the API for the Arbiter that the Connection runs on.
    fn api(&mut self) -> Rc<dyn Api> {
        self.api.get_or_insert_with(|| self.context.api.api()).clone()
    }

    fn observe(&self, fact: Fact) {
        self.context.observe(self.generation, fact);
    }

    fn poll_now(&self) {
        if let Some(health) = &self.health_check {
            health.do_send(health_check::PollNow);
        }
    }

    fn attach_to_delivery(&self, ctx: &Context<Self>) {
        self.delivery.do_send(AttachConnection { generation: self.generation, connection: ctx.address() });
    }
}

impl Actor for Connection {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.started = now();
        self.observe(Fact::Connecting);
        self.attach_to_delivery(ctx);
        let (context, api) = (self.context.clone(), self.api());
        let queue = (self.delivery.clone(), self.permits.clone());
        let connecting = connect::connect(context, api, queue, self.generation, self.resume.take());
        ctx.spawn(connecting.into_actor(self).map(|result, act, ctx| act.on_connected(result, ctx)));
    }

    /// Also runs after a handler has panicked; no reason is set then.
    fn stopped(&mut self, ctx: &mut Self::Context) {
        // The resume point counts them as received.
        self.hand_over_received();
        if let Some(health) = self.health_check.take() {
            health.do_send(health_check::Stop);
        }
        self.context.stats.set_catch_up_progress(None);
        let stopped = ChildStopped {
            account: self.context.account.clone(),
            connection: ctx.address(),
            reason: self.reason.take(),
            run: self.run_summary(),
            resume: self.resume_point(),
            baseline_update_at: self.baseline.as_ref().map(|baseline| baseline.update_at),
        };
        self.context.supervisor.do_send(stopped);
    }
}

impl Connection {
    fn run_summary(&self) -> RunSummary {
        match self.phase {
            Phase::Ending { run } | Phase::Explaining { run } => run,
            Phase::Ready { .. } => RunSummary {
                ready_for: self.ready_for(),
                reading_paused: self.is_behind(),
                age: self.socket.as_ref().map(|socket| now().saturating_duration_since(socket.opened)),
                quiet: self.socket.as_ref().map_or(Duration::ZERO, |s| s.ping_monitor.quiet_for(now())),
                ..RunSummary::default()
            },
            Phase::Connecting | Phase::Opening { .. } | Phase::CatchingUp => RunSummary::default(),
        }
    }

    fn ready_for(&self) -> Option<Duration> {
        match self.phase {
            Phase::Ready { since, paused } => {
                let pause = self.socket.as_ref().and_then(|socket| socket.ping_monitor.paused_for(now()));
                let paused = paused + pause.unwrap_or_default();
                Some(now().saturating_duration_since(since).saturating_sub(paused))
            }
            _ => None,
        }
    }

    fn is_behind(&self) -> bool {
        self.socket.as_ref().is_some_and(|socket| socket.ping_monitor.is_behind(now()))
    }

    /// Returns the point at which the next generation may resume.
    fn resume_point(&self) -> Option<ResumePoint> {
        let socket = self.socket.as_ref().filter(|socket| !socket.connection_id.is_empty())?;
        let connection_id = (&*socket.connection_id).into();
        let next_seq = socket.sequence.next();
        let handled = socket.handled.iter().copied().filter(|seq| *seq >= next_seq).collect();
        Some(ResumePoint { connection_id, next_seq, handled })
    }
}

impl Handler<Terminate> for Connection {
    type Result = ();

    fn handle(&mut self, terminate: Terminate, ctx: &mut Self::Context) {
        if terminate.generation != self.generation {
            return;
        }
        match terminate.reason {
            CloseReason::Stale { baseline, seen } => self.on_drift(baseline, seen, ctx),
            reason => self.end(reason, ctx),
        }
    }
}

impl Handler<PollSoon> for Connection {
    type Result = ();

    fn handle(&mut self, _: PollSoon, _: &mut Self::Context) {
        if self.health_check.is_some() {
            self.poll_now();
        } else {
            self.poll_pending = true;
        }
    }
}

impl Handler<HealthCheckStopped> for Connection {
    type Result = ();

    fn handle(&mut self, _: HealthCheckStopped, ctx: &mut Self::Context) {
        self.end(CloseReason::HealthCheckDied, ctx);
    }
}

/// Returns the wall-clock time, for display only.
fn wall_clock() -> SystemTime {
    SystemTime::now()
}
