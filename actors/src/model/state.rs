//! The state of an account, as the Supervisor sees it.

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
    /// A Connection is on its way to its hello.
    Connecting,
    /// Hello came; what was missed is being fetched.
    CatchingUp,
    /// Events flow.
    Ready,
    /// Connected, but the sink or the store takes nothing: reading is paused.
    Stalled,
    /// Waiting before the next Connection.
    Backoff,
    /// The server answers 401; asked slowly.
    Blocked,
    /// The server or the way to it is set up wrongly; asked slowly.
    Misconfigured,
    /// The restart budget is spent; tried again after the cooldown.
    Tripped,
    /// A Connection was told to stop and has not ended yet.
    Stopping,
    /// Nothing runs until somebody starts it.
    Stopped,
}

impl AccountState {
    /// All of them, in the order in which a person asks for them.
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

    /// The state in one word, for logs, metrics and the API.
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

/// How many accounts are in which state at one moment. Shown in words: `3 accounts: 2 ready, 1 blocked`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StateCounts([usize; AccountState::ALL.len()]);

impl StateCounts {
    /// Accounts in that state.
    pub fn count(&self, state: AccountState) -> usize {
        self.per_state().filter(|(other, _)| *other == state).map(|(_, count)| count).sum()
    }

    /// All accounts.
    pub fn total(&self) -> usize {
        self.0.iter().sum()
    }

    /// Each state with its number of accounts, those without any too.
    pub fn per_state(&self) -> impl Iterator<Item = (AccountState, usize)> {
        AccountState::ALL.into_iter().zip(self.0)
    }
}

impl FromIterator<AccountState> for StateCounts {
    fn from_iter<I: IntoIterator<Item = AccountState>>(states: I) -> Self {
        let mut counts = Self::default();
        for state in states {
            let place = AccountState::ALL.iter().position(|other| *other == state);
            if let Some(count) = place.and_then(|place| counts.0.get_mut(place)) {
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
        let some = self.per_state().filter(|(_, count)| *count > 0);
        for (at, (state, count)) in some.enumerate() {
            let between = if at == 0 { ": " } else { ", " };
            write!(f, "{between}{count} {}", state.label().replace('_', " "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_told_in_words() {
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
