//! The order of the actions of an account, some of which name channels that have to be looked up first.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use futures_util::{FutureExt as _, future::BoxFuture};
use matterhost_actors::{
    model::{AccountName, ReplyError},
    ports::Poster,
};
use parking_lot::Mutex;
use tokio::sync::Mutex as TurnLock;

use crate::actions::{ActionDone, CheckedAction, Work, look_up_names, start, take};

/// The order in which the actions of each account begin. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct ActionOrder(Arc<Mutex<HashMap<AccountName, Weak<TurnLock<()>>>>>);

impl ActionOrder {
    /// Takes an action. It begins after those of its account that came before it, at once if none of them is being looked
    /// up. A look-up or a download waits for nothing.
    pub(super) fn take(
        &self,
        poster: &Arc<dyn Poster>,
        account: &AccountName,
        action: CheckedAction,
    ) -> BoxFuture<'static, Result<ActionDone, ReplyError>> {
        let (poster, account) = (Arc::clone(poster), account.clone());
        if matches!(action.work, Work::LookUp(_) | Work::Download { .. }) {
            return async move { take(&poster, &account, action).await }.boxed();
        }
        let mut turn = Box::pin(self.lock(&account).lock_owned());
        // Polled once, it has its place in the lock's queue.
        let mut guard = turn.as_mut().now_or_never();
        if guard.is_some() && !action.has_names() {
            return start(&poster, &account, action.work);
        }
        async move {
            let guard = match guard.take() {
                Some(guard) => guard,
                None => turn.await,
            };
            let work = look_up_names(&*poster, &account, action).await?;
            let doing = start(&poster, &account, work);
            drop(guard);
            doing.await
        }
        .boxed()
    }

    fn lock(&self, account: &AccountName) -> Arc<TurnLock<()>> {
        let mut locks = self.0.lock();
        if let Some(lock) = locks.get(account).and_then(Weak::upgrade) {
            return lock;
        }
        locks.retain(|_, lock| lock.strong_count() > 0);
        let lock = Arc::<TurnLock<()>>::default();
        locks.insert(account.clone(), Arc::downgrade(&lock));
        lock
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use futures_util::future::pending;
    use matterhost_actors::model::{Found, Lookup, OutgoingAction, PostedIds};

    use super::*;
    use crate::actions::{ActionPlace, BotAction};

    /// A poster that records the channels of posts, and finds channels once it may.
    #[derive(Default)]
    struct SlowLookups {
        posted: Mutex<Vec<String>>,
        finds: AtomicBool,
    }

    impl Poster for SlowLookups {
        fn post(
            &self,
            _: &AccountName,
            action: OutgoingAction,
        ) -> BoxFuture<'static, Result<PostedIds, ReplyError>> {
            let OutgoingAction::Post(draft) = action else { panic!("{action:?}") };
            self.posted.lock().push(draft.text);
            std::future::ready(Ok(PostedIds::default())).boxed()
        }

        fn look_up(&self, _: &AccountName, _: Lookup) -> BoxFuture<'static, Result<Found, ReplyError>> {
            if !self.finds.load(Ordering::Relaxed) {
                return pending().boxed();
            }
            let json = serde_json::value::to_raw_value(&serde_json::json!({ "id": "c" })).unwrap();
            std::future::ready(Ok(Found::new(json))).boxed()
        }
    }

    fn post(target: &str, text: &str) -> CheckedAction {
        let json = serde_json::json!({ "action": "post", "target": target, "text": text });
        let action: BotAction = serde_json::from_value(json).unwrap();
        action.check(ActionPlace::Request { key: None }).unwrap()
    }

    #[tokio::test]
    async fn an_action_waits_for_an_earlier_one_that_is_being_looked_up() {
        let slow = Arc::<SlowLookups>::default();
        let poster = Arc::clone(&slow) as Arc<dyn Poster>;
        let (order, id) = (ActionOrder::default(), "c".repeat(26));
        let [ann, bob] = ["ann", "bob"].map(|name| AccountName::new(name).unwrap());
        let mut stuck = order.take(&poster, &ann, post("a/b", "first"));
        assert!((&mut stuck).now_or_never().is_none());
        let mut second = order.take(&poster, &ann, post(&id, "second"));
        assert!((&mut second).now_or_never().is_none());
        order.take(&poster, &bob, post(&id, "of another account")).await.unwrap();
        assert_eq!(*slow.posted.lock(), ["of another account"]);
        // The first is given up; the second goes on, and a third follows it.
        let mut third = order.take(&poster, &ann, post("a/b", "third"));
        slow.finds.store(true, Ordering::Relaxed);
        drop(stuck);
        assert!((&mut third).now_or_never().is_none(), "the second is first");
        second.await.unwrap();
        third.await.unwrap();
        order.take(&poster, &ann, post(&id, "fourth")).await.unwrap();
        assert_eq!(*slow.posted.lock(), ["of another account", "second", "third", "fourth"]);
    }
}
