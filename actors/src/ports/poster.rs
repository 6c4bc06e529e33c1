//! What speaks for accounts.

use futures_util::future::BoxFuture;

use crate::model::{AccountName, OutgoingAction, PostedIds, ReplyError};

/// Speaks for accounts.
///
/// What it promises: each order is answered in bounded time; what was asked for with one key is posted once; orders of
/// one account keep their order within a channel; it never blocks the calling thread.
pub trait Poster: Send + Sync + 'static {
    /// Has an account do something.
    fn post(
        &self,
        account: &AccountName,
        order: OutgoingAction,
    ) -> BoxFuture<'static, Result<PostedIds, ReplyError>>;
}
