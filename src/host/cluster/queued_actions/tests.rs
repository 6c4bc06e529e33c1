use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::{BoxFuture, FutureExt as _};
use matterhost_actors::model::{OutgoingAction, PostedIds, ReplyError};
use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};

use super::*;

/// A poster whose posts of an account are held until it may post.
struct Held {
    is_open: AtomicBool,
    may_post: watch::Receiver<bool>,
    posted: Mutex<Vec<(String, String)>>,
}

impl Poster for Held {
    fn post(
        &self,
        account: &AccountName,
        action: OutgoingAction,
    ) -> BoxFuture<'static, Result<PostedIds, ReplyError>> {
        let OutgoingAction::Post(draft) = action else { panic!("{action:?}") };
        self.posted.lock().push((account.to_string(), draft.key.unwrap().as_str().to_owned()));
        let (is_held, mut may_post) = (account.as_str() == "slow", self.may_post.clone());
        async move {
            if is_held {
                may_post.wait_for(|may| *may).await.unwrap();
            }
            Ok(PostedIds::default())
        }
        .boxed()
    }

    fn may_act(&self, _: &AccountName) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }
}

/// Sends an action, and returns the receiver of its result.
fn send(actions: &mpsc::Sender<QueuedAction>, account: &str, id: &str) -> oneshot::Receiver<Vec<u8>> {
    let (result, done) = oneshot::channel();
    let account = AccountName::new(account).unwrap();
    let text = br#"{"action":"post","target":"6brqgaeuupn65ncg1ywigb6swa","text":"hi"}"#.to_vec();
    actions.try_send(QueuedAction { account, id: id.into(), text, result }).unwrap();
    done
}

#[tokio::test]
async fn actions_are_taken_in_order_for_each_account_and_not_after_it_has_moved() {
    let (release, may_post) = watch::channel(false);
    let poster = Arc::new(Held { is_open: AtomicBool::new(true), may_post, posted: Mutex::default() });
    let (actions, receiver) = mpsc::channel(MOST_OPEN_ACTIONS);
    let task = tokio::spawn(run(receiver, poster.clone()));
    let [first, second] = ["1", "2"].map(|id| send(&actions, "slow", id));
    let quick = send(&actions, "quick", "3").await.unwrap();
    assert_eq!(String::from_utf8(quick).unwrap(), r#"{"ids":[],"status":200}"#);
    release.send(true).unwrap();
    assert!(first.await.is_ok() && second.await.is_ok());
    let keys: Vec<_> = poster.posted.lock().iter().map(|(_, key)| key.clone()).collect();
    assert_eq!(keys.iter().filter(|key| *key != "3").collect::<Vec<_>>(), ["1", "2"]);
    release.send(false).unwrap();
    let moved = send(&actions, "slow", "4");
    while poster.posted.lock().len() < 4 {
        tokio::task::yield_now().await;
    }
    poster.is_open.store(false, Ordering::Relaxed);
    release.send(true).unwrap();
    assert!(moved.await.is_err(), "its next owner answers");
    assert!(send(&actions, "quick", "5").await.is_err(), "it is hosted elsewhere");
    assert_eq!(poster.posted.lock().len(), 4);
    task.abort();
}
