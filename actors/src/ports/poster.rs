use std::future::ready;

use futures_util::future::{BoxFuture, FutureExt as _, TryFutureExt as _};

use super::FileDownload;
use crate::model::{
    AccountName, ChannelId, Excerpt, FileId, Found, Lookup, OutgoingAction, PostedIds, ReplyError,
    ServerLimits, Target, UserId,
};

/// A service that posts as the hosted accounts.
///
/// Each action is answered in bounded time. Requests with the same key post once. Actions of an account keep their
/// order within a channel. The calling thread is never blocked.
pub trait Poster: Send + Sync + 'static {
    /// Carries out an action as an account.
    fn post(
        &self,
        account: &AccountName,
        order: OutgoingAction,
    ) -> BoxFuture<'static, Result<PostedIds, ReplyError>>;

    /// Returns true unless another host owns the account by now: then nothing is handed over for it any more.
    fn may_act(&self, account: &AccountName) -> bool {
        let _ = account;
        true
    }

    /// Returns false while the account is stopped, or about to leave this host: then no run of a schedule begins. A service that
    /// only posts does not know.
    fn is_hosted(&self, account: &AccountName) -> BoxFuture<'static, bool> {
        let _ = account;
        ready(true).boxed()
    }

    /// Returns true if the account can send now: otherwise an action waits for the server, or for an operator. A service without
    /// connections always can.
    fn can_send(&self, account: &AccountName) -> BoxFuture<'static, bool> {
        let _ = account;
        ready(true).boxed()
    }

    /// Records that a user called an account in a channel by a slash command, a button, a menu or a dialog. A service without a
    /// loop guard need not know.
    fn user_called(&self, account: &AccountName, channel: &ChannelId, user: &UserId) {
        let _ = (account, channel, user);
    }

    /// Looks something up as an account. A service that only posts finds nothing.
    fn look_up(
        &self,
        account: &AccountName,
        lookup: Lookup,
    ) -> BoxFuture<'static, Result<Found, ReplyError>> {
        let missing = ReplyError::NotFound { account: account.clone(), what: Excerpt::of(&lookup) };
        ready(Err(missing)).boxed()
    }

    /// Begins to download a file as an account. A service that only posts finds none.
    fn open_file(
        &self,
        account: &AccountName,
        id: FileId,
    ) -> BoxFuture<'static, Result<FileDownload, ReplyError>> {
        let what = Excerpt::of(&Lookup::File(id));
        ready(Err(ReplyError::NotFound { account: account.clone(), what })).boxed()
    }

    /// Returns the sizes that the account's server takes.
    fn server_limits(&self, account: &AccountName) -> BoxFuture<'static, Result<ServerLimits, ReplyError>> {
        let _ = account;
        ready(Ok(ServerLimits::default())).boxed()
    }

    /// Returns the id of a channel. The direct channel with a user is created if there is none.
    fn find_channel(
        &self,
        account: &AccountName,
        target: Target,
    ) -> BoxFuture<'static, Result<ChannelId, ReplyError>> {
        match target {
            Target::Id(id) => ready(Ok(id)).boxed(),
            target => {
                self.look_up(account, Lookup::Channel(target)).map_ok(|found| found.id().into()).boxed()
            }
        }
    }
}
