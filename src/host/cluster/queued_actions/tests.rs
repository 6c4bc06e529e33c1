use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::AtomicUsize,
};

use matterhost_actors::model::{AccountState, Found, Lookup, OutgoingAction, PostedIds, ReplyError};
use parking_lot::Mutex;
use tokio::{sync::watch, task::yield_now, time::timeout};

use super::*;
use crate::cluster::MemoryActions;

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
            if end.stops { Err(ReplyError::Stopped(account)) } else { Ok(PostedIds::default()) }
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
        let Surroundings { poster, deadline_of, .. } = self.surroundings();
        QueuedActions::start(queue, poster, deadline_of)
    }

    fn surroundings(self: &Arc<Self>) -> Surroundings {
        let host = Arc::clone(self);
        let deadline_of = move |account: &AccountName| {
            (!host.now.borrow().unknown.contains(account.as_str())).then_some(DEADLINE)
        };
        Surroundings {
            queue: Arc::new(self.queue.clone()),
            poster: Arc::new(Seen(Arc::clone(self))),
            deadline_of: Arc::new(deadline_of),
            is_stopping: Arc::default(),
            requests: Arc::new(Semaphore::new(MOST_REQUESTS)),
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
    let (account, late) = (AccountName::new("typo").unwrap(), Late::default());
    let order = |refuses_unknown| StepOrder { account: account.clone(), refuses_unknown, late };
    assert_eq!(surroundings.clone().step(order(false)).await, StepEnd::Unknown);
    assert_eq!(surroundings.clone().step(order(true)).await, StepEnd::Unknown, "it is new");
    host.queue.advance(UNKNOWN_FOR);
    host.put("typo", "two");
    assert_eq!(surroundings.clone().step(order(false)).await, StepEnd::Unknown);
    assert_eq!(surroundings.clone().step(order(true)).await, StepEnd::Refused);
    assert!(host.await_result("one").await.contains("there is no account typo"));
    assert_eq!(surroundings.clone().step(order(true)).await, StepEnd::Unknown, "the next one is new");
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
        let order = lanes.begin(now).unwrap();
        let end = host.surroundings().step(order).await;
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

/// A queue that counts the requests that are under way.
#[derive(Debug, Default)]
struct Counted {
    queue: MemoryActions,
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Counted {
    fn count<T: Send + 'static>(&self, request: BoxFuture<'static, T>) -> BoxFuture<'static, T> {
        let (now, most) = (Arc::clone(&self.now), Arc::clone(&self.most));
        async move {
            most.fetch_max(now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            sleep(Duration::from_millis(1)).await;
            now.fetch_sub(1, Ordering::Relaxed);
            request.await
        }
        .boxed()
    }
}

impl ActionQueue for Counted {
    fn accounts(&self) -> BoxFuture<'static, Result<Vec<AccountName>, QueueError>> {
        self.queue.accounts()
    }

    fn first(&self, account: &AccountName) -> BoxFuture<'static, Result<Option<QueuedAction>, QueueError>> {
        self.count(self.queue.first(account))
    }

    fn finish(&self, action: QueuedAction, result: Vec<u8>) -> BoxFuture<'static, Result<(), QueueError>> {
        self.count(self.queue.finish(action, result))
    }

    fn time(&self) -> BoxFuture<'static, Result<i128, QueueError>> {
        self.queue.time()
    }

    fn notices(&self) -> tokio::sync::mpsc::Receiver<QueueNotice> {
        self.queue.notices()
    }
}

#[tokio::test]
async fn many_accounts_ask_the_queue_a_few_at_a_time() {
    let host = Host::new(Now::default());
    (0..200).for_each(|n| host.put(&format!("bot-{n}"), "hello"));
    let counted = Counted { queue: host.queue.clone(), ..Counted::default() };
    let most = Arc::clone(&counted.most);
    let worker = host.start_with(Arc::new(counted));
    host.await_that(|host| host.queue.waiting() == 0).await;
    assert_eq!(most.load(Ordering::Relaxed), MOST_REQUESTS);
    worker.stop(Instant::now() + PATIENCE).await;
}
