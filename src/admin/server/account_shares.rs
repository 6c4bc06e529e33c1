//! Shares of accounts in what there is a limited number of, such as connections.

use std::{collections::HashMap, sync::Arc};

use matterhost_actors::model::AccountName;
use parking_lot::Mutex;

/// A number of places that accounts share. An account may have as many as are free beside them, so half at most. The last
/// quarter is for accounts that have a few, and the last part of that for those that have none: accounts that keep their
/// places, such as those whose handlers hang, leave some to others, however many each of them asks for. Clones share the
/// places.
#[derive(Debug, Clone)]
pub(crate) struct AccountShares(Arc<Mutex<Places>>);

/// The reserve is this part of all. A second account that keeps all it gets has as many.
const RESERVE: usize = 4;
/// An account may have this part of all from the reserve: a dozen accounts that keep theirs leave the last part.
const FEW: usize = 64;
/// The last part of the reserve is this part of all. So many accounts have a place each, whatever others have.
const LAST: usize = 16;

#[derive(Debug)]
struct Places {
    all: usize,
    free: usize,
    by_account: HashMap<AccountName, usize>,
}

/// A place, which is free once this is dropped.
#[derive(Debug)]
pub(crate) struct AccountPlace {
    account: AccountName,
    shares: AccountShares,
}

impl AccountShares {
    /// Returns so many places.
    pub(crate) fn new(places: usize) -> Self {
        Self(Arc::new(Mutex::new(Places { all: places, free: places, by_account: HashMap::new() })))
    }

    /// Takes a place for an account; `None` if it has its share.
    pub(crate) fn take(&self, account: &AccountName) -> Option<AccountPlace> {
        let places = &mut *self.0.lock();
        let taken = places.by_account.get(account).copied().unwrap_or_default();
        if taken >= places.share() {
            return None;
        }
        places.free -= 1;
        places.by_account.insert(account.clone(), taken + 1);
        Some(AccountPlace { account: account.clone(), shares: self.clone() })
    }
}

impl Places {
    /// Returns the number of places that an account may have now.
    fn share(&self) -> usize {
        match self.free {
            free if free > self.all / RESERVE => free,
            free if free > self.all / LAST => (self.all / FEW).max(1),
            free => free.min(1),
        }
    }
}

impl Drop for AccountPlace {
    fn drop(&mut self) {
        let places = &mut *self.shares.0.lock();
        places.free += 1;
        if let Some(taken) = places.by_account.get_mut(&self.account) {
            *taken -= 1;
            if *taken == 0 {
                places.by_account.remove(&self.account);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn account(n: usize) -> AccountName {
        AccountName::new(&format!("a{n}")).unwrap()
    }

    fn take_all(shares: &AccountShares, n: usize) -> Vec<AccountPlace> {
        std::iter::from_fn(|| shares.take(&account(n))).collect()
    }

    #[test]
    fn one_account_leaves_half_and_nothing_is_left_over() {
        let shares = AccountShares::new(256);
        let mut all = take_all(&shares, 0);
        assert_eq!(all.len(), 128);
        assert_eq!(take_all(&shares, 1).len(), 64, "a half of the other half");
        all.pop();
        assert!(shares.take(&account(0)).is_some(), "a place that is free again");
        all.clear();
        let places = shares.0.lock();
        assert_eq!((places.free, places.by_account.len()), (256, 0));
    }

    #[test]
    fn accounts_that_keep_all_they_get_one_after_another_leave_places_to_others() {
        // Of the connections by default, the fewest, the requests that are being answered, and the look-ups.
        for (all, few, greedy, left) in [(512, 8, 14, 32), (16, 1, 4, 2), (4_000, 62, 14, 256), (32, 1, 8, 2)]
        {
            let shares = AccountShares::new(all);
            let mut kept: Vec<_> = (0..greedy).map(|n| take_all(&shares, n)).collect();
            let had: Vec<_> = kept.iter().map(Vec::len).collect();
            assert_eq!(had[..2], [all / 2, all / 4], "of {all}");
            assert!(had[2..].iter().all(|had| *had == few), "{had:?} of {all}");
            assert_eq!(shares.0.lock().free, left, "of {all}");
            kept.extend((greedy..).map(|n| take_all(&shares, n)).take(all / LAST));
            assert!(kept.iter().all(|kept| !kept.is_empty()), "the last of {all} are for as many accounts");
        }
        for all in 1..64 {
            let shares = AccountShares::new(all);
            let kept: Vec<_> = (0..all).map(|n| take_all(&shares, n)).collect();
            assert_eq!(kept.iter().map(Vec::len).sum::<usize>(), all, "none of {all} is kept from all");
        }
    }

    /// Accounts that take each place that they get, and keep it for a while.
    #[test]
    fn however_many_accounts_want_all_another_one_finds_a_place() {
        for greedy in 1..=30 {
            let shares = AccountShares::new(256);
            let mut taken: Vec<_> = (0..greedy).map(|n| take_all(&shares, n)).collect();
            for _ in 0..100 {
                for (n, places) in taken.iter_mut().enumerate() {
                    places.drain(..places.len() / 2);
                    places.extend(take_all(&shares, n));
                }
            }
            let most = taken.iter().map(Vec::len).max().unwrap();
            assert!(shares.take(&account(99)).is_some(), "{greedy} accounts have {most} at most");
            assert!(most <= 256 / greedy + 1 + 256 / 4, "{greedy} accounts have {most} at most");
        }
    }

    proptest! {
        #[test]
        fn fewer_accounts_than_the_last_part_has_places_leave_one_whatever_they_do(
            steps in vec((0..15usize, 0..40usize, any::<bool>()), 0..200),
        ) {
            let shares = AccountShares::new(256);
            let mut kept: Vec<Vec<AccountPlace>> = (0..15).map(|_| Vec::new()).collect();
            for (n, places, takes) in steps {
                if takes {
                    kept[n].extend((0..places).map_while(|_| shares.take(&account(n))));
                } else {
                    let left = kept[n].len().saturating_sub(places);
                    kept[n].truncate(left);
                }
                prop_assert!(kept[n].len() <= 128);
                let all: usize = kept.iter().map(Vec::len).sum();
                prop_assert_eq!(shares.0.lock().free, 256 - all);
                prop_assert!(shares.take(&account(99)).is_some());
            }
        }
    }
}
