//! Posts as an account: the [`SendReply`] message, and the Supervisor as a [`Poster`].

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use actix::{Addr, Handler, Message, ResponseFuture, dev::SendError};
use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::{sync::oneshot, time::timeout};

use super::{Supervisor, account::Account};
use crate::{
    hosting::{
        account_context::AccountContext,
        replies::{self, Replies, Stop, Submit},
    },
    model::{
        AccountName, ChannelId, FileId, Found, Generation, Lookup, OutgoingAction, PostedIds, ReplyError,
        ServerLimits, UserId,
    },
    policy::{SendPermission, send_permission},
    ports::{FileDownload, Poster},
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

/// Looks something up as an account.
#[derive(Debug, Message)]
#[rtype(result = "Result<Found, ReplyError>")]
pub struct LookUp {
    /// The account.
    pub account: AccountName,
    /// The question.
    pub lookup: Lookup,
}

/// Begins to download a file as an account.
#[derive(Debug, Message)]
#[rtype(result = "Result<FileDownload, ReplyError>")]
pub struct OpenFile {
    /// The account.
    pub account: AccountName,
    /// The file.
    pub id: FileId,
}

/// Asks if an account can send now.
#[derive(Debug, Message)]
#[rtype(result = "bool")]
struct CanSend(AccountName);

/// Asks for the sizes that the account's server takes.
#[derive(Debug, Message)]
#[rtype(result = "Result<ServerLimits, ReplyError>")]
pub struct ReadLimits {
    /// The account.
    pub account: AccountName,
}

/// Records that a user called an account by a slash command, a button, a menu or a dialog: as a person's post does, that ends
/// the row of the bots' posts in the channel.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct UserCalled {
    account: AccountName,
    channel: ChannelId,
    user: UserId,
}

/// Asks if an account is neither stopped nor being removed.
#[derive(Debug, Message)]
#[rtype(result = "bool")]
struct IsHosted(AccountName);

impl Handler<IsHosted> for Supervisor {
    type Result = bool;

    fn handle(&mut self, IsHosted(account): IsHosted, _: &mut Self::Context) -> Self::Result {
        self.accounts.get(&account).is_some_and(Account::is_to_run)
    }
}

impl Handler<UserCalled> for Supervisor {
    type Result = ();

    fn handle(&mut self, UserCalled { account, channel, user }: UserCalled, _: &mut Self::Context) {
        if let Some(account) = self.accounts.get(&account) {
            account.context.loop_guard.user_called(&channel, &user, SystemTime::now());
        }
    }
}

impl Handler<CanSend> for Supervisor {
    type Result = bool;

    fn handle(&mut self, CanSend(account): CanSend, _: &mut Self::Context) -> Self::Result {
        let account = self.accounts.get(&account);
        account.is_some_and(|account| {
            send_permission(account.context.stats.state(), false) == SendPermission::Granted
        })
    }
}

impl Handler<LookUp> for Supervisor {
    type Result = ResponseFuture<Result<Found, ReplyError>>;

    fn handle(&mut self, LookUp { account, lookup }: LookUp, _: &mut Self::Context) -> Self::Result {
        self.ask_replies(account, |context, done| replies::LookUp { context, lookup, done })
    }
}

impl Handler<OpenFile> for Supervisor {
    type Result = ResponseFuture<Result<FileDownload, ReplyError>>;

    fn handle(&mut self, OpenFile { account, id }: OpenFile, _: &mut Self::Context) -> Self::Result {
        self.ask_replies(account, |context, done| replies::OpenFile { context, id, done })
    }
}

impl Handler<ReadLimits> for Supervisor {
    type Result = ResponseFuture<Result<ServerLimits, ReplyError>>;

    fn handle(&mut self, ReadLimits { account }: ReadLimits, _: &mut Self::Context) -> Self::Result {
        self.ask_replies(account, |context, done| replies::ReadLimits { context, done })
    }
}

impl Handler<SendReply> for Supervisor {
    type Result = ResponseFuture<Result<PostedIds, ReplyError>>;

    fn handle(&mut self, SendReply { account, action }: SendReply, _: &mut Self::Context) -> Self::Result {
        let transfer = replies::transfer_time_of(&action);
        let result = self.submit(&account, action);
        let settings =
            self.accounts.get(&account).map_or(&self.settings, |account| &account.context.settings);
        let wait_limit = settings.replies.deadline + transfer + RESULT_GRACE;
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

    fn is_hosted(&self, account: &AccountName) -> BoxFuture<'static, bool> {
        let answer = self.send(IsHosted(account.clone()));
        async move { answer.await.unwrap_or(false) }.boxed()
    }

    fn can_send(&self, account: &AccountName) -> BoxFuture<'static, bool> {
        let answer = self.send(CanSend(account.clone()));
        async move { answer.await.unwrap_or(false) }.boxed()
    }

    fn user_called(&self, account: &AccountName, channel: &ChannelId, user: &UserId) {
        let (account, channel, user) = (account.clone(), channel.clone(), user.clone());
        self.do_send(UserCalled { account, channel, user });
    }

    fn look_up(
        &self,
        account: &AccountName,
        lookup: Lookup,
    ) -> BoxFuture<'static, Result<Found, ReplyError>> {
        let account = account.clone();
        let answer = self.send(LookUp { account: account.clone(), lookup });
        async move { answer.await.unwrap_or(Err(ReplyError::Interrupted(account))) }.boxed()
    }

    fn open_file(
        &self,
        account: &AccountName,
        id: FileId,
    ) -> BoxFuture<'static, Result<FileDownload, ReplyError>> {
        let account = account.clone();
        let answer = self.send(OpenFile { account: account.clone(), id });
        async move { answer.await.unwrap_or(Err(ReplyError::Interrupted(account))) }.boxed()
    }

    fn server_limits(&self, account: &AccountName) -> BoxFuture<'static, Result<ServerLimits, ReplyError>> {
        let account = account.clone();
        let answer = self.send(ReadLimits { account: account.clone() });
        async move { answer.await.unwrap_or(Err(ReplyError::Interrupted(account))) }.boxed()
    }
}

impl Supervisor {
    fn submit(&mut self, name: &AccountName, action: OutgoingAction) -> Result<PendingResult, ReplyError> {
        let (done, result) = oneshot::channel();
        let submit = |context, generation| Submit { context, generation, action, done };
        self.send_to_replies(name, submit).map(|()| result)
    }

    /// Asks an account's Replies something for which they have a deadline of their own.
    fn ask_replies<T, M>(
        &mut self,
        account: AccountName,
        message: impl FnOnce(Arc<AccountContext>, oneshot::Sender<Result<T, ReplyError>>) -> M,
    ) -> ResponseFuture<Result<T, ReplyError>>
    where
        T: 'static,
        M: Message<Result = ()> + Send + 'static,
        Replies: Handler<M>,
    {
        let (done, answer) = oneshot::channel();
        let asked = self.send_to_replies(&account, |context, _| message(context, done));
        // The time beyond that deadline is for an Arbiter that hangs.
        async move {
            asked?;
            let answer = timeout(RESULT_GRACE, answer).await.ok().and_then(Result::ok);
            answer.unwrap_or(Err(ReplyError::Interrupted(account)))
        }
        .boxed_local()
    }

    /// Sends a message to an account's Replies, made of the account's context.
    fn send_to_replies<M>(
        &mut self,
        name: &AccountName,
        message: impl FnOnce(Arc<AccountContext>, Generation) -> M,
    ) -> Result<(), ReplyError>
    where
        M: Message<Result = ()> + Send + 'static,
        Replies: Handler<M>,
    {
        let replies = self.ensure_replies(name);
        let Some((replies, account)) = replies.zip(self.accounts.get(name)) else {
            return Err(ReplyError::UnknownAccount(name.clone()));
        };
        match replies.try_send(message(account.context.clone(), account.generation)) {
            Ok(()) => Ok(()),
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
