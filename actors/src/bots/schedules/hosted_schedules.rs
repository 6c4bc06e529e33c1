use std::{mem, path::PathBuf, sync::Arc};

use parking_lot::Mutex;
use tokio::{
    runtime::Handle,
    sync::watch,
    task::JoinSet,
    time::{Instant, timeout_at},
};

use super::{Journal, Runner, runner};
use crate::{
    bots::AnyBot,
    hosting::Observer,
    model::{AccountName, Fact, Generation, ServerName},
};

/// The schedules of the bots of a program with sinks of its own. Clones share them.
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

/// The schedules of one bot. Once this is dropped no run begins; one that began goes on to its end.
#[derive(Debug)]
#[must_use]
pub struct StartedSchedules(watch::Sender<bool>);

impl Drop for StartedSchedules {
    fn drop(&mut self) {
        self.0.send_replace(true);
    }
}

impl HostedSchedules {
    /// Keeps the times of runs in a file, so that none is lost or happens twice across restarts; in memory without one. Runs happen
    /// on the runtime of this thread. What does not succeed is observed.
    ///
    /// # Errors
    /// If the file cannot be used, or the thread has no runtime: a description.
    pub fn load(path: Option<PathBuf>, observer: Observer) -> Result<Self, String> {
        let runtime = Handle::try_current().map_err(|error| error.to_string())?;
        let journal = path.map_or_else(|| Ok(Journal::default()), Journal::load)?;
        let (journal, tasks) = (Arc::new(journal), Mutex::default());
        Ok(Self(Arc::new(Inner { journal, observer, runtime, tasks })))
    }

    /// Starts the schedules of a bot as an account. `place` tells the bots of an account apart. The same schedule of the same place that
    /// still runs ends first.
    pub fn start(
        &self,
        bot: &AnyBot,
        account: &AccountName,
        server: &ServerName,
        place: &Arc<str>,
    ) -> StartedSchedules {
        let Inner { journal, observer, runtime, tasks } = &*self.0;
        let (bot, stop) = (Arc::clone(bot.scheduled()), watch::Sender::new(false));
        let schedules = bot.schedules();
        let runner = Arc::new(Runner {
            bot,
            account: account.clone(),
            server: server.clone(),
            place: Some(Arc::clone(place)),
            journal: Arc::clone(journal),
            observer: observer.clone(),
        });
        let mut tasks = tasks.lock();
        while tasks.try_join_next().is_some() {}
        for schedule in schedules {
            tasks.spawn_on(runner::run(Arc::clone(&runner), schedule, stop.subscribe()), runtime);
        }
        StartedSchedules(stop)
    }

    /// Forgets the runs of a bot that the account has no more: if it comes back, none of them was missed.
    pub fn forget(&self, account: &AccountName, server: &ServerName, place: &str) {
        let (inner, beginning) = (Arc::clone(&self.0), format!("{place}/"));
        let (account, server) = (account.clone(), server.clone());
        let forgetting = async move {
            if let Err(cause) = inner.journal.forget(&account, &beginning).await {
                let fact = Fact::StoreFailed { cause };
                inner.observer.publish_account(&account, &server, Generation::default(), fact);
            }
        };
        self.0.tasks.lock().spawn_on(forgetting, &self.0.runtime);
    }

    /// Waits until the runs that began have ended, until the deadline. All schedules must be dropped before.
    pub async fn wait(&self, deadline: Instant) {
        let mut tasks = mem::take(&mut *self.0.tasks.lock());
        let ended = async { while tasks.join_next().await.is_some() {} };
        if timeout_at(deadline, ended).await.is_err() {
            tasks.shutdown().await;
        }
    }
}
