use std::collections::{BTreeMap, BTreeSet};

use matterhost_actors::model::{OutgoingAction, PostedIds, ReplyError};
use parking_lot::Mutex;
use tokio::{sync::watch, task::yield_now, time::timeout};

use super::*;
use crate::cluster::MemoryActions;

/// The longest wait for what is certain to come.
const PATIENCE: Duration = Duration::from_secs(30);

/// The accounts as they are now.
#[derive(Debug, Clone, Default)]
struct Now {
    unknown: BTreeSet<String>,
    disconnected: BTreeSet<String>,
    elsewhere: BTreeSet<String>,
    /// Those whose posts are held back.
    held: BTreeSet<String>,
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
            let end = now.wait_for(|now| now.stops || !now.held.contains(account.as_str())).await.unwrap();
            if end.stops { Err(ReplyError::Stopped(account)) } else { Ok(PostedIds::default()) }
        }
        .boxed()
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
        let (queue, poster) = (Arc::new(self.queue.clone()), Arc::new(Seen(Arc::clone(self))));
        let host = Arc::clone(self);
        let is_known =
            Arc::new(move |account: &AccountName| !host.now.borrow().unknown.contains(account.as_str()));
        QueuedActions::start(queue, poster, is_known)
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
    let surroundings = Surroundings {
        queue: Arc::new(host.queue.clone()),
        poster: Arc::new(Seen(Arc::clone(&host))),
        is_known: Arc::new(|_| false),
        is_stopping: Arc::default(),
    };
    let (account, late) = (AccountName::new("typo").unwrap(), crate::cluster::Late::default());
    let order = |refuses_unknown| StepOrder { account: account.clone(), refuses_unknown, late };
    assert_eq!(surroundings.clone().step(order(false)).await, StepEnd::Unknown);
    assert_eq!(surroundings.clone().step(order(true)).await, StepEnd::Refused);
    assert!(host.await_result("one").await.contains("there is no account typo"));
    assert_eq!(surroundings.step(order(true)).await, StepEnd::Empty);
}
