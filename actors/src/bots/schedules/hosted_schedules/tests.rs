use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, ready},
};
use tokio::{
    sync::{Semaphore, broadcast, mpsc},
    time::timeout,
};

use super::{
    super::{Run, Schedule},
    *,
};
use crate::{model::Observation, ports::Outcome};

/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(30);

/// A bot whose runs wait for a permit.
struct FakeBot {
    schedules: Result<Vec<Schedule>, String>,
    may_act: AtomicBool,
    /// Called when a run is due; the run begins if it returns true.
    is_hosted: Box<dyn Fn() -> bool + Send + Sync>,
    /// Called before a run waits.
    begins: Box<dyn Fn() + Send + Sync>,
    begun: mpsc::UnboundedSender<Run>,
    may_end: Arc<Semaphore>,
}

impl ScheduledBot for FakeBot {
    fn schedules(&self) -> Result<Vec<Schedule>, String> {
        self.schedules.clone()
    }

    fn may_act(&self, _: &AccountName) -> bool {
        self.may_act.load(Ordering::Acquire)
    }

    fn is_hosted(&self, _: &AccountName) -> BoxFuture<'static, bool> {
        ready((self.is_hosted)()).boxed()
    }

    fn run(&self, _: &AccountName, _: &ServerName, run: &Run) -> BoxFuture<'static, Outcome> {
        self.begun.send(run.clone()).unwrap();
        (self.begins)();
        let may_end = Arc::clone(&self.may_end);
        async move {
            may_end.acquire().await.unwrap().forget();
            Outcome::Acknowledged
        }
        .boxed()
    }
}

/// A bot with yearly schedules, of which each has missed a run.
struct Rig {
    all: HostedSchedules,
    bot: Arc<FakeBot>,
    begun: mpsc::UnboundedReceiver<Run>,
    facts: broadcast::Receiver<Arc<Observation>>,
}

impl Rig {
    async fn new(schedules: Result<&[&str], String>) -> Self {
        let (begun, receiver) = mpsc::unbounded_channel();
        let schedules = schedules.map(|names| {
            names.iter().map(|name| Schedule::new(name, "0 0 1 1 *").unwrap()).collect::<Vec<_>>()
        });
        let (may_act, may_end) = (AtomicBool::new(true), Arc::new(Semaphore::new(0)));
        let (is_hosted, begins) = (Box::new(|| true), Box::new(|| {}));
        let bot = FakeBot { schedules, may_act, is_hosted, begins, begun, may_end };
        let observer = Observer::default();
        let (bot, facts) = (Arc::new(bot), observer.subscribe());
        let all = HostedSchedules::new(Journal::default(), observer, Handle::current());
        let rig = Self { all, bot, begun: receiver, facts };
        for schedule in rig.bot.schedules().unwrap_or_default() {
            rig.runs().record(schedule.name(), 1).await.unwrap();
        }
        rig
    }

    /// Changes the bot, which has not been started.
    fn set(&mut self, change: impl FnOnce(&mut FakeBot)) {
        change(Arc::get_mut(&mut self.bot).unwrap());
    }

    fn runs(&self) -> BotRuns {
        BotRuns::new(Arc::clone(&self.all.0.journal), &account(), Some("desk"))
    }

    fn start(&self) -> StartedSchedules {
        self.all.start_bot(self.bot.clone(), &account(), &server(), Some("desk"))
    }

    /// Waits for the beginning of a run, and returns the name of its schedule.
    async fn begun(&mut self) -> Box<str> {
        timeout(LONG, self.begun.recv()).await.unwrap().unwrap().schedule
    }

    /// Waits for the next run that does not succeed, and returns the cause.
    async fn refused(&mut self) -> String {
        loop {
            let fact = timeout(LONG, self.facts.recv()).await.unwrap().unwrap();
            if let Fact::Rejected { cause, .. } = &fact.fact {
                return cause.to_string();
            }
        }
    }

    async fn end(&self, started: StartedSchedules) {
        drop(started);
        let start = Instant::now();
        self.all.wait(start + LONG).await;
        assert!(start.elapsed() < LONG);
    }
}

/// Returns the time in Unix milliseconds.
fn now() -> i64 {
    i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap()
}

fn account() -> AccountName {
    AccountName::new("a").unwrap()
}

fn server() -> ServerName {
    ServerName::new("main").unwrap()
}

#[tokio::test]
async fn a_bot_that_panics_has_no_schedules_and_says_so() {
    let mut rig = Rig::new(Err("the bot panicked: no".into())).await;
    let started = rig.start();
    assert_eq!(rig.refused().await, "the bot panicked: no when it was asked for its schedules");
    rig.end(started).await;
}

#[tokio::test]
async fn of_two_schedules_of_a_name_the_first_runs() {
    let mut rig = Rig::new(Ok(&["daily", "daily", "other"])).await;
    rig.bot.may_end.add_permits(10);
    let started = rig.start();
    assert_eq!(rig.refused().await, "schedule daily is there twice; give one of them another name");
    let mut begun = [rig.begun().await, rig.begun().await];
    begun.sort();
    assert_eq!(begun.each_ref().map(|name| &**name), ["daily", "other"]);
    rig.end(started).await;
    assert!(rig.begun.try_recv().is_err());
}

#[tokio::test]
async fn an_account_that_another_host_may_own_runs_nothing() {
    let mut rig = Rig::new(Ok(&["yearly"])).await;
    rig.bot.may_act.store(false, Ordering::Release);
    let started = rig.start();
    assert_eq!(rig.refused().await, "it is passed over, because another host may own the account");
    // Also if this host turns out to own it after all.
    rig.bot.may_act.store(true, Ordering::Release);
    rig.end(started).await;
    assert!(rig.runs().done_until("yearly").unwrap() > 1);
    let started = rig.start();
    rig.end(started).await;
    assert!(rig.begun.try_recv().is_err());
}

#[tokio::test]
async fn a_stopped_account_runs_nothing_and_makes_up_for_it_when_it_is_started() {
    let mut rig = Rig::new(Ok(&["yearly"])).await;
    let (asked, mut asks) = mpsc::unbounded_channel();
    let is_hosted = Arc::new(AtomicBool::new(false));
    let hosted = Arc::clone(&is_hosted);
    rig.set(|bot| {
        bot.is_hosted = Box::new(move || {
            asked.send(()).unwrap();
            hosted.load(Ordering::Acquire)
        });
    });
    let started = rig.start();
    timeout(LONG, asks.recv()).await.unwrap().unwrap();
    rig.end(started).await;
    assert!(rig.begun.try_recv().is_err());
    assert_eq!(rig.runs().done_until("yearly"), Some(1), "nor is it passed over");
    is_hosted.store(true, Ordering::Release);
    rig.bot.may_end.add_permits(1);
    let started = rig.start();
    assert_eq!(&*rig.begun().await, "yearly");
    rig.end(started).await;
}

#[tokio::test]
async fn an_account_that_is_not_there_yet_is_asked_for_again_soon() {
    let mut rig = Rig::new(Ok(&["yearly"])).await;
    let was_asked = AtomicBool::new(false);
    rig.set(|bot| bot.is_hosted = Box::new(move || was_asked.swap(true, Ordering::AcqRel)));
    rig.bot.may_end.add_permits(1);
    let started = rig.start();
    timeout(LONG / 2, rig.begun()).await.expect("before the longest pause");
    rig.end(started).await;
}

#[tokio::test]
async fn a_run_that_began_is_taken_up_again_also_by_a_schedule_that_skips_missed_ones() {
    let mut rig = Rig::new(Ok(&["cut", "old", "tick"])).await;
    rig.set(|bot| {
        for schedule in bot.schedules.iter_mut().flatten() {
            *schedule = schedule.clone().skip_missed();
        }
        bot.schedules.as_mut().unwrap()[2] = Schedule::new("tick", "* * * * * *").unwrap().skip_missed();
    });
    let now = now();
    for (name, due) in [("cut", now - 60_000), ("old", now - 2 * 3_600_000)] {
        rig.runs().record(name, due - 1).await.unwrap();
        rig.runs().begin(name, due).await.unwrap();
    }
    rig.runs().record("tick", now).await.unwrap();
    let started = rig.start();
    let mut begun = [rig.begun().await, rig.begun().await];
    begun.sort();
    assert_eq!(begun.each_ref().map(|name| &**name), ["cut", "tick"]);
    assert_eq!(rig.refused().await, "it began, and was not done within an hour; it is passed over");
    assert!(rig.runs().begun("tick").is_some_and(|due| due > now), "for the next process");
    // They are cut short.
    drop(started);
    rig.all.wait(Instant::now()).await;
    let started = rig.start();
    rig.bot.may_end.add_permits(1_000);
    while &*rig.begun().await != "cut" {}
    rig.end(started).await;
    assert_eq!((rig.runs().begun("cut"), rig.runs().done_until("cut")), (None, Some(now - 60_000)));
}

#[tokio::test]
async fn a_schedule_goes_on_after_a_clock_that_was_ahead() {
    let mut rig = Rig::new(Ok(&["tick"])).await;
    rig.set(|bot| bot.schedules = Ok(vec![Schedule::new("tick", "* * * * * *").unwrap()]));
    let ahead = now() + 365 * 24 * 3_600_000;
    rig.runs().record("tick", ahead).await.unwrap();
    rig.bot.may_end.add_permits(1_000);
    let started = rig.start();
    rig.begun().await;
    rig.end(started).await;
    assert!(rig.runs().done_until("tick").unwrap() < ahead);
}

#[tokio::test]
async fn a_schedule_that_is_stopped_before_it_begins_records_nothing() {
    let rig = Rig::new(Ok(&["yearly"])).await;
    let claim = rig.runs().claim("yearly");
    let claimed = claim.lock().await;
    rig.all.forget(&account(), &server(), "desk");
    let started = rig.start();
    drop(started);
    drop(claimed);
    rig.all.wait(Instant::now() + LONG).await;
    assert_eq!(rig.runs().done_until("yearly"), None);
}

#[tokio::test]
async fn a_run_that_blocks_its_thread_leaves_the_others_alone() {
    let mut rig = Rig::new(Ok(&["yearly"])).await;
    let (go_on, blocked) = std::sync::mpsc::channel::<()>();
    let (ended, was_released) = std::sync::mpsc::channel();
    let blocked = Mutex::new(blocked);
    rig.set(|bot| bot.begins = Box::new(move || ended.send(blocked.lock().recv_timeout(LONG)).unwrap()));
    rig.bot.may_end.add_permits(1);
    let started = rig.start();
    rig.begun().await;
    // This is the thread of the host.
    let start = Instant::now();
    rig.all.wait(start).await;
    assert!(start.elapsed() < LONG, "nor does the end of the host wait for it");
    go_on.send(()).unwrap();
    assert_eq!(was_released.recv_timeout(LONG).unwrap(), Ok(()), "the host was blocked");
    drop(started);
}

#[tokio::test]
async fn a_run_that_ends_after_it_was_forgotten_is_not_kept_and_the_next_start_waits_for_it() {
    let mut rig = Rig::new(Ok(&["yearly"])).await;
    let first = rig.start();
    rig.begun().await;
    drop(first);
    rig.all.forget(&account(), &server(), "desk");
    assert_eq!(rig.runs().done_until("yearly"), None);
    let again = rig.start();
    tokio::task::yield_now().await;
    assert_eq!(rig.runs().done_until("yearly"), None, "the first one still runs it");
    rig.bot.may_end.add_permits(10);
    let recorded = async {
        while rig.runs().done_until("yearly").is_none() {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, recorded).await.unwrap();
    // From now on, not from the end of the run that was due on 1 January.
    assert!(rig.runs().done_until("yearly").unwrap() > now() - 60_000);
    rig.end(again).await;
    assert!(rig.begun.try_recv().is_err(), "nothing was missed");
}
