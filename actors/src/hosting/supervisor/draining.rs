//! The last requests to the children of accounts that end: hand over, answer, store.

use std::time::Duration;

use actix::Addr;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use crate::{
    hosting::{
        delivery::{Delivery, Drain, PersistFinalState},
        replies::{self, Replies},
    },
    model::{AccountName, ResumePoint},
};

/// The Delivery of an account that ends.
pub(super) struct DrainingAccount {
    pub(super) account: AccountName,
    pub(super) delivery: Addr<Delivery>,
    pub(super) resume: Option<ResumePoint>,
}

/// Waits until every sink has acknowledged the events of its account, except for those that it wants much later unless
/// `awaits_retries` is true. Returns the accounts whose sink has not.
pub(super) async fn drain_deliveries(
    accounts: &[DrainingAccount],
    awaits_retries: bool,
    deadline: Instant,
) -> Vec<AccountName> {
    let children = accounts.iter().map(|draining| (draining.account.clone(), &draining.delivery));
    ask_all(children, deadline, |delivery, done| delivery.do_send(Drain { done, awaits_retries })).await
}

/// Waits until every reply is sent or has failed. Returns the accounts with replies left.
pub(super) async fn drain_replies(
    replies: impl IntoIterator<Item = (AccountName, Addr<Replies>)>,
    deadline: Instant,
) -> Vec<AccountName> {
    ask_all(replies, deadline, |replies, done| replies.do_send(replies::Drain(done))).await
}

/// Stores the progress and the resume point of every account. Returns the accounts for which that failed.
pub(super) async fn persist(accounts: Vec<DrainingAccount>, deadline: Instant) -> Vec<AccountName> {
    let children =
        accounts.into_iter().map(|draining| (draining.account, (draining.delivery, draining.resume)));
    ask_all(children, deadline, |(delivery, resume), done| {
        delivery.do_send(PersistFinalState { resume, done });
    })
    .await
}

/// Sends a request to all children at once and waits for their answers. Returns the accounts of those that have not
/// answered by the deadline or cannot any more.
async fn ask_all<C>(
    children: impl IntoIterator<Item = (AccountName, C)>,
    deadline: Instant,
    ask: impl Fn(C, oneshot::Sender<()>),
) -> Vec<AccountName> {
    // A child with nothing left to do answers in time even if the deadline has passed.
    let deadline = deadline.max(Instant::now() + Duration::from_millis(1));
    let send = |(account, child)| {
        let (done, answer) = oneshot::channel();
        ask(child, done);
        (account, answer)
    };
    let answers: Vec<_> = children.into_iter().map(send).collect();
    let mut late = Vec::new();
    for (account, answer) in answers {
        if !matches!(timeout_at(deadline, answer).await, Ok(Ok(()))) {
            late.push(account);
        }
    }
    late
}
