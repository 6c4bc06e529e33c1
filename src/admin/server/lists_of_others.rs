//! The lists of accounts that other members are asked for: one at a time, however many clients look.

use std::{panic::AssertUnwindSafe, sync::Arc};

use futures_util::future::{BoxFuture, FutureExt as _, Shared, join_all};
use parking_lot::Mutex;

use super::all_accounts::{OtherMembers, list_of};
use crate::admin::dto::Account;

/// The accounts of all other members, which several clients wait for.
type Lists = Shared<BoxFuture<'static, Arc<Vec<Account>>>>;

/// The question that is under way. Each list has megabytes, so that a second one would wait behind the first.
#[derive(Default)]
pub(super) struct ListsOfOthers(Mutex<Option<Lists>>);

impl ListsOfOthers {
    /// Asks all other members for their accounts, or joins those who have asked and have no answer yet.
    pub(super) fn ask(self: &Arc<Self>, members: &Arc<dyn OtherMembers>) -> Lists {
        let mut current = self.0.lock();
        if let Some(asked) = &*current {
            return asked.clone();
        }
        let lists = AssertUnwindSafe(ask_all(Arc::clone(members))).catch_unwind();
        // A panic would be passed on to all who ask from now on. Without lists, the accounts are unknown.
        let lists = lists.map(|lists| {
            lists.unwrap_or_else(|_| {
                tracing::error!("asking the other members for their accounts has panicked");
                Arc::default()
            })
        });
        let lists = lists.boxed().shared();
        *current = Some(lists.clone());
        let (answered, asking) = (lists.clone(), Arc::clone(self));
        // It goes on if the client that asked first waits no more.
        tokio::spawn(async move {
            answered.await;
            *asking.0.lock() = None;
        });
        lists
    }
}

async fn ask_all(members: Arc<dyn OtherMembers>) -> Arc<Vec<Account>> {
    let others = members.others();
    let lists = join_all(others.iter().map(|member| list_of(&*members, member))).await;
    Arc::new(lists.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        time::{Duration, UNIX_EPOCH},
    };

    use matterhost_actors::model::AccountName;
    use tokio::{sync::watch, task::yield_now};

    use super::*;
    use crate::{
        admin::{
            dto::MemberAnswer,
            server::{OwnedAccount, Owner},
        },
        cluster::{AskError, MemberId, Topic},
    };

    /// Another member, which answers once it may, and panics when it is asked for the first time or not.
    struct Slow {
        panics: bool,
        asked: AtomicUsize,
        may_answer: watch::Receiver<bool>,
    }

    impl OtherMembers for Slow {
        fn others(&self) -> Vec<MemberId> {
            vec![MemberId::parse("b.0000000000000001.0").unwrap()]
        }

        fn owned_accounts(&self) -> Vec<OwnedAccount> {
            Vec::new()
        }

        fn owner(&self, _: &AccountName) -> Owner {
            Owner::Nobody
        }

        fn ask(
            &self,
            _: &MemberId,
            _: Topic,
            _: Vec<u8>,
            _: Duration,
        ) -> BoxFuture<'static, Result<Vec<u8>, AskError>> {
            let is_first = self.asked.fetch_add(1, Ordering::Relaxed) == 0;
            assert!(!(is_first && self.panics), "the first question panics");
            let mut may_answer = self.may_answer.clone();
            let account = Account::unknown("helpdesk", "main", Some("b".into()), UNIX_EPOCH);
            async move {
                may_answer.wait_for(|may| *may).await.unwrap();
                Ok(serde_json::to_vec(&MemberAnswer::Accounts(vec![account])).unwrap())
            }
            .boxed()
        }
    }

    #[tokio::test]
    async fn clients_that_look_at_the_same_time_share_one_question() {
        let (answer, may_answer) = watch::channel(false);
        let slow = Arc::new(Slow { panics: false, asked: AtomicUsize::new(0), may_answer });
        let (members, lists): (Arc<dyn OtherMembers>, _) = (slow.clone(), Arc::<ListsOfOthers>::default());
        let asked = || slow.asked.load(Ordering::Relaxed);
        let gone = lists.ask(&members);
        yield_now().await;
        drop(gone);
        let many: Vec<_> = (0..50).map(|_| lists.ask(&members)).collect();
        yield_now().await;
        assert_eq!(asked(), 1);
        answer.send(true).unwrap();
        for list in join_all(many).await {
            assert_eq!(list.len(), 1);
        }
        while lists.0.lock().is_some() {
            yield_now().await;
        }
        assert_eq!((lists.ask(&members).await.len(), asked()), (1, 2), "a later one asks again");
    }

    #[tokio::test]
    async fn a_panic_is_not_passed_on_to_those_who_ask_later() {
        let (_answer, may_answer) = watch::channel(true);
        let members: Arc<dyn OtherMembers> =
            Arc::new(Slow { panics: true, asked: AtomicUsize::new(0), may_answer });
        let lists = Arc::<ListsOfOthers>::default();
        assert_eq!(lists.ask(&members).await.len(), 0);
        while lists.0.lock().is_some() {
            yield_now().await;
        }
        assert_eq!(lists.ask(&members).await.len(), 1);
    }
}
