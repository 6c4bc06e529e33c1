//! The limits of the requests that are being answered at once.

use std::{collections::HashMap, sync::Arc};

use matterhost_actors::model::AccountName;
use parking_lot::Mutex;

/// The most requests of all accounts: a thousand a second for the three seconds that a person waits, and as many that are
/// answered later.
const MAX_AT_ONCE: usize = 4_000;

/// The most requests of one account, so that a bot that answers nothing leaves room for others.
const MAX_OF_ACCOUNT: usize = 1_000;

/// The requests that are being answered, also after the response. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct AtOnce(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    by_account: HashMap<AccountName, usize>,
}

/// A request that is being answered until this is dropped.
#[derive(Debug)]
pub(super) struct Answering {
    account: AccountName,
    at_once: AtOnce,
}

impl AtOnce {
    /// Counts a request of an account; `None` if there are too many.
    pub(super) fn begin(&self, account: &AccountName) -> Option<Answering> {
        let counts = &mut *self.0.lock();
        let of_account = counts.by_account.get(account).copied().unwrap_or_default();
        if counts.all >= MAX_AT_ONCE || of_account >= MAX_OF_ACCOUNT {
            return None;
        }
        counts.all += 1;
        counts.by_account.insert(account.clone(), of_account + 1);
        Some(Answering { account: account.clone(), at_once: self.clone() })
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        let counts = &mut *self.at_once.0.lock();
        counts.all -= 1;
        if let Some(of_account) = counts.by_account.get_mut(&self.account) {
            *of_account -= 1;
            if *of_account == 0 {
                counts.by_account.remove(&self.account);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_account_leaves_room_for_others_and_all_have_a_limit() {
        let at_once = AtOnce::default();
        let begin_all = |name: usize| {
            let account = AccountName::new(&format!("a{name}")).unwrap();
            std::iter::from_fn(|| at_once.begin(&account)).collect::<Vec<_>>()
        };
        let mut all: Vec<_> = (0..5).map(begin_all).collect();
        let counts: Vec<_> = all.iter().map(Vec::len).collect();
        assert_eq!(counts, [1_000, 1_000, 1_000, 1_000, 0]);
        all[0].pop();
        assert_eq!(begin_all(4).len(), 1);
        all.clear();
        let counts = at_once.0.lock();
        assert_eq!((counts.all, counts.by_account.len()), (0, 0), "nothing is left over");
    }
}
