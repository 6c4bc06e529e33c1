//! Shares of accounts in what there is a limited number of, such as connections.

use std::{collections::HashMap, sync::Arc};

use matterhost_actors::model::AccountName;
use parking_lot::Mutex;

/// A number of places that accounts share. An account may have as many as are free beside them, so that one that keeps its
/// places leaves half to others, two leave a third, and so on. Clones share the places.
#[derive(Debug, Clone)]
pub(crate) struct AccountShares(Arc<Mutex<Places>>);

#[derive(Debug)]
struct Places {
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
        Self(Arc::new(Mutex::new(Places { free: places, by_account: HashMap::new() })))
    }

    /// Takes a place for an account; `None` if it has its share.
    pub(crate) fn take(&self, account: &AccountName) -> Option<AccountPlace> {
        let places = &mut *self.0.lock();
        let taken = places.by_account.get(account).copied().unwrap_or_default();
        if taken >= places.free {
            return None;
        }
        places.free -= 1;
        places.by_account.insert(account.clone(), taken + 1);
        Some(AccountPlace { account: account.clone(), shares: self.clone() })
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
        assert_eq!(take_all(&shares, 1).len(), 64, "the other half is shared likewise");
        all.pop();
        assert!(shares.take(&account(0)).is_some(), "a place that is free again");
        all.clear();
        let places = shares.0.lock();
        assert_eq!((places.free, places.by_account.len()), (256, 0));
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
}
