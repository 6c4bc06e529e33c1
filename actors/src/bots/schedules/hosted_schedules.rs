use std::{mem, path::PathBuf, sync::Arc};

use parking_lot::Mutex;
use tokio::{
    runtime::Handle,
    sync::watch,
    task::JoinSet,
    time::{Instant, timeout_at},
};

use super::{
    Journal, describe_twice, distinct,
    run_times::BotRuns,
    runner::{self, Runner, ScheduledBot},
};
use crate::{
    bots::AnyBot,
    hosting::Observer,
    model::{AccountName, Fact, Generation, ServerName},
};

/// The schedules of the bots of a host, each on a task of its own: a slow run delays only its own schedule. Clones share them.
#[derive(Debug, Clone)]
pub struct HostedSchedules(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    journal: Arc<Journal>,
    observer: Observer,
    /// The runtime on which runs happen.
    runtime: Handle,
    tasks: Mutex<JoinSet<()>>,
}

/// The schedules of one bot as an account. Once this is dropped no run begins; one that began goes on to its end.
#[derive(Debug)]
#[must_use]
pub struct StartedSchedules(Option<watch::Sender<bool>>);

impl HostedSchedules {
    /// Keeps the times of runs in a file, so that none is lost or happens twice across restarts; in memory without one. Runs
    /// happen on the runtime of this thread. What does not succeed is observed.
    ///
    /// # Errors
    /// If the file cannot be used, or the thread has no runtime: a description.
    pub fn load(path: Option<PathBuf>, observer: Observer) -> Result<Self, String> {
        let journal = path.map_or_else(|| Ok(Journal::default()), Journal::load)?;
        let runtime = Handle::try_current().map_err(|error| error.to_string())?;
        Ok(Self::new(journal, observer, runtime))
    }

    pub(in crate::bots) fn new(journal: Journal, observer: Observer, runtime: Handle) -> Self {
        let (journal, tasks) = (Arc::new(journal), Mutex::default());
        Self(Arc::new(Inner { journal, observer, runtime, tasks }))
    }

    /// Starts the schedules of a bot as an account. `place` tells the bots of an account apart. The same schedule of the same
    /// place that still runs ends first.
    pub fn start(
        &self,
        bot: &AnyBot,
        account: &AccountName,
        server: &ServerName,
        place: &str,
    ) -> StartedSchedules {
        self.start_bot(Arc::clone(bot.scheduled()), account, server, Some(place))
    }

    /// Starts the schedules of a bot as an account, which has no other if there is no place.
    pub(in crate::bots) fn start_bot(
        &self,
        bot: Arc<dyn ScheduledBot>,
        account: &AccountName,
        server: &ServerName,
        place: Option<&str>,
    ) -> StartedSchedules {
        let Inner { journal, observer, runtime, tasks } = &*self.0;
        let found = bot.schedules();
        let runner = Arc::new(Runner {
            bot,
            account: account.clone(),
            server: server.clone(),
            runs: Arc::new(BotRuns::new(Arc::clone(journal), account, place)),
            observer: observer.clone(),
        });
        let (schedules, names) = distinct(found.unwrap_or_else(|panic| {
            runner.refuse(&format!("{panic} when it was asked for its schedules"));
            Vec::new()
        }));
        // Both would wait for each other's runs.
        for name in &names {
            runner.refuse(&describe_twice(name));
        }
        let stop = watch::Sender::new(false);
        let mut tasks = tasks.lock();
        while tasks.try_join_next().is_some() {}
        for schedule in schedules {
            tasks.spawn_on(runner::run(Arc::clone(&runner), schedule, stop.subscribe()), runtime);
        }
        StartedSchedules(Some(stop))
    }

    /// Forgets the runs of a bot that the account does not have any more, now and for those that have not ended: if the bot comes
    /// back, none of them was missed.
    pub fn forget(&self, account: &AccountName, server: &ServerName, place: &str) {
        let Inner { journal, observer, runtime, tasks } = &*self.0;
        let forgotten = BotRuns::new(Arc::clone(journal), account, Some(place)).forget();
        let (account, server, observer) = (account.clone(), server.clone(), observer.clone());
        let writing = async move {
            if let Err(cause) = forgotten.await {
                let fact = Fact::StoreFailed { cause };
                observer.publish_account(&account, &server, Generation::default(), fact);
            }
        };
        tasks.lock().spawn_on(writing, runtime);
    }

    /// Waits until the runs that began have ended, and gives them up at the deadline. All schedules must be dropped before.
    pub async fn wait(&self, deadline: Instant) {
        let mut tasks = mem::take(&mut *self.0.tasks.lock());
        let ended = async { while tasks.join_next().await.is_some() {} };
        if timeout_at(deadline, ended).await.is_err() {
            tasks.shutdown().await;
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
