use crate::model::AccountName;

/// The permission of accounts to act, for hosts that share accounts: another host may own an account from one moment to the
/// next, for instance after this process was stopped for a while.
///
/// It is asked right before each event is delivered and each reply is sent, from any thread, and never blocks.
pub trait AccountFence: Send + Sync + 'static {
    /// Returns true while the account may act here.
    fn is_open(&self, account: &AccountName) -> bool;
}
