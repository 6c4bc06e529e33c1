//! What outlives the process.

use futures_util::future::BoxFuture;

use crate::model::{AccountName, Records};

/// Keeps what accounts have acknowledged, for the next process.
///
/// What it promises: a commit is whole or not at all, and when it is answered with success it outlives a kill of the
/// process; commits of one account take effect in the order in which they were asked for; nothing that was kept is
/// overwritten because it cannot be read; it never blocks the calling thread. What it is promised: the next commit
/// of an account is asked for when the last one is answered.
pub trait CursorStore: Send + Sync + 'static {
    /// All that is kept of an account; empty for one that is not known.
    fn load(&self, account: &AccountName) -> BoxFuture<'static, Result<Records, StoreError>>;

    /// Puts changes on what is kept of an account.
    fn commit(&self, account: &AccountName, changes: Records) -> BoxFuture<'static, Result<(), StoreError>>;

    /// Forgets an account: it begins anew.
    fn forget(&self, account: &AccountName) -> BoxFuture<'static, Result<(), StoreError>>;
}

/// A store could not do what it was asked. Nothing was changed by it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    /// Which file, what is wrong, and how to mend it.
    pub message: String,
}
