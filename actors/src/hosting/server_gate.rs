mod gate_state;
mod handle;
mod reconfigure;

use std::{rc::Rc, sync::Arc, time::Duration};

use actix::{
    Actor, ActorFutureExt as _, Addr, AsyncContext as _, Context, Handler, Message, SpawnHandle,
    WrapFuture as _,
};
use parking_lot::Mutex;

pub(super) use handle::{GateError, GateHandle, RequestPermit};
pub(super) use reconfigure::Configure;

use self::gate_state::{GateState, Task};
use super::{
    Observer, Supervisor,
    account_context::now,
    supervisor::{ServerSpec, ServerStatusChanged},
};
use crate::{
    mattermost::{RestError, RestErrorKind},
    model::{Fact, ServerName},
    policy::StatusChange,
    ports::{Api, ApiFactory},
};

/// The gate of one server: it rations requests and dials among the server's accounts and tracks whether the server is
/// up. A request that need not wait passes [without a message](GateState).
pub(super) struct ServerGate {
    name: ServerName,
    factory: Arc<dyn ApiFactory>,
    /// The API for probes, created on the gate's own Arbiter at the first probe.
    api: Option<Rc<dyn Api>>,
    /// Never locked across an `.await`.
    state: Arc<Mutex<GateState>>,
    observer: Observer,
    supervisor: Addr<Supervisor>,
    /// The timer for the next grant.
    timer: Option<SpawnHandle>,
    /// The probe in flight or the timer for the next; there is at most one.
    probe_handle: Option<SpawnHandle>,
}

impl ServerGate {
    pub(super) fn start(
        spec: &ServerSpec,
        poll_interval: Duration,
        observer: Observer,
        supervisor: Addr<Supervisor>,
    ) -> GateHandle {
        let state = GateState::new(spec.name.clone(), spec.limits, poll_interval, observer.clone());
        let state = Arc::new(Mutex::new(state));
        let gate = Self {
            name: spec.name.clone(),
            factory: spec.api.clone(),
            api: None,
            state: state.clone(),
            observer,
            supervisor,
            timer: None,
            probe_handle: None,
        };
        GateHandle::new(Actor::start(gate), state, spec.api.request_stats())
    }

    /// Grants all requests that may be made now and sets a timer for the next.
    fn pump(&mut self, ctx: &mut Context<Self>) {
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        let next = self.state.lock().pump();
        self.timer = next.map(|wait| {
            ctx.run_later(wait, |gate, ctx| {
                gate.timer = None;
                gate.pump(ctx);
            })
        });
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
        let (next, change) = self.record_probe(error);
        if let Some(change) = change {
            self.report_change(change, error);
        }
        if let Some(wait) = next {
            self.probe_later(wait, ctx);
        }
        self.pump(ctx);
    }

    /// Returns the wait until the next probe, if another is needed, and the change of the status.
    fn record_probe(&self, error: Option<&RestError>) -> (Option<Duration>, Option<StatusChange>) {
        let probe = &mut self.state.lock().probe;
        let is_rate_limit = |error: &RestError| matches!(error.kind, RestErrorKind::RateLimited { .. });
        match error {
            None => (None, probe.probe_answered(now())),
            // Mattermost's own rate limit.
            Some(error) if is_rate_limit(error) => (None, probe.probe_answered(now())),
            Some(error) => {
                let (wait, change) =
                    if is_unreachable(error) { probe.probe_failed() } else { probe.probe_refused() };
                (Some(wait), change)
            }
        }
    }

    fn report_change(&self, change: StatusChange, error: Option<&RestError>) {
        let cause = || error.map(ToString::to_string).unwrap_or_default();
        let fact = match change {
            StatusChange::Down => Fact::ServerDown,
            StatusChange::Refuses => Fact::ServerRefusing { cause: cause() },
            StatusChange::Answers | StatusChange::Well => Fact::ServerUp,
        };
        self.observer.publish_server(&self.name, fact);
        let down_since = self.state.lock().probe.down_since();
        self.supervisor.do_send(ServerStatusChanged { server: self.name.clone(), change, down_since });
    }

    fn probe_later(&mut self, wait: Duration, ctx: &mut Context<Self>) {
        self.probe_handle = Some(ctx.run_later(wait, |gate, ctx| {
            gate.state.lock().probe.probe_started();
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

impl Drop for ServerGate {
    /// Lets nothing wait for a gate that is gone, also after a panic.
    fn drop(&mut self) {
        self.state.lock().close();
    }
}

/// Asks the gate for a task.
#[derive(Message)]
#[rtype(result = "()")]
struct Perform(Task);

impl Handler<Perform> for ServerGate {
    type Result = ();

    fn handle(&mut self, Perform(task): Perform, ctx: &mut Self::Context) {
        match task {
            Task::Probe => self.send_probe(ctx),
            Task::Pump => self.pump(ctx),
        }
    }
}
