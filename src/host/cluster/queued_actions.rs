//! The actions that programs elsewhere put into the queue, for the accounts that this host runs.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{
    StreamExt as _,
    future::{BoxFuture, FutureExt as _},
    stream::FuturesUnordered,
};
use matterhost_actors::{model::AccountName, ports::Poster};
use tokio::{
    sync::{Notify, Semaphore, oneshot},
    task::JoinHandle,
    time::{Instant, sleep, sleep_until, timeout_at},
};

use crate::{
    actions::{GeneratedKey, TextEnd, refusal, take_text},
    cluster::{
        ActionLanes, ActionQueue, ClusterTime, Late, QueueError, QueueNotice, QueuedAction, StepEnd,
        StepOrder, UNKNOWN_FOR,
    },
};

/// The interval of lists of all that waits: for notices that were lost, and accounts that were unknown.
const LIST_EVERY: Duration = Duration::from_secs(60);
/// The shortest time between two lists: a member takes many shards one after the other.
const LIST_AGAIN: Duration = Duration::from_millis(250);
/// The time from a list that failed to the next one.
const LIST_AFTER_FAILURE: Duration = Duration::from_secs(2);
/// The requests to the queue at a time. What they fetch, 256 KiB each at most, must not keep the renewals of the lease waiting, which
/// take the same connection.
const MOST_REQUESTS: usize = 16;
/// The status of an action for an account that the configuration does not have.
const NOT_FOUND: u16 = 404;

/// Returns `replies.deadline` of the accounts of the running configuration.
pub(in crate::host) type DeadlineOf = Arc<dyn Fn(&AccountName) -> Option<Duration> + Send + Sync>;

/// The handle of the worker that takes actions from the queue.
#[derive(Debug)]
pub(in crate::host) struct QueuedActions {
    look: Arc<Notify>,
    is_stopping: Arc<AtomicBool>,
    /// Its end stops the worker.
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// The parts that a step needs.
#[derive(Clone)]
struct Surroundings {
    queue: Arc<dyn ActionQueue>,
    poster: Arc<dyn Poster>,
    deadline_of: DeadlineOf,
    is_stopping: Arc<AtomicBool>,
    requests: Arc<Semaphore>,
}

/// Takes what waits for the accounts of this host: one action of an account after the other.
struct Worker {
    surroundings: Surroundings,
    lanes: ActionLanes,
    work: FuturesUnordered<BoxFuture<'static, Done>>,
    /// The time of the next list; `None` while one is read.
    next_list: Option<Instant>,
    /// True if something may have been missed since the list that is read began.
    lists_again: bool,
}

/// Something that the worker has done.
enum Done {
    Step(AccountName, StepEnd),
    List(Result<Vec<AccountName>, QueueError>),
}

impl QueuedActions {
    /// Begins to take actions as the accounts that may act here.
    pub(in crate::host) fn start(
        queue: Arc<dyn ActionQueue>,
        poster: Arc<dyn Poster>,
        deadline_of: DeadlineOf,
    ) -> Self {
        let (look, is_stopping) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
        let (stop, stopped) = oneshot::channel();
        let requests = Arc::new(Semaphore::new(MOST_REQUESTS));
        let surroundings =
            Surroundings { queue, poster, deadline_of, is_stopping: Arc::clone(&is_stopping), requests };
        let worker = Worker {
            surroundings,
            lanes: ActionLanes::default(),
            work: FuturesUnordered::new(),
            next_list: Some(Instant::now()),
            lists_again: false,
        };
        let task = tokio::spawn(worker.run(Arc::clone(&look), stopped));
        Self { look, is_stopping, stop, task }
    }

    /// Returns the means to make it look for what waits: this host runs more accounts.
    pub(in crate::host) fn look(&self) -> Arc<Notify> {
        Arc::clone(&self.look)
    }

    /// Begins no more actions. Those that are begun are finished until a time; the others are the next member's.
    pub(in crate::host) async fn stop(self, until: Instant) {
        self.is_stopping.store(true, Ordering::Relaxed);
        drop(self.stop);
        let mut task = self.task;
        if timeout_at(until, &mut task).await.is_err() {
            task.abort();
        }
    }
}

impl Worker {
    async fn run(mut self, look: Arc<Notify>, mut stopped: oneshot::Receiver<()>) {
        let mut notices = self.surroundings.queue.notices();
        loop {
            self.begin_steps();
            let rested = self.lanes.next_time().map(|time| time.since(ClusterTime::now()));
            tokio::select! {
                _ = &mut stopped => break,
                Some(done) = self.work.next(), if !self.work.is_empty() => self.take(done),
                Some(notice) = notices.recv() => match notice {
                    QueueNotice::Stored(account) => self.stored(&account),
                    QueueNotice::Missed => self.list_soon(),
                },
                () = look.notified() => self.list_soon(),
                () = at(self.next_list) => self.list(),
                () = after(rested) => {}
            }
        }
        self.work.collect::<Vec<_>>().await;
    }

    fn begin_steps(&mut self) {
        while let Some(order) = self.lanes.begin(ClusterTime::now()) {
            let account = order.account.clone();
            let step = AssertUnwindSafe(self.surroundings.clone().step(order)).catch_unwind();
            self.work.push(
                step.map(|end| {
                    let end = end.unwrap_or_else(|_| panicked(&account));
                    Done::Step(account, end)
                })
                .boxed(),
            );
        }
    }

    fn take(&mut self, done: Done) {
        match done {
            Done::Step(account, end) => self.lanes.end(&account, end, ClusterTime::now()),
            Done::List(accounts) => {
                let mut next = if std::mem::take(&mut self.lists_again) { LIST_AGAIN } else { LIST_EVERY };
                match accounts {
                    Ok(accounts) => accounts.iter().for_each(|account| self.stored(account)),
                    Err(error) => {
                        tracing::warn!(%error, "cannot list the actions in NATS; trying again");
                        next = LIST_AFTER_FAILURE;
                    }
                }
                self.next_list = Some(Instant::now() + next);
            }
        }
    }

    /// Takes note that something waits for an account, if it is this host's.
    fn stored(&mut self, account: &AccountName) {
        if self.surroundings.poster.may_act(account) {
            self.lanes.stored(account);
        }
    }

    fn list_soon(&mut self) {
        match &mut self.next_list {
            Some(next) => *next = (*next).min(Instant::now() + LIST_AGAIN),
            None => self.lists_again = true,
        }
    }

    fn list(&mut self) {
        self.next_list = None;
        let list = AssertUnwindSafe(self.surroundings.queue.accounts()).catch_unwind();
        let failed = || QueueError("reading the list has panicked".into());
        self.work.push(list.map(move |list| Done::List(list.unwrap_or_else(|_| Err(failed())))).boxed());
    }
}

impl Surroundings {
    /// Takes the first action of an account. It is finished only if it was done or failed by itself, and the account is still this
    /// host's: otherwise it stays where it is.
    async fn step(self, order: StepOrder) -> StepEnd {
        let account = &order.account;
        if !self.poster.may_act(account) {
            return StepEnd::Elsewhere;
        }
        let deadline = (self.deadline_of)(account);
        if deadline.is_none() && !order.refuses_unknown {
            return StepEnd::Unknown;
        }
        if deadline.is_some() && !self.poster.can_send(account).await {
            return StepEnd::NotNow;
        }
        let action = match self.ask(|queue| queue.first(account)).await {
            Ok(Some(action)) => action,
            Ok(None) => return StepEnd::Empty,
            Err(error) => return not_now(account, &error),
        };
        if self.is_stopping.load(Ordering::Relaxed) || !self.poster.may_act(account) {
            return StepEnd::Elsewhere;
        }
        let Some(deadline) = deadline else {
            return self.refuse_unknown(action).await;
        };
        self.take(action, deadline, order.late).await
    }

    /// Refuses an action for an account that the configuration does not have, once the action has waited for it itself.
    async fn refuse_unknown(&self, action: QueuedAction) -> StepEnd {
        let now = match self.ask(|queue| queue.time()).await {
            Ok(now) => now,
            Err(error) => {
                not_now(&action.account, &error);
                return StepEnd::Unknown;
            }
        };
        let waited = u64::try_from(now.saturating_sub(action.stored_at)).unwrap_or_default();
        if Duration::from_nanos(waited) < UNKNOWN_FOR {
            return StepEnd::Unknown;
        }
        let cause = format!("there is no account {}", action.account);
        self.finish(action, refusal(NOT_FOUND, &cause), StepEnd::Refused).await
    }

    /// Takes an action. It is given up if it was late by itself for too long.
    async fn take(&self, action: QueuedAction, deadline: Duration, late: Late) -> StepEnd {
        let (key, sequence) =
            (GeneratedKey { text: action.key(), earliest: action.earliest_ms() }, action.sequence);
        match take_text(&self.poster, &action.account, &action.text, &key).await {
            TextEnd::Finished(result) => self.finish(action, result, StepEnd::Finished).await,
            TextEnd::Late { results, waited } if late.is_over(sequence, waited, deadline) => {
                self.finish(action, results, StepEnd::Finished).await
            }
            TextEnd::Late { waited, .. } => StepEnd::Late { sequence, waited },
            TextEnd::Interrupted => StepEnd::NotNow,
        }
    }

    async fn finish(&self, action: QueuedAction, result: Vec<u8>, end: StepEnd) -> StepEnd {
        // Another member has the account by now, and finds it done.
        if !self.poster.may_act(&action.account) {
            return StepEnd::Elsewhere;
        }
        let account = action.account.clone();
        match self.ask(|queue| queue.finish(action, result)).await {
            Ok(()) => end,
            Err(error) => not_now(&account, &error),
        }
    }

    /// Asks the queue, beside a bounded number of others.
    async fn ask<T>(
        &self,
        request: impl FnOnce(&dyn ActionQueue) -> BoxFuture<'static, Result<T, QueueError>>,
    ) -> Result<T, QueueError> {
        // It is never closed.
        let _permit = self.requests.acquire().await;
        request(&*self.queue).await
    }
}

fn not_now(account: &AccountName, error: &QueueError) -> StepEnd {
    tracing::warn!(%account, %error, "cannot take an action from NATS; trying again");
    StepEnd::NotNow
}

fn panicked(account: &AccountName) -> StepEnd {
    tracing::error!(%account, "taking an action from NATS has panicked; trying again");
    StepEnd::NotNow
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

async fn after(time: Option<Duration>) {
    match time {
        Some(time) => sleep(time).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
