//! The states of accounts, and their counts.

use std::fmt;

/// The state of an account.
///
/// ```text
/// stopped ── start ──▶ connecting ──▶ catching_up ──▶ ready ◀──▶ stalled
///    ▲                     ▲  │  ▲          │            │
///    │ stop                │  │  └─ backoff ◀────────────┘ an ending (never charged, or budget left)
///    └── (any) ── stop     │  ├──▶ blocked        401; asked slowly until it answers 200
///                          │  ├──▶ misconfigured  asked slowly
///                          │  └──▶ tripped        budget spent; cooldown, then connecting (half-open)
///                          └── blocked, misconfigured, tripped
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AccountState {
    /// A Connection is waiting for its hello.
    Connecting,
    /// The hello arrived; missed posts are being fetched.
    CatchingUp,
    /// Events are flowing.
    Ready,
    /// Connected, but the sink or the store accepts nothing: reading is paused.
    Stalled,
    /// Waiting before the next Connection.
    Backoff,
    /// The server answers 401; it is polled slowly.
    Blocked,
    /// The server or the route to it is misconfigured; it is polled slowly.
    Misconfigured,
    /// The restart budget is exhausted; the account is retried after the cooldown.
    Tripped,
    /// A Connection is being stopped and has not ended yet.
    Stopping,
    /// Nothing runs until the operator starts the account.
    Stopped,
}

impl AccountState {
    /// All states, the most interesting for an operator first.
    pub const ALL: [Self; 10] = [
        Self::Ready,
        Self::Connecting,
        Self::CatchingUp,
        Self::Stalled,
        Self::Backoff,
        Self::Blocked,
        Self::Misconfigured,
        Self::Tripped,
        Self::Stopping,
        Self::Stopped,
    ];

    /// Returns the state as one word, for logs, metrics and the API.
    pub fn label(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::CatchingUp => "catching_up",
            Self::Ready => "ready",
            Self::Stalled => "stalled",
            Self::Backoff => "backoff",
            Self::Blocked => "blocked",
            Self::Misconfigured => "misconfigured",
            Self::Tripped => "tripped",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }
}

impl fmt::Display for AccountState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.label())
    }
}

/// The number of accounts in each state at one moment, displayed as `3 accounts: 2 ready, 1 blocked`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StateCounts([usize; AccountState::ALL.len()]);

impl StateCounts {
    /// Returns the number of accounts in a state.
    pub fn count(&self, state: AccountState) -> usize {
        self.per_state().filter(|(other, _)| *other == state).map(|(_, count)| count).sum()
    }

    /// Returns the number of all accounts.
    pub fn total(&self) -> usize {
        self.0.iter().sum()
    }

    /// Iterates over all states with their numbers of accounts, empty states included.
    pub fn per_state(&self) -> impl Iterator<Item = (AccountState, usize)> {
        AccountState::ALL.into_iter().zip(self.0)
    }
}

impl FromIterator<AccountState> for StateCounts {
    fn from_iter<I: IntoIterator<Item = AccountState>>(states: I) -> Self {
        let mut counts = Self::default();
        for state in states {
            let index = AccountState::ALL.iter().position(|other| *other == state);
            if let Some(count) = index.and_then(|index| counts.0.get_mut(index)) {
                *count += 1;
            }
        }
        counts
    }
}

impl fmt::Display for StateCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.total();
        write!(f, "{total} account{}", if total == 1 { "" } else { "s" })?;
        let occupied = self.per_state().filter(|(_, count)| *count > 0);
        for (at, (state, count)) in occupied.enumerate() {
            let separator = if at == 0 { ": " } else { ", " };
            write!(f, "{separator}{count} {}", state.label().replace('_', " "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_displayed_in_words() {
        use AccountState::{Backoff, CatchingUp, Ready};
        for (states, words) in [
            (&[][..], "0 accounts"),
            (&[Ready], "1 account: 1 ready"),
            (&[CatchingUp, Ready, Backoff, Ready], "4 accounts: 2 ready, 1 catching up, 1 backoff"),
        ] {
            assert_eq!(states.iter().copied().collect::<StateCounts>().to_string(), words);
        }
    }

    #[test]
    fn each_state_is_counted() {
        let counts: StateCounts = AccountState::ALL.into_iter().collect();
        assert_eq!(counts.total(), AccountState::ALL.len());
        assert!(AccountState::ALL.into_iter().all(|state| counts.count(state) == 1));
    }
}
