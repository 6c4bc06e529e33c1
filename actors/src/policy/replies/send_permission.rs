//! Whether an account may speak, by the state that it is in.

use crate::model::AccountState;

/// Whether an account may speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The server has welcomed it.
    May,
    /// Not now: it may be welcomed later.
    Waits,
    /// Not until somebody starts it.
    Stopped,
}

/// Whether an account may speak. While the host parts, what was heard is still answered: a stopped account may speak
/// then, with the token that it was welcomed with.
pub fn standing(state: AccountState, parting: bool) -> Standing {
    use AccountState as S;
    match state {
        S::CatchingUp | S::Ready | S::Stalled | S::Stopping => Standing::May,
        S::Stopped if parting => Standing::May,
        S::Stopped => Standing::Stopped,
        S::Connecting | S::Backoff | S::Blocked | S::Misconfigured | S::Tripped => Standing::Waits,
    }
}
