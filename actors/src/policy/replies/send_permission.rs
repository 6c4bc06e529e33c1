use crate::model::AccountState;

/// The permission of an account to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SendPermission {
    /// The server has welcomed the account.
    Granted,
    /// The account may be welcomed later.
    Pending,
    /// The account is stopped until the operator starts it.
    Denied,
}

/// Returns an account's permission to send. While the host shuts down, received events are still answered: a
/// stopped account may then send with the token that was last accepted.
pub(crate) fn send_permission(state: AccountState, draining: bool) -> SendPermission {
    use AccountState as S;
    match state {
        S::CatchingUp | S::Ready | S::Stalled | S::Stopping => SendPermission::Granted,
        S::Stopped if draining => SendPermission::Granted,
        S::Stopped => SendPermission::Denied,
        S::Connecting | S::Backoff | S::Blocked | S::Misconfigured | S::Tripped => SendPermission::Pending,
    }
}
