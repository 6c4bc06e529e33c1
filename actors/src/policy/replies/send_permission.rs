//! Whether an account may speak, by the state that it is in.

use crate::model::AccountState;

/// Whether an account may speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SendPermission {
    /// The server has welcomed it.
    Granted,
    /// Not now: it may be welcomed later.
    Pending,
    /// Not until somebody starts it.
    Denied,
}

/// Whether an account may speak. While the host parts, what was heard is still answered: a stopped account may speak
/// then, with the token that it was welcomed with.
pub(crate) fn send_permission(state: AccountState, draining: bool) -> SendPermission {
    use AccountState as S;
    match state {
        S::CatchingUp | S::Ready | S::Stalled | S::Stopping => SendPermission::Granted,
        S::Stopped if draining => SendPermission::Granted,
        S::Stopped => SendPermission::Denied,
        S::Connecting | S::Backoff | S::Blocked | S::Misconfigured | S::Tripped => SendPermission::Pending,
    }
}
