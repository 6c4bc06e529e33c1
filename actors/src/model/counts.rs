//! How many accounts are in which state.

use std::fmt;

use super::AccountState;

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
