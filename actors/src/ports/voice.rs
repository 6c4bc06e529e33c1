//! What speaks for accounts.

use futures_util::future::BoxFuture;

use crate::model::{AccountName, Order, Posted, ReplyError};

/// Speaks for accounts.
///
/// What it promises: each order is answered in bounded time; what was asked for with one key is posted once; orders of
/// one account keep their order within a channel; it never blocks the calling thread.
pub trait Voice: Send + Sync + 'static {
    /// Has an account do something.
    fn speak(&self, account: &AccountName, order: Order) -> BoxFuture<'static, Result<Posted, ReplyError>>;
}
