//! The last changes of users that are not hosted here.

use std::collections::HashMap;

use crate::model::UserId;

/// The users that are remembered for certain. The sockets of a host report a change at about the same time, so that it is enough
/// to know the changes of the last moments, also while a directory changes all users.
const MIN_REMEMBERED: usize = 4_096;

/// The newest changes of the users that have changed last: at most twice [`MIN_REMEMBERED`].
#[derive(Debug, Default)]
pub(crate) struct RecentChanges {
    newer: HashMap<UserId, i64>,
    older: HashMap<UserId, i64>,
}

impl RecentChanges {
    /// Records a change. Returns true unless it, or a later one of that user, is remembered.
    pub(crate) fn record(&mut self, user: &UserId, update_at: i64) -> bool {
        let known = self.newer.get(user).or_else(|| self.older.get(user));
        if known.is_some_and(|known| update_at <= *known) {
            return false;
        }
        if self.newer.len() >= MIN_REMEMBERED {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(user.clone(), update_at);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_new_once() {
        let mut changes = RecentChanges::default();
        let user = UserId::from("u1");
        for (update_at, is_new) in [(100, true), (100, false), (99, false), (101, true), (101, false)] {
            assert_eq!(changes.record(&user, update_at), is_new, "{update_at}");
        }
        assert!(changes.record(&"u2".into(), 100));
    }

    #[test]
    fn the_last_changes_are_remembered_and_no_more_than_twice_as_many() {
        let mut changes = RecentChanges::default();
        let user = |n: usize| UserId::from(&*format!("u{n}"));
        for n in 0..3 * MIN_REMEMBERED {
            assert!(changes.record(&user(n), 1));
            assert!(!changes.record(&user(n.saturating_sub(MIN_REMEMBERED - 1)), 1), "{n}");
            assert!(changes.newer.len() + changes.older.len() <= 2 * MIN_REMEMBERED);
        }
        assert!(changes.record(&user(0), 1), "forgotten by now");
    }
}
