//! The tasks that wait for the runs of schedules.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::future::BoxFuture;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, timeout_at},
};

use super::{Journal, Plan, Run, Schedule, Step, plan::millis};
use crate::{
    hosting::Observer,
    model::{AccountName, ChannelId, Excerpt, Fact, Generation, ServerName},
    ports::Outcome,
};

/// The longest sleep before the clock is read again: it may have been set, or the machine suspended.
const MAX_SLEEP: Duration = Duration::from_secs(30);

/// A bot with schedules, for an account.
pub(crate) trait ScheduledBot: Send + Sync {
    /// Returns the schedules.
    fn schedules(&self) -> Vec<Schedule>;

    /// Carries out a run as an account.
    fn run(&self, account: &AccountName, server: &ServerName, run: &Run) -> BoxFuture<'static, Outcome>;
}

/// The runner of one schedule.
pub(crate) struct Runner {
    pub(crate) bot: Arc<dyn ScheduledBot>,
    pub(crate) account: AccountName,
    pub(crate) server: ServerName,
    pub(crate) journal: Arc<Journal>,
    pub(crate) observer: Observer,
}

/// The running schedules of a host.
#[derive(Debug, Default)]
pub(crate) struct RunningSchedules {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl RunningSchedules {
    /// Starts the schedules of a bot, each on a task of its own: a slow run delays only its own schedule.
    pub(crate) fn start(&mut self, runner: &Arc<Runner>) {
        for schedule in runner.bot.schedules() {
            self.tasks.spawn(run(Arc::clone(runner), schedule, self.stop.subscribe()));
        }
    }

    /// Starts no more runs, and waits for those that began until the deadline.
    pub(crate) async fn stop(&mut self, deadline: Instant) {
        self.stop.send_replace(true);
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if timeout_at(deadline, ended).await.is_err() {
            self.tasks.shutdown().await;
        }
    }

    /// Lets the schedules go on without their owner.
    pub(crate) fn detach(&mut self) {
        self.tasks.detach_all();
    }
}

/// Runs a schedule until it is to stop.
async fn run(runner: Arc<Runner>, schedule: Schedule, mut stopping: watch::Receiver<bool>) {
    let done_until = match runner.journal.get(&runner.account, schedule.name()).await {
        Some(done_until) => done_until,
        None => now(),
    };
    let mut plan = Plan::new(schedule, done_until);
    runner.record(&plan).await;
    while !*stopping.borrow() {
        let step = plan.next(now());
        if let Some(run) = plan.take_replaced() {
            runner.report(&run, "it failed until the next run was due");
        }
        match step {
            Step::Run(run) => runner.carry_out(&mut plan, run).await,
            Step::WaitUntil(at) => {
                let left = u64::try_from(at.saturating_sub(now())).unwrap_or_default();
                let wait = Duration::from_millis(left.max(1)).min(MAX_SLEEP);
                tokio::select! {
                    () = sleep(wait) => {}
                    // Without its owner the schedule goes on.
                    Ok(_) = stopping.wait_for(|stopping| *stopping) => {}
                }
            }
            Step::Never => return,
        }
    }
}

impl Runner {
    async fn carry_out(&self, plan: &mut Plan, run: Run) {
        let outcome = self.bot.run(&self.account, &self.server, &run).await;
        if let Some(cause) = plan.ended(now(), &run, &outcome) {
            self.report(&run, cause);
        }
        self.record(plan).await;
    }

    /// Records how far a schedule is.
    async fn record(&self, plan: &Plan) {
        let (schedule, done_until) = (plan.schedule().name(), plan.done_until());
        if let Err(cause) = self.journal.set(&self.account, schedule, done_until).await {
            self.publish(Fact::StoreFailed { cause });
        }
    }

    /// Reports a run that did not succeed.
    fn report(&self, run: &Run, cause: &str) {
        let (event, channel) = (Excerpt::of(&run.id()), ChannelId::default());
        self.publish(Fact::Rejected { event, channel, cause: Excerpt::of(cause) });
    }

    fn publish(&self, fact: Fact) {
        self.observer.publish_account(&self.account, &self.server, Generation::default(), fact);
    }
}

/// Returns the time of the machine's clock, in Unix milliseconds.
fn now() -> i64 {
    millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}
