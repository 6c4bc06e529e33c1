//! The persistence of acknowledged events.

use futures_util::future::BoxFuture;

use crate::model::{AccountName, Changes, Records};

/// A store of what accounts have acknowledged, for the next process.
///
/// A commit is atomic for each channel, and after its success it survives a kill of the process. A kill during a commit
/// of many channels may leave some of them changed; the account's own record is changed with the last of them, so that its
/// resume point and its last listing never claim more than the channels do. Commits of one account take effect in the order
/// of the calls. Unreadable data is never overwritten. The calling thread is never blocked. The caller commits for an
/// account only after the previous commit was answered.
pub trait CursorStore: Send + Sync + 'static {
    /// Loads the records of an account; empty for an unknown one.
    fn load(&self, account: &AccountName) -> BoxFuture<'static, Result<Records, StoreError>>;

    /// Applies changes to the records of an account. Fails if they update a record that is not stored.
    fn commit(&self, account: &AccountName, changes: Changes) -> BoxFuture<'static, Result<(), StoreError>>;

    /// Returns true if the store keeps the values of bots, too. Otherwise it is given none.
    fn keeps_values(&self) -> bool {
        false
    }

    /// Deletes the records of an account, which then starts afresh.
    fn forget(&self, account: &AccountName) -> BoxFuture<'static, Result<(), StoreError>>;
}

/// A failed operation of a store. Of a commit of many channels, some may have been changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    /// The file, the problem and how to fix it.
    pub message: String,
}

impl StoreError {
    /// Creates the error of a commit that updates a record which is not stored.
    pub fn not_stored(account: &AccountName) -> Self {
        let message = format!(
            "account {account}: a changed record is not in the store; matterhost writes the whole record at its next try"
        );
        Self { message }
    }
}
