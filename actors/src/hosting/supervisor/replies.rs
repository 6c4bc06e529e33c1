//! What accounts are asked to say, by name.

use std::time::Duration;

use actix::{Addr, Handler, Message, ResponseFuture, dev::SendError};
use futures_util::future::FutureExt as _;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout, timeout_at},
};

use super::{Supervisor, account::Account};
use crate::{
    hosting::replies::{Drain, Replies, Stop, Submit},
    model::{AccountName, OutgoingAction, PostedIds, ReplyError},
};

/// How long beyond a reply's deadline its result is waited for: a request that began in time may last as long as the
/// client allows, and a large file longer. An Arbiter that hangs would never tell.
const GRACE: Duration = Duration::from_secs(60);

/// Where the result of an order comes.
type Submitted = oneshot::Receiver<Result<PostedIds, ReplyError>>;

/// Has an account say something. Answered when it is done: with the posts, or with what stood in the way. Orders of one
/// account are carried out in order within a channel, and side by side across channels.
#[derive(Debug, Message)]
#[rtype(result = "Result<PostedIds, ReplyError>")]
pub struct SendReply {
    /// The account.
    pub account: AccountName,
    /// What it is to do.
    pub action: OutgoingAction,
}

impl Handler<SendReply> for Supervisor {
    type Result = ResponseFuture<Result<PostedIds, ReplyError>>;

    fn handle(&mut self, SendReply { account, action }: SendReply, _: &mut Self::Context) -> Self::Result {
        let result = self.submit(&account, action);
        let wait_limit = self.settings.replies.deadline + GRACE;
        async move {
            let interrupted = || Err(ReplyError::Interrupted(account));
            match timeout(wait_limit, result?).await {
                Ok(result) => result.unwrap_or_else(|_| interrupted()),
                Err(_) => interrupted(),
            }
        }
        .boxed_local()
    }
}

impl Supervisor {
    fn submit(&mut self, name: &AccountName, action: OutgoingAction) -> Result<Submitted, ReplyError> {
        let replies = self.replies_of(name);
        let Some((replies, account)) = replies.zip(self.accounts.get(name)) else {
            return Err(ReplyError::UnknownAccount(name.clone()));
        };
        let (done, result) = oneshot::channel();
        let submit =
            Submit { context: account.context.clone(), generation: account.generation, action, done };
        match replies.try_send(submit) {
            Ok(()) => Ok(result),
            Err(SendError::Full(_)) => {
                Err(ReplyError::QueueFull { account: name.clone(), limit: "its whole mailbox" })
            }
            Err(SendError::Closed(_)) => Err(ReplyError::Interrupted(name.clone())),
        }
    }

    /// What posts for an account. It is started where the account lives, and anew when it or its Arbiter died.
    fn replies_of(&mut self, name: &AccountName) -> Option<Addr<Replies>> {
        let account = self.accounts.get(name)?;
        if let Some((slot, replies)) = &account.replies
            && self.pool.is_alive(*slot)
            && replies.connected()
        {
            return Some(replies.clone());
        }
        self.ensure_placement(name);
        let account = self.accounts.get_mut(name)?;
        let (slot, context) = (account.placement.as_ref()?.slot, account.context.clone());
        let replies = self.pool.start(slot, move || Replies::new(context));
        if let Some((_, old)) = account.replies.replace((slot, replies.clone())) {
            // If it hangs it is not to go on when it comes to itself.
            old.do_send(Stop);
        }
        Some(replies)
    }

    /// What is to be waited for before the host ends.
    pub(super) fn all_replies(&self) -> Vec<(AccountName, Addr<Replies>)> {
        let of = |(name, account): (&AccountName, &Account)| {
            Some((name.clone(), account.replies.as_ref()?.1.clone()))
        };
        self.accounts.iter().filter_map(of).collect()
    }
}

/// Waits until nothing is left to be said. Gives back those for which something is.
pub(super) async fn drain(replies: Vec<(AccountName, Addr<Replies>)>, deadline: Instant) -> Vec<AccountName> {
    // What is done already counts even when the deadline is over.
    let deadline = deadline.max(Instant::now() + Duration::from_millis(1));
    let ask = |(account, replies): (AccountName, Addr<Replies>)| {
        let (done, drained) = oneshot::channel();
        replies.do_send(Drain(done));
        (account, drained)
    };
    let asked: Vec<_> = replies.into_iter().map(ask).collect();
    let mut late = Vec::new();
    for (account, drained) in asked {
        if !matches!(timeout_at(deadline, drained).await, Ok(Ok(()))) {
            late.push(account);
        }
    }
    late
}
