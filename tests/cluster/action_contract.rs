//! The contract of `ActionQueue`. Each implementation runs these tests.

use std::{collections::BTreeSet, time::Duration};

use futures_util::future::BoxFuture;
use matterhost::cluster::{ActionQueue, MOST_WAITING_OF_ACCOUNT, MemoryActions, QueueNotice, QueuedAction};
use matterhost_actors::model::AccountName;
use tokio::{sync::mpsc::Receiver, time::timeout};

/// The longest wait for what is certain to come.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn account(name: &str) -> AccountName {
    AccountName::new(name).unwrap()
}

/// A queue with the means of its senders.
pub(crate) trait Senders {
    fn queue(&self) -> &dyn ActionQueue;
    /// Puts an action into the queue, whose result goes to an inbox. Returns false if it is refused.
    fn put<'a>(&'a self, account: &'a str, text: &'a str, inbox: Option<&'a str>) -> BoxFuture<'a, bool>;
    /// Returns the result at an inbox.
    fn result<'a>(&'a self, inbox: &'a str) -> BoxFuture<'a, Vec<u8>>;
}

pub(crate) async fn first(senders: &impl Senders, name: &str) -> Option<QueuedAction> {
    senders.queue().first(&account(name)).await.unwrap()
}

async fn first_text(senders: &impl Senders, name: &str) -> Option<String> {
    first(senders, name).await.map(|action| String::from_utf8(action.text).unwrap())
}

async fn accounts(senders: &impl Senders) -> BTreeSet<String> {
    senders.queue().accounts().await.unwrap().iter().map(ToString::to_string).collect()
}

/// Receives notices up to the first of an account.
async fn await_notice(notices: &mut Receiver<QueueNotice>, name: &str) {
    let found = async { while notices.recv().await.unwrap() != QueueNotice::Stored(account(name)) {} };
    assert!(timeout(PATIENCE, found).await.is_ok(), "no notice for {name}");
}

/// Runs the whole contract on an empty queue.
pub(crate) async fn check_contract(senders: &impl Senders) {
    let mut notices = senders.queue().notices();
    assert_eq!((accounts(senders).await, first(senders, "a").await), (BTreeSet::new(), None));
    let state = senders.queue().state().await.unwrap();
    assert_eq!((state.actions, state.oldest), (0, None));
    for (name, text) in [("a", "a1"), ("help.desk", "h1"), ("a", "a2"), ("a", "a3")] {
        assert!(senders.put(name, text, Some(&format!("_INBOX.{text}"))).await);
    }
    await_notice(&mut notices, "help.desk").await;
    assert!(first(senders, "help.desk").await.is_some(), "stored before it is noticed");
    assert_eq!(accounts(senders).await, ["a", "help.desk"].map(str::to_owned).into());

    let a1 = first(senders, "a").await.unwrap();
    assert_eq!(first(senders, "a").await.unwrap(), a1, "nothing is taken out by reading");
    let state = senders.queue().state().await.unwrap();
    assert_eq!((state.actions, state.oldest), (4, Some(a1.stored_at)));
    assert!((1..60_000_000_000).contains(&(state.now - a1.stored_at)), "{state:?}");
    assert_eq!(state.kept_for, Some(Duration::from_secs(3_600)));
    senders.queue().finish(a1.clone(), b"done".to_vec()).await.unwrap();
    assert_eq!(senders.result("_INBOX.a1").await, b"done");
    assert_eq!(first_text(senders, "a").await.as_deref(), Some("a2"), "in order");
    let state = senders.queue().state().await.unwrap();
    assert!((state.actions, state.oldest > Some(a1.stored_at)) == (3, true), "{state:?}");
    senders.queue().finish(a1.clone(), b"done again".to_vec()).await.unwrap();
    assert_eq!(first_text(senders, "a").await.as_deref(), Some("a2"), "a second end takes no other one");
    let a2 = first(senders, "a").await.unwrap();
    assert_ne!(a1.key(), a2.key());
    senders.queue().finish(a2, Vec::new()).await.unwrap();
    assert_eq!(first_text(senders, "a").await.as_deref(), Some("a3"));
    let h1 = first(senders, "help.desk").await.unwrap();
    assert_eq!((h1.account.as_str(), h1.text.as_slice()), ("help.desk", &b"h1"[..]));
    senders.queue().finish(h1, Vec::new()).await.unwrap();
    assert_eq!(accounts(senders).await, ["a".to_owned()].into());
    assert!(senders.put("silent", "s", None).await);
    let silent = first(senders, "silent").await.unwrap();
    assert_eq!(silent.inbox, None);
    senders.queue().finish(silent, b"unread".to_vec()).await.unwrap();
}

/// An account cannot fill the queue of the others.
pub(crate) async fn check_limit(senders: &impl Senders) {
    for n in 0..MOST_WAITING_OF_ACCOUNT {
        assert!(senders.put("many", "x", None).await, "{n}");
    }
    assert!(!senders.put("many", "x", None).await, "too many wait");
    assert!(senders.put("few", "x", None).await, "the others are not kept out");
    let oldest = first(senders, "many").await.unwrap();
    senders.queue().finish(oldest, Vec::new()).await.unwrap();
    assert!(senders.put("many", "x", None).await, "one is finished");
}

impl Senders for MemoryActions {
    fn queue(&self) -> &dyn ActionQueue {
        self
    }

    fn put<'a>(&'a self, name: &'a str, text: &'a str, inbox: Option<&'a str>) -> BoxFuture<'a, bool> {
        Box::pin(async move { MemoryActions::put(self, &account(name), text.as_bytes(), inbox) })
    }

    fn result<'a>(&'a self, inbox: &'a str) -> BoxFuture<'a, Vec<u8>> {
        Box::pin(async move { MemoryActions::result(self, inbox).unwrap() })
    }
}

#[tokio::test]
async fn the_queue_in_memory_fulfils_the_contract() {
    check_contract(&MemoryActions::default()).await;
    check_limit(&MemoryActions::default()).await;
}
