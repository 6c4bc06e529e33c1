use std::future::ready;

use futures_util::future::{BoxFuture, FutureExt as _};

use crate::model::{AccountName, Excerpt, Found, Lookup, OutgoingAction, PostedIds, ReplyError};

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

    /// Looks something up as an account. A service that only posts finds nothing.
    fn look_up(
        &self,
        account: &AccountName,
        lookup: Lookup,
    ) -> BoxFuture<'static, Result<Found, ReplyError>> {
        let missing = ReplyError::NotFound { account: account.clone(), what: Excerpt::of(&lookup) };
        ready(Err(missing)).boxed()
    }
}
