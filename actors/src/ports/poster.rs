use std::future::ready;

use futures_util::future::{BoxFuture, FutureExt as _, TryFutureExt as _};

use crate::model::{
    AccountName, ChannelId, Excerpt, Found, Lookup, OutgoingAction, PostedIds, ReplyError, Target,
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

    /// Looks something up as an account. A service that only posts finds nothing.
    fn look_up(
        &self,
        account: &AccountName,
        lookup: Lookup,
    ) -> BoxFuture<'static, Result<Found, ReplyError>> {
        let missing = ReplyError::NotFound { account: account.clone(), what: Excerpt::of(&lookup) };
        ready(Err(missing)).boxed()
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
