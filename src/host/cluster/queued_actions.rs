//! The actions that programs elsewhere put into the queue, for the accounts that this host runs.

mod action_step;

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
use matterhost_actors::{
    model::{AccountName, ServerName},
    ports::Poster,
};
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, Semaphore, oneshot},
    task::JoinHandle,
    time::{Instant, sleep, sleep_until, timeout_at},
};

use self::action_step::Surroundings;
use crate::{
    cluster::{ActionLanes, ActionQueue, ClusterTime, QueueError, QueueNotice, QueueState, StepEnd},
    telemetry::metrics::ActionMetrics,
};

/// The interval of lists of all that waits: for notices that were lost, and accounts that were unknown.
const LIST_EVERY: Duration = Duration::from_secs(60);
/// The shortest time between two lists: a member takes many shards one after the other.
const LIST_AGAIN: Duration = Duration::from_millis(250);
/// The time from a list that failed to the next one.
const LIST_AFTER_FAILURE: Duration = Duration::from_secs(2);
/// The interval at which the queue is asked how much waits. It is one short request, and metrics are read about as often.
const MEASURE_EVERY: Duration = Duration::from_secs(10);
/// The most that requests to the queue fetch at a time, in units of [`FETCH_UNIT`], 4 MiB: they must not keep the renewals of the lease
/// waiting, which take the same connection.
const MOST_FETCHED: usize = 16;
/// The bytes for which a request has one unit, as it has at least.
const FETCH_UNIT: usize = 256 * 1024;

/// The accounts of the running configuration.
pub(in crate::host) trait QueueAccounts: Send + Sync {
    /// Returns `replies.deadline` of an account, if the configuration has it.
    fn reply_deadline(&self, account: &AccountName) -> Option<Duration>;

    /// Returns the server of an account, if the configuration has it.
    fn server(&self, account: &AccountName) -> Option<ServerName>;

    /// Returns the number of servers with accounts, and that of the configuration: each one has another, from 1.
    fn servers(&self) -> (usize, u64);
}

/// The handle of the worker that takes actions from the queue.
#[derive(Debug)]
pub(in crate::host) struct QueuedActions {
    look: Arc<Notify>,
    view: ActionView,
    is_stopping: Arc<AtomicBool>,
    /// Its end stops the worker.
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// The queue as the worker sees it, for operators. Clones share it.
#[derive(Debug, Clone, Default)]
pub(in crate::host) struct ActionView(Arc<Mutex<View>>);

#[derive(Debug, Default)]
struct View {
    lanes: ActionLanes,
    /// `None` while the queue cannot be asked.
    state: Option<QueueState>,
}

/// Takes what waits for the accounts of this host: one action of an account after the other.
struct Worker {
    surroundings: Surroundings,
    view: ActionView,
    work: FuturesUnordered<BoxFuture<'static, Done>>,
    /// The time of the next list; `None` while one is read.
    next_list: Option<Instant>,
    /// True if something may have been missed since the list that is read began.
    lists_again: bool,
    /// The time at which the queue is asked how much waits; `None` while it is.
    next_measure: Option<Instant>,
}

/// Something that the worker has done.
enum Done {
    Step(AccountName, StepEnd),
    List(Result<Vec<AccountName>, QueueError>),
    Measure(Result<QueueState, QueueError>),
}

impl ActionView {
    /// Returns the numbers of actions.
    pub(in crate::host) fn measure(&self) -> ActionMetrics {
        let view = self.0.lock();
        ActionMetrics {
            queued: view.state.map(|state| state.actions),
            oldest_age: view.state.map(|state| state.oldest_age()),
            at_work: view.lanes.at_work().map(|(server, count)| (server.clone(), count)).collect(),
            finished: view.lanes.finished().by_label(),
        }
    }
}

impl QueuedActions {
    /// Begins to take actions as the accounts that may act here.
    pub(in crate::host) fn start(
        queue: Arc<dyn ActionQueue>,
        poster: Arc<dyn Poster>,
        accounts: Arc<dyn QueueAccounts>,
    ) -> Self {
        let (look, is_stopping) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
        let (stop, stopped) = oneshot::channel();
        let fetches = Arc::new(Semaphore::new(MOST_FETCHED));
        let surroundings =
            Surroundings { queue, poster, accounts, is_stopping: Arc::clone(&is_stopping), fetches };
        let view = ActionView::default();
        let worker = Worker {
            surroundings,
            view: view.clone(),
            work: FuturesUnordered::new(),
            next_list: Some(Instant::now()),
            lists_again: false,
            next_measure: Some(Instant::now()),
        };
        let task = tokio::spawn(worker.run(Arc::clone(&look), stopped));
        Self { look, view, is_stopping, stop, task }
    }

    /// Returns the means to make it look for what waits: this host runs more accounts.
    pub(in crate::host) fn look(&self) -> Arc<Notify> {
        Arc::clone(&self.look)
    }

    /// Returns the queue as the worker sees it.
    pub(in crate::host) fn view(&self) -> ActionView {
        self.view.clone()
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
            let next = self.view.0.lock().lanes.next_time();
            let rested = next.map(|time| time.since(ClusterTime::now()));
            tokio::select! {
                _ = &mut stopped => break,
                Some(done) = self.work.next(), if !self.work.is_empty() => self.take(done),
                Some(notice) = notices.recv() => match notice {
                    QueueNotice::Stored(account) => self.stored(&account),
                    QueueNotice::Missed => self.list_soon(),
                },
                () = look.notified() => self.list_soon(),
                () = at(self.next_list) => self.list(),
                () = at(self.next_measure) => self.measure(),
                () = after(rested) => {}
            }
        }
        self.work.collect::<Vec<_>>().await;
    }

    fn begin_steps(&mut self) {
        let accounts = Arc::clone(&self.surroundings.accounts);
        let mut view = self.view.0.lock();
        let (servers, version) = accounts.servers();
        view.lanes.set_servers(servers, version);
        let finds_expired = view.state.is_some_and(|state| state.is_about_to_delete(state.oldest_age()));
        while let Some(order) = view.lanes.begin(ClusterTime::now(), |account| accounts.server(account)) {
            let account = order.account.clone();
            let step = self.surroundings.clone().step(order, finds_expired);
            self.work.push(
                AssertUnwindSafe(step)
                    .catch_unwind()
                    .map(|end| {
                        let end = end.unwrap_or_else(|_| panicked(&account));
                        Done::Step(account, end)
                    })
                    .boxed(),
            );
        }
    }

    fn take(&mut self, done: Done) {
        match done {
            Done::Step(account, end) => self.view.0.lock().lanes.end(&account, end, ClusterTime::now()),
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
            // A list fails for the same reasons, and is warned of.
            Done::Measure(state) => {
                self.view.0.lock().state = state.ok();
                self.next_measure = Some(Instant::now() + MEASURE_EVERY);
            }
        }
    }

    /// Takes note that something waits for an account, if it is this host's.
    fn stored(&mut self, account: &AccountName) {
        if self.surroundings.poster.may_act(account) {
            self.view.0.lock().lanes.stored(account);
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

    fn measure(&mut self) {
        self.next_measure = None;
        let state = AssertUnwindSafe(self.surroundings.queue.state()).catch_unwind();
        let failed = || QueueError("asking for the state has panicked".into());
        self.work
            .push(state.map(move |state| Done::Measure(state.unwrap_or_else(|_| Err(failed())))).boxed());
    }
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
