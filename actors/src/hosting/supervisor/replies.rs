//! Posts as an account: the [`SendReply`] message, and the Supervisor as a [`Poster`].

use std::time::Duration;

use actix::{Addr, Handler, Message, ResponseFuture, dev::SendError};
use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::{sync::oneshot, time::timeout};

use super::{Supervisor, account::Account};
use crate::{
    hosting::replies::{Replies, Stop, Submit},
    model::{AccountName, OutgoingAction, PostedIds, ReplyError},
    ports::Poster,
};

/// The wait for a result beyond the reply's deadline: a request that began in time may last as long as the client
/// allows, and a large file longer. An Arbiter that hangs never answers.
const RESULT_GRACE: Duration = Duration::from_secs(60);

/// The receiver of an action's result.
type PendingResult = oneshot::Receiver<Result<PostedIds, ReplyError>>;

/// Executes an action as an account. The answer comes when it is done, with the posts or the error. Actions of one
/// account keep their order within a channel, and run concurrently across channels.
#[derive(Debug, Message)]
#[rtype(result = "Result<PostedIds, ReplyError>")]
pub struct SendReply {
    /// The account.
    pub account: AccountName,
    /// The action.
    pub action: OutgoingAction,
}

impl Handler<SendReply> for Supervisor {
    type Result = ResponseFuture<Result<PostedIds, ReplyError>>;

    fn handle(&mut self, SendReply { account, action }: SendReply, _: &mut Self::Context) -> Self::Result {
        let result = self.submit(&account, action);
        let settings =
            self.accounts.get(&account).map_or(&self.settings, |account| &account.context.settings);
        let wait_limit = settings.replies.deadline + RESULT_GRACE;
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

impl Poster for Addr<Supervisor> {
    fn post(
        &self,
        account: &AccountName,
        order: OutgoingAction,
    ) -> BoxFuture<'static, Result<PostedIds, ReplyError>> {
        let account = account.clone();
        let answer = self.send(SendReply { account: account.clone(), action: order });
        // The mailbox is closed once the host has ended.
        async move { answer.await.unwrap_or(Err(ReplyError::Interrupted(account))) }.boxed()
    }
}

impl Supervisor {
    fn submit(&mut self, name: &AccountName, action: OutgoingAction) -> Result<PendingResult, ReplyError> {
        let replies = self.ensure_replies(name);
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

    /// Returns the account's Replies. Starts it beside the Delivery if there is none, or if it or its Arbiter died.
    fn ensure_replies(&mut self, name: &AccountName) -> Option<Addr<Replies>> {
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
            // An old one that hangs must not continue when its thread recovers.
            old.do_send(Stop);
        }
        Some(replies)
    }

    /// Returns all Replies, by account.
    pub(super) fn all_replies(&self) -> Vec<(AccountName, Addr<Replies>)> {
        let entry = |(name, account): (&AccountName, &Account)| {
            Some((name.clone(), account.replies.as_ref()?.1.clone()))
        };
        self.accounts.iter().filter_map(entry).collect()
    }
}
