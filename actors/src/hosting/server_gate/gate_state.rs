//! The state of a gate that its callers share, on all threads.

use std::{sync::Arc, time::Duration};

use tokio::sync::{Semaphore, oneshot};

use crate::{
    hosting::{Observer, account_context::now},
    model::{AccountName, Fact, ServerName, ServerSnapshot},
    policy::{
        FairQueue, GateLimits, RateHeaders, RequestClass, ServerProbe, ServerStatus, TokenBucket,
        stretched_interval,
    },
};

/// The state that decides which request to the server may be sent next. A caller whose request need not wait decides
/// here, without the gate: a message to it and back would wake two threads for each request.
pub(super) struct GateState {
    server: ServerName,
    observer: Observer,
    poll_interval: Duration,
    /// The poll interval last published.
    reported_interval: Duration,
    accounts: usize,
    pub(super) bucket: TokenBucket,
    /// The requests that wait, with the senders of the interval between polls. `None` once the gate has ended: nothing
    /// would grant them.
    queue: Option<FairQueue<AccountName, oneshot::Sender<Duration>>>,
    pub(super) probe: ServerProbe,
    slots: Arc<Semaphore>,
    dial_slots: usize,
}

/// The error for a gate that is gone, or at which too many requests wait.
#[derive(Debug, thiserror::Error)]
#[error("the server's request queue is full or closed")]
pub(in crate::hosting) struct GateClosed;

/// The answer to a caller that asks for permission to send a request. It carries the interval between an account's polls.
#[derive(Debug)]
pub(super) enum Admitted {
    Now(Duration),
    Later(oneshot::Receiver<Duration>),
}

/// A caller's observation about the server.
#[derive(Debug, Clone, Copy)]
pub(super) enum ServerReport {
    /// The server could not be reached or answered with a 5xx.
    Failed,
    /// An account was refused by something that may not be Mattermost.
    Refused,
    /// The server answered 429, perhaps with a time to wait.
    Limited(Option<Duration>),
    /// The server sent rate limit headers.
    Rate(RateHeaders),
}

/// A task that only the gate can do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Task {
    Probe,
    /// Grant what may be sent, and set the timer for the next: the pace has changed.
    Pump,
}

impl GateState {
    pub(super) fn new(
        server: ServerName,
        limits: GateLimits,
        poll_interval: Duration,
        observer: Observer,
    ) -> Self {
        let dial_slots = slots_of(limits);
        Self {
            server,
            observer,
            poll_interval,
            reported_interval: poll_interval,
            accounts: 0,
            bucket: TokenBucket::with_limits(now(), limits),
            queue: Some(FairQueue::default()),
            probe: ServerProbe::default(),
            slots: Arc::new(Semaphore::new(dial_slots)),
            dial_slots,
        }
    }

    /// Admits a request at once, unless another waits or there is no token: then it waits for the gate.
    pub(super) fn request(
        &mut self,
        class: RequestClass,
        account: &AccountName,
    ) -> Result<Admitted, GateClosed> {
        let up = self.is_up();
        let queue = self.queue.as_mut().ok_or(GateClosed)?;
        if queue.may_pass(class, up) && self.bucket.take(now()).is_ok() {
            return Ok(Admitted::Now(self.stretched_interval()));
        }
        let (grant, granted) = oneshot::channel();
        queue.push(class, account.clone(), grant).map_err(|_| GateClosed)?;
        Ok(Admitted::Later(granted))
    }

    /// Grants all waiting requests that may be sent now. Returns the time until the next, if one waits for the pace.
    pub(super) fn pump(&mut self) -> Option<Duration> {
        let up = self.is_up();
        while self.has_work() {
            if let Err(wait) = self.bucket.take(now()) {
                return Some(wait);
            }
            self.grant_one(up);
        }
        None
    }

    /// Grants the next request whose caller still waits. A caller that is gone costs no token.
    fn grant_one(&mut self, up: bool) {
        while let Some(grant) = self.queue.as_mut().and_then(|queue| queue.next(up)) {
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
            self.observer.publish_server(&self.server, Fact::PollsStretched { interval });
        }
        interval
    }

    /// Records a report. Returns what the gate has to do.
    pub(super) fn record(&mut self, report: ServerReport) -> Option<Task> {
        match report {
            ServerReport::Failed => self.probe.request_failed(now()).then_some(Task::Probe),
            ServerReport::Refused => self.probe.account_refused(now()).then_some(Task::Probe),
            ServerReport::Limited(retry_after) => {
                let wait = self.bucket.rate_limited(now(), retry_after);
                self.observer.publish_server(&self.server, Fact::RatePaused { wait });
                self.pump_if_any_waits()
            }
            ServerReport::Rate(seen) => {
                self.bucket.adapt(now(), seen);
                self.pump_if_any_waits()
            }
        }
    }

    /// The timer for the next request was set for another pace.
    fn pump_if_any_waits(&self) -> Option<Task> {
        self.has_work().then_some(Task::Pump)
    }

    /// True if any waiting request may be sent.
    fn has_work(&self) -> bool {
        self.queue.as_ref().is_some_and(|queue| queue.has_work(self.is_up()))
    }

    fn is_up(&self) -> bool {
        self.probe.status() != ServerStatus::Down
    }

    pub(super) fn set_account_count(&mut self, accounts: usize) {
        self.accounts = accounts;
    }

    pub(super) fn set_poll_interval(&mut self, interval: Duration) {
        self.poll_interval = interval;
        self.reported_interval = interval;
    }

    pub(super) fn slots(&self) -> Arc<Semaphore> {
        self.slots.clone()
    }

    pub(super) fn set_slots(&mut self, limits: GateLimits) {
        let slots = slots_of(limits);
        if slots > self.dial_slots {
            self.slots.add_permits(slots - self.dial_slots);
            self.dial_slots = slots;
        } else {
            // Slots in use cannot be removed: they exceed the new limit until the next change.
            self.dial_slots -= self.slots.forget_permits(self.dial_slots - slots);
        }
    }

    /// Discards everything learned about the server, at another address or with other limits. Returns true if a probe
    /// must be sent; one in flight has been cancelled.
    pub(super) fn forget_server(&mut self, limits: GateLimits) -> bool {
        self.bucket = TokenBucket::with_limits(now(), limits);
        let is_down = !self.is_up();
        if is_down {
            self.probe.probe_started();
        } else {
            let _ = self.probe.probe_answered(now());
        }
        is_down
    }

    /// Refuses all requests from now on, and those that wait.
    pub(super) fn close(&mut self) {
        self.queue = None;
    }

    /// Returns the state of the server, or `None` if the gate has ended.
    pub(super) fn snapshot(&self) -> Option<ServerSnapshot> {
        let now = now();
        let up = self.is_up();
        let waiting = self.queue.as_ref()?.len();
        let down_since = self.probe.down_since().filter(|_| !up);
        Some(ServerSnapshot {
            server: self.server.clone(),
            up,
            down_for: down_since.map(|since| now.saturating_duration_since(since)),
            accounts: self.accounts,
            requests_per_second: self.bucket.rate(),
            waiting,
            dials: self.dial_slots.saturating_sub(self.slots.available_permits()),
            paused_for: self.bucket.paused_for(now),
        })
    }
}

fn slots_of(limits: GateLimits) -> usize {
    limits.dial_slots.clamp(1, Semaphore::MAX_PERMITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const CONNECT: RequestClass = RequestClass::Connect;

    /// Returns the state of a gate whose server takes a request a second.
    fn gate_state() -> GateState {
        let limits = GateLimits { requests_per_second: 1.0, ..GateLimits::default() };
        GateState::new(ServerName::new("main").unwrap(), limits, 30 * SECOND, Observer::default())
    }

    fn account() -> AccountName {
        AccountName::new("bot").unwrap()
    }

    fn wait(state: &mut GateState, class: RequestClass) -> oneshot::Receiver<Duration> {
        match state.request(class, &account()).unwrap() {
            Admitted::Later(granted) => granted,
            Admitted::Now(_) => panic!("it did not wait"),
        }
    }

    fn passes(state: &mut GateState, class: RequestClass) -> bool {
        matches!(state.request(class, &account()).unwrap(), Admitted::Now(_))
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_waits_for_a_token_and_none_overtakes_it() {
        let mut state = gate_state();
        assert!(passes(&mut state, CONNECT), "nothing waits, and there is a token");
        let mut first = wait(&mut state, CONNECT);
        tokio::time::advance(SECOND).await;
        let mut second = wait(&mut state, CONNECT);
        assert_eq!(state.pump(), Some(SECOND), "one token for two");
        assert_eq!(first.try_recv().unwrap(), 30 * SECOND, "the interval between polls");
        assert!(second.try_recv().is_err());
        tokio::time::advance(SECOND).await;
        assert_eq!(state.pump(), None);
        assert!(second.try_recv().is_ok());
        tokio::time::advance(SECOND).await;
        assert!(passes(&mut state, CONNECT));
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_not_be_sent_while_a_server_is_down_holds_nothing_else_back() {
        let mut state = gate_state();
        assert_eq!(state.record(ServerReport::Failed), Some(Task::Probe));
        assert_eq!(state.record(ServerReport::Failed), None, "a probe is on its way");
        let _ = state.probe.probe_failed();
        let mut poll = wait(&mut state, RequestClass::Health);
        assert!(passes(&mut state, RequestClass::Reply));
        tokio::time::advance(SECOND).await;
        assert_eq!(state.pump(), None);
        assert!(poll.try_recv().is_err());
        let _ = state.probe.probe_answered(now());
        state.pump();
        assert!(poll.try_recv().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_429_holds_the_next_request_back_at_once() {
        let mut state = gate_state();
        assert_eq!(state.record(ServerReport::Limited(Some(20 * SECOND))), None, "nothing waits");
        let _waiting = wait(&mut state, CONNECT);
        assert_eq!(state.pump(), Some(20 * SECOND));
        let limited = ServerReport::Limited(Some(40 * SECOND));
        assert_eq!(state.record(limited), Some(Task::Pump), "the timer is set anew");
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_is_gone_costs_no_token() {
        let mut state = gate_state();
        assert!(passes(&mut state, CONNECT));
        drop(wait(&mut state, CONNECT));
        let mut second = wait(&mut state, CONNECT);
        tokio::time::advance(SECOND).await;
        assert_eq!(state.pump(), None);
        assert!(second.try_recv().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn once_closed_nothing_is_admitted_and_nothing_waits() {
        let mut state = gate_state();
        assert!(passes(&mut state, CONNECT));
        let waiting = wait(&mut state, CONNECT);
        assert_eq!(state.snapshot().unwrap().waiting, 1);
        state.close();
        assert!(waiting.await.is_err());
        assert!(state.request(CONNECT, &account()).is_err());
        assert_eq!(state.snapshot(), None);
        assert_eq!(state.pump(), None);
    }
}
