//! The persistence of acknowledged events.

use futures_util::future::BoxFuture;

use crate::model::{AccountName, Records};

/// A store of what accounts have acknowledged, for the next process.
///
/// A commit is atomic, and after its success it survives a kill of the process. Commits of one account take effect
/// in the order of the calls. Unreadable data is never overwritten. The calling thread is never blocked. The
/// caller commits for an account only after the previous commit was answered.
pub trait CursorStore: Send + Sync + 'static {
    /// Loads the records of an account; empty for an unknown one.
    fn load(&self, account: &AccountName) -> BoxFuture<'static, Result<Records, StoreError>>;

    /// Merges changes into the records of an account.
    fn commit(&self, account: &AccountName, changes: Records) -> BoxFuture<'static, Result<(), StoreError>>;

    /// Deletes the records of an account, which then starts afresh.
    fn forget(&self, account: &AccountName) -> BoxFuture<'static, Result<(), StoreError>>;
}

/// A failed operation of a store, which changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    /// The file, the problem and how to fix it.
    pub message: String,
}
