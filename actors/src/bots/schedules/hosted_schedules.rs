use std::{
    mem,
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::{
    runtime::Handle,
    sync::watch,
    task::JoinSet,
    time::{Instant, timeout, timeout_at},
};

use super::{
    Journal, Schedule, describe_twice, distinct,
    run_thread::RunThread,
    run_times::BotRuns,
    runner::{self, Runner, ScheduledBot},
};
use crate::{
    bots::AnyBot,
    hosting::Observer,
    model::{AccountName, Fact, Generation, ServerName},
};

/// The longest wait for a run that is given up: it ends at its next `.await`, unless it blocks its thread.
const GIVE_UP_WITHIN: Duration = Duration::from_secs(1);

/// The schedules of the bots of a host, each on a task of its own: a slow run delays only its own schedule. Clones share them.
#[derive(Debug, Clone)]
pub struct HostedSchedules(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    journal: Arc<Journal>,
    observer: Observer,
    /// The runtime on which the journal is written.
    runtime: Handle,
    /// The thread on which runs happen, from the first schedule on.
    thread: OnceLock<Result<Arc<RunThread>, String>>,
    tasks: Mutex<JoinSet<()>>,
}

/// The schedules of one bot as an account. Once this is dropped no run begins; one that began goes on to its end.
#[derive(Debug)]
#[must_use]
pub struct StartedSchedules(Option<watch::Sender<bool>>);

impl HostedSchedules {
    /// Keeps the times of runs in a file, so that none is lost or happens twice across restarts; in memory without one. Runs
    /// happen on a thread of their own. What does not succeed is observed.
    ///
    /// # Errors
    /// If the file cannot be used, or the thread has no runtime: a description.
    pub fn load(path: Option<PathBuf>, observer: Observer) -> Result<Self, String> {
        let journal = path.map_or_else(|| Ok(Journal::default()), Journal::load)?;
        let runtime = Handle::try_current().map_err(|error| error.to_string())?;
        Ok(Self::new(journal, observer, runtime))
    }

    pub(in crate::bots) fn new(journal: Journal, observer: Observer, runtime: Handle) -> Self {
        let (journal, thread, tasks) = (Arc::new(journal), OnceLock::new(), Mutex::default());
        Self(Arc::new(Inner { journal, observer, runtime, thread, tasks }))
    }

    /// Starts the schedules of a bot as an account. The same schedule of a bot with that name that still runs ends first.
    pub fn start(&self, bot: &AnyBot, account: &AccountName, server: &ServerName) -> StartedSchedules {
        self.start_bot(Arc::clone(bot.scheduled()), account, server, Some(bot.name()))
    }

    /// Starts the schedules of a bot as an account, which has no other if the bot has no name.
    pub(in crate::bots) fn start_bot(
        &self,
        bot: Arc<dyn ScheduledBot>,
        account: &AccountName,
        server: &ServerName,
        name: Option<&str>,
    ) -> StartedSchedules {
        let Inner { journal, observer, .. } = &*self.0;
        let found = bot.schedules();
        let runner = Arc::new(Runner {
            bot,
            account: account.clone(),
            server: server.clone(),
            runs: Arc::new(BotRuns::new(Arc::clone(journal), account, name)),
            observer: observer.clone(),
        });
        let stop = watch::Sender::new(false);
        let (schedules, names) = match found {
            Ok(found) => distinct(found),
            Err(panic) => {
                runner.refuse(&format!("{panic} when it was asked for its schedules"));
                return StartedSchedules(Some(stop));
            }
        };
        // Both would wait for each other's runs.
        for name in &names {
            runner.refuse(&describe_twice(name));
        }
        self.write(account, server, runner.runs.keep_only(&schedules));
        if !schedules.is_empty() {
            self.run_all(&runner, schedules, &stop);
        }
        StartedSchedules(Some(stop))
    }

    fn run_all(&self, runner: &Arc<Runner>, schedules: Vec<Schedule>, stop: &watch::Sender<bool>) {
        let Inner { thread, tasks, .. } = &*self.0;
        let thread = match thread.get_or_init(|| RunThread::start().map_err(|error| error.to_string())) {
            Ok(thread) => thread,
            Err(error) => return runner.refuse(&format!("there is no thread for its schedules ({error})")),
        };
        let mut tasks = tasks.lock();
        while tasks.try_join_next().is_some() {}
        for schedule in schedules {
            let (runner, stopping, thread) = (Arc::clone(runner), stop.subscribe(), Arc::clone(thread));
            let runtime = thread.runtime().clone();
            let running = async move {
                runner::run(runner, schedule, stopping).await;
                // It goes on as long as one of them does.
                drop(thread);
            };
            tasks.spawn_on(running, &runtime);
        }
    }

    /// Reports that a bot cannot be made, so that its schedules do not run.
    pub fn refuse(&self, account: &AccountName, server: &ServerName, cause: &str) {
        runner::refuse(&self.0.observer, account, server, cause);
    }

    /// Forgets the runs of bots that are not among these, by account and name: they were removed while no host ran.
    pub fn keep_only<'a>(&self, bots: impl IntoIterator<Item = (&'a AccountName, &'a str)>) {
        let kept = bots.into_iter().map(|(account, bot)| (account, Some(bot)));
        self.keep_only_bots(kept);
    }

    pub(in crate::bots) fn keep_only_bots<'a>(
        &self,
        bots: impl IntoIterator<Item = (&'a AccountName, Option<&'a str>)>,
    ) {
        let Some(forgotten) = self.0.journal.keep_only(bots) else { return };
        self.spawn(async move {
            if let Err(cause) = forgotten.await {
                tracing::warn!("cannot forget the runs of removed bots: {cause}");
            }
        });
    }

    /// Forgets the runs of a bot that the account does not have any more, now and for those that have not ended: if the bot comes
    /// back, none of them was missed.
    pub fn forget(&self, account: &AccountName, server: &ServerName, name: &str) {
        let runs = BotRuns::new(Arc::clone(&self.0.journal), account, Some(name));
        self.write(account, server, runs.forget());
    }

    /// Waits for a change of the journal, and observes its failure.
    fn write(
        &self,
        account: &AccountName,
        server: &ServerName,
        change: Option<BoxFuture<'static, Result<(), String>>>,
    ) {
        let Some(change) = change else { return };
        let (account, server, observer) = (account.clone(), server.clone(), self.0.observer.clone());
        self.spawn(async move {
            if let Err(cause) = change.await {
                let fact = Fact::StoreFailed { cause };
                observer.publish_account(&account, &server, Generation::default(), fact);
            }
        });
    }

    fn spawn(&self, writing: impl Future<Output = ()> + Send + 'static) {
        self.0.tasks.lock().spawn_on(writing, &self.0.runtime);
    }

    /// Waits until the runs that began have ended, and gives them up at the deadline. All schedules must be dropped before.
    pub async fn wait(&self, deadline: Instant) {
        let mut tasks = mem::take(&mut *self.0.tasks.lock());
        let ended = async { while tasks.join_next().await.is_some() {} };
        if timeout_at(deadline, ended).await.is_ok() {
            return;
        }
        if timeout(GIVE_UP_WITHIN, tasks.shutdown()).await.is_err() {
            tracing::warn!("a run of a schedule blocks its thread and cannot be given up");
        }
    }

    /// Lets the schedules go on without their host.
    pub(in crate::bots) fn detach(&self) {
        self.0.tasks.lock().detach_all();
    }
}

impl StartedSchedules {
    /// Lets the schedules go on.
    pub(in crate::bots) fn detach(mut self) {
        self.0 = None;
    }
}

impl Drop for StartedSchedules {
    fn drop(&mut self) {
        if let Some(stop) = &self.0 {
            stop.send_replace(true);
        }
    }
}

#[cfg(test)]
mod tests;
