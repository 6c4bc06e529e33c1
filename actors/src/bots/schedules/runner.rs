//! The tasks that wait for the runs of schedules.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::future::BoxFuture;
use tokio::{sync::watch, time::sleep};

use super::{Plan, Run, Schedule, Step, plan::millis, run_times::BotRuns};
use crate::{
    hosting::Observer,
    model::{AccountName, ChannelId, Excerpt, Fact, Generation, ServerName},
    ports::Outcome,
};

/// The longest sleep before the clock is read again: it may have been set, or the machine suspended.
const MAX_SLEEP: Duration = Duration::from_secs(30);

/// The first pause before it is asked again if the account is hosted; it doubles up to the longest sleep. A host that starts adds its
/// accounts after the schedules.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// A bot with schedules, for an account.
pub(crate) trait ScheduledBot: Send + Sync {
    /// Returns the schedules.
    ///
    /// # Errors
    /// If the bot panics: a description.
    fn schedules(&self) -> Result<Vec<Schedule>, String>;

    /// Returns false if another host may own the account by now.
    fn may_act(&self, account: &AccountName) -> bool;

    /// Returns false while the account is stopped, or about to leave this host.
    fn is_hosted(&self, account: &AccountName) -> BoxFuture<'static, bool>;

    /// Carries out a run as an account.
    fn run(&self, account: &AccountName, server: &ServerName, run: &Run) -> BoxFuture<'static, Outcome>;
}

/// The runner of a bot's schedules.
pub(super) struct Runner {
    pub(super) bot: Arc<dyn ScheduledBot>,
    pub(super) account: AccountName,
    pub(super) server: ServerName,
    pub(super) runs: Arc<BotRuns>,
    pub(super) observer: Observer,
}

/// Runs a schedule until it is to stop, after the one who runs it until now.
pub(super) async fn run(runner: Arc<Runner>, schedule: Schedule, mut stopping: watch::Receiver<bool>) {
    let claim = runner.runs.claim(schedule.name());
    let _claimed = claim.lock().await;
    // Meanwhile it may have been stopped, and its runs forgotten.
    if *stopping.borrow() {
        return;
    }
    let mut plan = runner.plan(schedule).await;
    let mut unhosted_pause = FIRST_PAUSE;
    while !*stopping.borrow() {
        let step = plan.next(now());
        if let Some(run) = plan.take_replaced() {
            runner.report(&run, "it was not done until the next run was due");
        }
        match step {
            Step::Run(run) if runner.bot.is_hosted(&runner.account).await => {
                unhosted_pause = FIRST_PAUSE;
                // It may have been stopped meanwhile.
                if !*stopping.borrow() {
                    runner.carry_out(&mut plan, run).await;
                }
            }
            // As if the host did not run: the latest run happens late, if the schedule makes up for it.
            Step::Run(_) => {
                pause(unhosted_pause, &mut stopping).await;
                unhosted_pause = (unhosted_pause * 2).min(MAX_SLEEP);
            }
            Step::WaitUntil(at) => {
                let left = u64::try_from(at.saturating_sub(now())).unwrap_or_default();
                pause(Duration::from_millis(left.max(1)).min(MAX_SLEEP), &mut stopping).await;
            }
            Step::Never => return,
        }
    }
}

/// Waits, unless the schedule is to stop. Without its owner it goes on.
async fn pause(duration: Duration, stopping: &mut watch::Receiver<bool>) {
    tokio::select! {
        () = sleep(duration) => {}
        Ok(_) = stopping.wait_for(|stopping| *stopping) => {}
    }
}

/// Reports that the schedules of a bot, or one of them, cannot be run.
pub(super) fn refuse(observer: &Observer, account: &AccountName, server: &ServerName, cause: &str) {
    let (event, channel) = (Excerpt::of("schedules"), ChannelId::default());
    let fact = Fact::Rejected { event, channel, cause: Excerpt::of(cause) };
    observer.publish_account(account, server, Generation::default(), fact);
}

impl Runner {
    /// Returns the plan of a schedule, which goes on where it was left.
    async fn plan(&self, schedule: Schedule) -> Plan {
        let (name, now) = (Box::<str>::from(schedule.name()), now());
        let Some(done_until) = self.runs.done_until(&name) else {
            let plan = Plan::new(schedule, now);
            self.record(&plan).await;
            return plan;
        };
        let mut plan = Plan::new(schedule, done_until);
        if let Some(doubted) = plan.doubt(now) {
            // It is kept until the next run is done: this clock may be the wrong one.
            let (account, schedule, ahead_s) = (self.account.as_str(), &*name, (doubted - now) / 1_000);
            tracing::warn!(
                account,
                schedule,
                ahead_s,
                "the runs of a schedule are done until a time that lies ahead, so the clock was or is wrong; it goes on with \
                 the next run"
            );
        }
        if let Some(due) = self.runs.begun(&name)
            && let Some(run) = plan.resume(now, due)
        {
            self.report(&run, "it began, and was not done within an hour; it is passed over");
            self.record(&plan).await;
        }
        plan
    }

    async fn carry_out(&self, plan: &mut Plan, run: Run) {
        if !self.bot.may_act(&self.account) {
            // It has happened there, or will: here it would be the second time.
            self.report(&run, "it is passed over, because another host may own the account");
            plan.pass_over(&run);
            return self.record(plan).await;
        }
        // Others happen late if this one is cut short.
        let name = plan.schedule().name();
        if plan.schedule().skips_missed()
            && self.runs.begun(name) != Some(run.due)
            && let Err(cause) = self.runs.begin(name, run.due).await
        {
            self.publish(Fact::StoreFailed { cause });
        }
        let outcome = self.bot.run(&self.account, &self.server, &run).await;
        if let Some(cause) = plan.ended(now(), &run, &outcome) {
            self.report(&run, cause);
        }
        self.record(plan).await;
    }

    /// Records how far a schedule is.
    async fn record(&self, plan: &Plan) {
        if let Err(cause) = self.runs.record(plan.schedule().name(), plan.done_until()).await {
            self.publish(Fact::StoreFailed { cause });
        }
    }

    /// Reports that the bot's schedules, or one of them, cannot be run.
    pub(super) fn refuse(&self, cause: &str) {
        refuse(&self.observer, &self.account, &self.server, cause);
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
