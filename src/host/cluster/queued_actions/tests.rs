mod counted_queue;

use std::collections::{BTreeMap, BTreeSet};

use matterhost_actors::model::{AccountState, Found, Lookup, OutgoingAction, PostedIds, ReplyError};
use parking_lot::Mutex;
use tokio::{sync::watch, task::yield_now, time::timeout};

use super::*;
use crate::cluster::{
    ActionOutcome, MOST_AT_WORK, MemoryActions, QueuedAction, StepOrder, Tries, UNKNOWN_FOR,
};

/// The longest wait for what is certain to come.
const PATIENCE: Duration = Duration::from_secs(30);

const DEADLINE: Duration = Duration::from_secs(900);

/// The accounts as they are now.
#[derive(Debug, Clone, Default)]
struct Now {
    unknown: BTreeSet<String>,
    disconnected: BTreeSet<String>,
    elsewhere: BTreeSet<String>,
    /// Those whose posts are held back.
    held: BTreeSet<String>,
    /// Those whose posts panic.
    panics: BTreeSet<String>,
    /// Those whose posts end with the task that carries them out.
    crashes: BTreeSet<String>,
    /// True once the host stops its accounts.
    stops: bool,
}

/// A host whose accounts can be changed, and that notes the texts of the posts that it has begun.
struct Host {
    queue: MemoryActions,
    now: watch::Sender<Now>,
    posted: Mutex<BTreeMap<String, Vec<String>>>,
}

struct Seen(Arc<Host>);

/// The accounts of the host, each on the server that its name begins with.
struct Accounts(Arc<Host>);

impl QueueAccounts for Accounts {
    fn reply_deadline(&self, account: &AccountName) -> Option<Duration> {
        (!self.0.now.borrow().unknown.contains(account.as_str())).then_some(DEADLINE)
    }

    fn server(&self, account: &AccountName) -> Option<ServerName> {
        self.reply_deadline(account)?;
        ServerName::new(account.as_str().split('-').next()?).ok()
    }

    fn servers(&self) -> (usize, u64) {
        (2, 1)
    }
}

impl Poster for Seen {
    fn post(
        &self,
        account: &AccountName,
        action: OutgoingAction,
    ) -> BoxFuture<'static, Result<PostedIds, ReplyError>> {
        let OutgoingAction::Post(draft) = action else { panic!("{action:?}") };
        self.0.posted.lock().entry(account.to_string()).or_default().push(draft.text);
        let (account, mut now) = (account.clone(), self.0.now.subscribe());
        async move {
            assert!(!now.borrow().panics.contains(account.as_str()), "a post that panics");
            let end = now.wait_for(|now| now.stops || !now.held.contains(account.as_str())).await.unwrap();
            if end.crashes.contains(account.as_str()) {
                Err(ReplyError::Interrupted(account))
            } else if end.stops {
                Err(ReplyError::Stopped(account))
            } else {
                Ok(PostedIds::default())
            }
        }
        .boxed()
    }

    fn look_up(&self, account: &AccountName, _: Lookup) -> BoxFuture<'static, Result<Found, ReplyError>> {
        let (waited, cause) = (Duration::from_secs(30), "HTTP 503".into());
        let (account, state) = (account.clone(), AccountState::Ready);
        let late = ReplyError::TimedOut { account, state, waited, cause, maybe_done: false };
        async { Err(late) }.boxed()
    }

    fn may_act(&self, account: &AccountName) -> bool {
        !self.0.now.borrow().elsewhere.contains(account.as_str())
    }

    fn can_send(&self, account: &AccountName) -> BoxFuture<'static, bool> {
        let can = !self.0.now.borrow().disconnected.contains(account.as_str());
        async move { can }.boxed()
    }
}

impl Host {
    fn new(now: Now) -> Arc<Self> {
        let (queue, now) = (MemoryActions::default(), watch::Sender::new(now));
        Arc::new(Self { queue, now, posted: Mutex::default() })
    }

    fn start(self: &Arc<Self>) -> QueuedActions {
        self.start_with(Arc::new(self.queue.clone()))
    }

    fn start_with(self: &Arc<Self>, queue: Arc<dyn ActionQueue>) -> QueuedActions {
        let Surroundings { poster, accounts, .. } = self.surroundings();
        QueuedActions::start(queue, poster, accounts)
    }

    fn surroundings(self: &Arc<Self>) -> Surroundings {
        Surroundings {
            queue: Arc::new(self.queue.clone()),
            poster: Arc::new(Seen(Arc::clone(self))),
            accounts: Arc::new(Accounts(Arc::clone(self))),
            is_stopping: Arc::default(),
            fetches: Arc::new(Semaphore::new(MOST_FETCHED)),
        }
    }

    /// Puts a post into the queue, whose result goes to an inbox with its text.
    fn put(&self, account: &str, text: &str) {
        let action = format!(r#"{{"action":"post","target":"6brqgaeuupn65ncg1ywigb6swa","text":"{text}"}}"#);
        assert!(self.queue.put(&AccountName::new(account).unwrap(), action.as_bytes(), Some(text)));
    }

    fn change(&self, change: impl FnOnce(&mut Now)) {
        self.now.send_modify(change);
    }

    fn posted(&self, account: &str) -> Vec<String> {
        self.posted.lock().get(account).cloned().unwrap_or_default()
    }

    async fn await_that(&self, holds: impl Fn(&Self) -> bool) {
        let wait = async {
            while !holds(self) {
                sleep(Duration::from_millis(1)).await;
            }
        };
        assert!(timeout(PATIENCE, wait).await.is_ok(), "{:?} {:?}", self.posted.lock(), self.queue);
    }

    async fn await_result(&self, text: &str) -> String {
        self.await_that(|host| host.queue.result(text).is_some()).await;
        String::from_utf8(self.queue.result(text).unwrap()).unwrap()
    }
}

fn of(account: &AccountName, refuses_unknown: bool) -> StepOrder {
    StepOrder { account: account.clone(), refuses_unknown, tries: Tries::default() }
}

fn set(name: &str) -> BTreeSet<String> {
    [name.to_owned()].into()
}

#[tokio::test]
async fn each_account_has_its_order_and_one_that_waits_does_not_keep_the_others() {
    let host = Host::new(Now { disconnected: set("away"), held: set("slow"), ..Now::default() });
    let put = |n| {
        for account in ["slow", "away", "well"] {
            host.put(account, &format!("{account} {n}"));
        }
    };
    put(1);
    let worker = host.start();
    put(2);
    assert_eq!(host.await_result("well 2").await, r#"{"status":200,"ids":[]}"#);
    host.await_that(|host| host.posted("slow").len() == 1).await;
    assert_eq!((host.posted("away"), host.queue.waiting()), (vec![], 4), "what is not done stays");
    host.change(|now| *now = Now::default());
    host.await_that(|host| host.queue.waiting() == 0).await;
    for account in ["slow", "away", "well"] {
        assert_eq!(host.posted(account), [format!("{account} 1"), format!("{account} 2")]);
        host.await_result(&format!("{account} 2")).await;
    }
    worker.stop(Instant::now() + PATIENCE).await;
}

#[tokio::test]
async fn a_host_that_stops_ends_what_it_has_begun_and_leaves_the_rest() {
    let host = Host::new(Now { held: set("a"), ..Now::default() });
    host.put("a", "one");
    host.put("a", "two");
    let worker = host.start();
    host.await_that(|host| host.posted("a") == ["one"]).await;
    let stopping = tokio::spawn(worker.stop(Instant::now() + PATIENCE));
    yield_now().await;
    host.put("b", "three");
    host.change(|now| now.held.clear());
    stopping.await.unwrap();
    assert!(host.queue.result("one").is_some() && host.queue.waiting() == 2, "{:?}", host.queue);
    assert_eq!((host.posted("a"), host.posted("b")), (vec!["one".to_owned()], vec![]));

    host.change(|now| now.held = set("a"));
    let worker = host.start();
    host.await_that(|host| host.posted("a") == ["one", "two"]).await;
    host.change(|now| now.stops = true);
    worker.stop(Instant::now() + PATIENCE).await;
    assert_eq!(host.queue.result("two"), None, "it is left without an answer");

    host.change(|now| *now = Now::default());
    let next = host.start();
    assert_eq!(host.await_result("two").await, r#"{"status":200,"ids":[]}"#);
    next.stop(Instant::now() + PATIENCE).await;
}

#[tokio::test]
async fn an_action_of_an_account_that_has_moved_is_the_next_owners() {
    let host = Host::new(Now { held: set("a"), ..Now::default() });
    host.put("a", "one");
    let worker = host.start();
    host.await_that(|host| host.posted("a") == ["one"]).await;
    host.change(|now| *now = Now { elsewhere: set("a"), ..Now::default() });
    host.put("a", "two");
    host.put("b", "three");
    host.await_result("three").await;
    assert_eq!((host.queue.result("one"), host.posted("a").len(), host.queue.waiting()), (None, 1, 2));
    host.change(|now| now.elsewhere.clear());
    worker.look().notify_one();
    host.await_result("two").await;
    assert_eq!(host.posted("a"), ["one", "one", "two"], "with the same key");
    worker.stop(Instant::now() + PATIENCE).await;
}

#[tokio::test]
async fn an_action_waits_for_a_configuration_with_its_account() {
    let host = Host::new(Now { unknown: set("new"), ..Now::default() });
    host.put("new", "one");
    let worker = host.start();
    host.put("other", "two");
    host.await_result("two").await;
    assert_eq!((host.posted("new"), host.queue.waiting()), (vec![], 1));
    host.change(|now| now.unknown.clear());
    host.await_result("one").await;
    worker.stop(Instant::now() + PATIENCE).await;
}

#[tokio::test]
async fn an_action_for_no_account_is_refused_with_words() {
    let host = Host::new(Now { unknown: set("typo"), ..Now::default() });
    host.put("typo", "one");
    let surroundings = host.surroundings();
    let account = AccountName::new("typo").unwrap();
    let order = |refuses_unknown| of(&account, refuses_unknown);
    assert_eq!(surroundings.clone().step(order(false), false).await, StepEnd::Unknown);
    assert_eq!(surroundings.clone().step(order(true), false).await, StepEnd::Unknown, "it is new");
    host.queue.advance(UNKNOWN_FOR);
    host.put("typo", "two");
    assert_eq!(surroundings.clone().step(order(false), false).await, StepEnd::Unknown);
    assert_eq!(
        surroundings.clone().step(order(true), false).await,
        StepEnd::Finished(ActionOutcome::UnknownAccount)
    );
    assert!(host.await_result("one").await.contains("there is no account typo"));
    assert_eq!(surroundings.clone().step(order(true), false).await, StepEnd::Unknown, "the next one is new");
    assert_eq!((host.queue.result("two"), host.queue.waiting()), (None, 1));
}

#[tokio::test]
async fn a_look_up_that_times_out_is_tried_again_for_as_long_as_a_post() {
    let host = Host::new(Now::default());
    let account = AccountName::new("a").unwrap();
    let post = r#"{"action":"post","target":"staff/town-square","text":"one"}"#;
    assert!(host.queue.put(&account, post.as_bytes(), Some("one")));
    let (mut lanes, mut now) = (ActionLanes::default(), ClusterTime::now());
    lanes.stored(&account);
    for tries in 1..=60 {
        assert_eq!(host.queue.result("one"), None, "given up after {tries} tries");
        let order = lanes.begin(now, |_| None).unwrap();
        let end = host.surroundings().step(order, false).await;
        lanes.end(&account, end, now);
        now = lanes.next_time().unwrap_or(now);
    }
    assert!(host.await_result("one").await.contains("504"));
}

#[tokio::test]
async fn a_panic_ends_a_step_and_not_the_worker() {
    let host = Host::new(Now { panics: set("a"), ..Now::default() });
    host.put("a", "one");
    let worker = host.start();
    host.await_that(|host| !host.posted("a").is_empty()).await;
    host.put("b", "two");
    host.await_result("two").await;
    host.change(|now| now.panics.clear());
    host.await_result("one").await;
    worker.stop(Instant::now() + PATIENCE).await;
}

#[tokio::test]
async fn an_action_whose_task_ends_each_time_is_given_up_and_the_next_one_goes_on() {
    for crash in [Now { panics: set("a"), ..Now::default() }, Now { crashes: set("a"), ..Now::default() }] {
        let host = Host::new(crash);
        host.put("a", "one");
        let worker = host.start();
        let result = host.await_result("one").await;
        assert!(result.contains(r#""status":500"#) && result.contains("it may have been done"), "{result}");
        assert_eq!(host.posted("a"), ["one"; 3]);
        host.change(|now| *now = Now::default());
        host.put("a", "two");
        assert_eq!(host.await_result("two").await, r#"{"status":200,"ids":[]}"#);
        assert_eq!(host.queue.waiting(), 0);
        worker.stop(Instant::now() + PATIENCE).await;
    }
}

#[tokio::test]
async fn a_task_that_ends_with_its_host_or_account_is_no_fault_of_the_action() {
    let account = AccountName::new("a").unwrap();
    let last = || {
        let tries = [(); 2].iter().fold(Tries::default(), |tries, ()| tries.and_crash(1));
        StepOrder { tries, ..of(&account, false) }
    };
    for leaves in [false, true] {
        let host = Host::new(Now { crashes: set("a"), ..Now::default() });
        host.put("a", "one");
        let surroundings = host.surroundings();
        let step = surroundings.clone().step(last(), false);
        let ends = async {
            host.await_that(|host| !host.posted("a").is_empty()).await;
            if leaves {
                host.change(|now| now.elsewhere = set("a"));
            } else {
                surroundings.is_stopping.store(true, Ordering::Relaxed);
            }
            host.change(|now| now.held.clear());
        };
        host.change(|now| now.held = set("a"));
        assert_eq!(tokio::join!(step, ends).0, StepEnd::Elsewhere, "{leaves}");
        assert_eq!((host.queue.result("one"), host.queue.waiting()), (None, 1));
    }
    let host = Host::new(Now { crashes: set("a"), ..Now::default() });
    host.put("a", "one");
    let end = host.surroundings().step(last(), false).await;
    assert_eq!(end, StepEnd::Finished(ActionOutcome::Crashed), "the third of its own");
}

#[tokio::test]
async fn a_server_that_hangs_keeps_no_other_servers_actions_waiting() {
    let slow: Vec<_> = (0..=MOST_AT_WORK).map(|n| format!("slow-{n}")).collect();
    let host = Host::new(Now { held: slow.iter().cloned().collect(), ..Now::default() });
    for account in &slow {
        host.put(account, account);
    }
    let worker = host.start();
    host.await_that(|host| host.posted.lock().len() == MOST_AT_WORK / 2).await;
    host.put("well", "one");
    assert_eq!(host.await_result("one").await, r#"{"status":200,"ids":[]}"#);
    host.await_that(|_| worker.view().measure().finished[0] == ("done", 1)).await;
    let slow = ServerName::new("slow").unwrap();
    assert_eq!(worker.view().measure().at_work, [(slow, MOST_AT_WORK / 2)]);
    host.change(|now| now.held.clear());
    host.await_that(|host| host.queue.waiting() == 0).await;
    worker.stop(Instant::now() + PATIENCE).await;
}

#[tokio::test]
async fn an_action_whose_account_cannot_send_is_told_before_the_queue_deletes_it() {
    let host = Host::new(Now { disconnected: set("away"), ..Now::default() });
    host.put("away", "old");
    host.queue.advance(Duration::from_secs(56 * 60));
    host.put("away", "new");
    let account = AccountName::new("away").unwrap();
    let step = |finds_expired| host.surroundings().step(of(&account, false), finds_expired);
    assert_eq!(step(false).await, StepEnd::NotNow, "nothing is as old as that");
    let worker = host.start();
    host.await_that(|_| worker.view().measure().queued == Some(2)).await;
    assert_eq!(worker.view().measure().oldest_age.map(|age| age.as_secs()), Some(56 * 60));
    let result = host.await_result("old").await;
    assert!(result.contains("504") && result.contains("given up after 56 minutes"), "{result}");
    worker.stop(Instant::now() + PATIENCE).await;
    assert_eq!(step(true).await, StepEnd::NotNow, "the next one is new");
    assert_eq!((host.posted("away"), host.queue.result("new")), (vec![], None));
}
