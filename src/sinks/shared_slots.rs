//! A queue that shares the slots of a sink between accounts.

use std::collections::{HashMap, VecDeque};

use matterhost_actors::model::AccountName;

/// The part of the slots that one account leaves to others, so that a healthy account need not wait for the slow
/// requests of another.
const RESERVE: usize = 4;

/// The items that wait for a slot of a sink, and the slots in use. Accounts take turns. While several have items, each
/// gets at most its share of the slots; what others do not need is given out, apart from a reserve. An account that is
/// alone on the sink gets all.
#[derive(Debug)]
pub(super) struct SharedSlots<T> {
    slots: usize,
    in_use: usize,
    accounts: HashMap<AccountName, Account<T>>,
    /// The number of accounts with waiting items or slots.
    active: usize,
    /// The accounts with waiting items, the next one first.
    turns: VecDeque<AccountName>,
}

#[derive(Debug)]
struct Account<T> {
    waiting: VecDeque<T>,
    in_use: usize,
    /// True if it is forgotten once it has neither items nor slots.
    is_leaving: bool,
}

impl<T> SharedSlots<T> {
    /// Creates an empty queue for so many slots.
    pub(super) fn new(slots: usize) -> Self {
        Self { slots: slots.max(1), in_use: 0, accounts: HashMap::new(), active: 0, turns: VecDeque::new() }
    }

    /// Appends an item of an account.
    pub(super) fn push(&mut self, account: &AccountName, item: T) {
        let queue = self.account(account);
        let (was_idle, was_empty) = (queue.is_idle(), queue.waiting.is_empty());
        queue.waiting.push_back(item);
        self.active += usize::from(was_idle);
        if was_empty {
            self.turns.push_back(account.clone());
        }
    }

    /// Returns the record of an account that delivers.
    fn account(&mut self, account: &AccountName) -> &mut Account<T> {
        let queue = self.accounts.entry(account.clone()).or_insert_with(|| Account {
            waiting: VecDeque::new(),
            in_use: 0,
            is_leaving: false,
        });
        queue.is_leaving = false;
        queue
    }

    /// Takes the next item and a slot for it; `None` if no item may have a slot.
    pub(super) fn take(&mut self) -> Option<T> {
        if self.in_use >= self.slots {
            return None;
        }
        let share = self.slots.div_ceil(self.active.max(1));
        let index = self.next_below(share.min(self.most())).or_else(|| self.next_below(self.most()))?;
        self.take_at(index, 1)
    }

    /// Takes a slot for an item of an account that did not wait here. Returns false if all are in use.
    pub(super) fn occupy(&mut self, account: &AccountName) -> bool {
        let is_free = self.in_use < self.slots;
        if is_free {
            let queue = self.account(account);
            let was_idle = queue.is_idle();
            queue.in_use += 1;
            self.in_use += 1;
            self.active += usize::from(was_idle);
        }
        is_free
    }

    /// Takes the next item if it fits. It shares the slot of the last one taken.
    pub(super) fn take_along_if(&mut self, fits: impl Fn(&T) -> bool) -> Option<T> {
        let next = self.accounts.get(self.turns.front()?)?.waiting.front()?;
        if fits(next) { self.take_at(0, 0) } else { None }
    }

    /// Returns a slot of an account.
    pub(super) fn release(&mut self, account: &AccountName) {
        if let Some(queue) = self.accounts.get_mut(account).filter(|queue| queue.in_use > 0) {
            queue.in_use -= 1;
            self.in_use -= 1;
            self.active -= usize::from(queue.is_idle());
        }
        self.remove_if_gone(account);
    }

    /// Forgets an account that delivers no more, once it has neither items nor slots.
    pub(super) fn forget(&mut self, account: &AccountName) {
        if let Some(queue) = self.accounts.get_mut(account) {
            queue.is_leaving = true;
        }
        self.remove_if_gone(account);
    }

    fn remove_if_gone(&mut self, account: &AccountName) {
        if self.accounts.get(account).is_some_and(|queue| queue.is_leaving && queue.is_idle()) {
            self.accounts.remove(account);
        }
    }

    /// Removes the items of an account that need not wait any more.
    pub(super) fn remove(&mut self, account: &AccountName, is_needless: impl Fn(&T) -> bool) {
        let Some(queue) = self.accounts.get_mut(account).filter(|queue| !queue.waiting.is_empty()) else {
            return;
        };
        queue.waiting.retain(|item| !is_needless(item));
        if !queue.waiting.is_empty() {
            return;
        }
        let is_idle = queue.is_idle();
        self.turns.retain(|name| name != account);
        if is_idle {
            self.active -= 1;
            self.remove_if_gone(account);
        }
    }

    /// Takes all waiting items, without slots for them.
    pub(super) fn take_waiting(&mut self) -> Vec<T> {
        let mut taken = Vec::new();
        while !self.turns.is_empty() {
            taken.extend(self.take_at(0, 0));
        }
        taken
    }

    /// Returns all slots and takes all waiting items.
    pub(super) fn clear(&mut self) -> Vec<T> {
        (self.in_use, self.active) = (0, self.turns.len());
        self.accounts.values_mut().for_each(|queue| queue.in_use = 0);
        let taken = self.take_waiting();
        self.accounts.retain(|_, queue| !queue.is_leaving);
        taken
    }

    /// Returns the most slots that one account may have.
    fn most(&self) -> usize {
        // Accounts that were here once are remembered, so that there is a reserve before the first conflict.
        if self.accounts.len() < 2 || self.slots == 1 {
            return self.slots;
        }
        self.slots - (self.slots / RESERVE).max(1)
    }

    /// Returns the place of the next account with fewer slots than that.
    fn next_below(&self, limit: usize) -> Option<usize> {
        self.turns.iter().position(|name| self.accounts.get(name).is_some_and(|queue| queue.in_use < limit))
    }

    /// Takes an item of the account at that place, with so many slots. The account's next turn comes last.
    fn take_at(&mut self, index: usize, slots: usize) -> Option<T> {
        let account = self.turns.remove(index)?;
        let queue = self.accounts.get_mut(&account)?;
        let item = queue.waiting.pop_front()?;
        queue.in_use += slots;
        self.in_use += slots;
        if !queue.waiting.is_empty() {
            self.turns.push_back(account);
        } else if queue.is_idle() {
            self.active -= 1;
            self.remove_if_gone(&account);
        }
        Some(item)
    }
}

impl<T> Account<T> {
    fn is_idle(&self) -> bool {
        self.in_use == 0 && self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(account: usize) -> AccountName {
        AccountName::new(&format!("a{account}")).unwrap()
    }

    fn take_all(queue: &mut SharedSlots<usize>) -> Vec<usize> {
        std::iter::from_fn(|| queue.take()).collect()
    }

    #[test]
    fn an_account_that_is_alone_gets_all_slots() {
        let mut queue = SharedSlots::new(8);
        (0..10).for_each(|_| queue.push(&name(0), 0));
        assert_eq!(take_all(&mut queue).len(), 8);
    }

    #[test]
    fn accounts_that_wait_at_once_get_the_same_share() {
        let mut queue = SharedSlots::new(8);
        (0..100).for_each(|_| queue.push(&name(0), 0));
        (1..4).for_each(|account| (0..3).for_each(|_| queue.push(&name(account), account)));
        let mut taken = take_all(&mut queue);
        taken.sort_unstable();
        assert_eq!(taken, [0, 0, 1, 1, 2, 2, 3, 3]);
    }

    #[test]
    fn slow_events_of_one_account_leave_slots_to_another() {
        let mut queue = SharedSlots::new(8);
        queue.push(&name(1), 1);
        assert_eq!(take_all(&mut queue), [1]);
        queue.release(&name(1));
        (0..16).for_each(|_| queue.push(&name(0), 0));
        assert_eq!(take_all(&mut queue), [0; 6]);
        queue.push(&name(1), 1);
        assert_eq!(queue.take(), Some(1), "the other account does not wait");
    }

    #[test]
    fn an_account_that_has_left_keeps_no_reserve() {
        for leaves_with in ["nothing", "a slot", "an item", "a cleared slot"] {
            let mut queue = SharedSlots::new(8);
            queue.push(&name(1), 1);
            match leaves_with {
                "nothing" => {
                    queue.take();
                    queue.release(&name(1));
                    queue.forget(&name(1));
                }
                "a slot" => {
                    queue.take();
                    queue.forget(&name(1));
                    queue.release(&name(1));
                }
                "an item" => {
                    queue.forget(&name(1));
                    assert_eq!(queue.take_waiting(), [1]);
                }
                _ => {
                    queue.take();
                    queue.forget(&name(1));
                    assert!(queue.clear().is_empty());
                }
            }
            (0..16).for_each(|_| queue.push(&name(0), 0));
            assert_eq!(take_all(&mut queue).len(), 8, "it left with {leaves_with}");
        }
    }

    #[test]
    fn a_slot_for_an_item_from_elsewhere_counts_as_one() {
        let mut queue = SharedSlots::new(2);
        assert!(queue.occupy(&name(0)));
        (0..3).for_each(|_| queue.push(&name(0), 0));
        assert_eq!(take_all(&mut queue), [0]);
        assert!(!queue.occupy(&name(1)));
        queue.release(&name(0));
        assert!(queue.occupy(&name(1)));
        queue.release(&name(0));
        queue.release(&name(1));
        assert_eq!((queue.in_use, queue.active), (0, 1), "items of an account still wait");
    }

    #[test]
    fn items_that_need_not_wait_are_removed() {
        let mut queue = SharedSlots::new(1);
        for (account, item) in [(0, 0), (0, 1), (1, 2), (1, 3)] {
            queue.push(&name(account), item);
        }
        assert_eq!(queue.take(), Some(0));
        queue.remove(&name(0), |item| *item == 1);
        queue.remove(&name(1), |item| *item == 2);
        assert_eq!((queue.active, queue.turns.len()), (2, 1), "the first has a slot");
        queue.forget(&name(1));
        queue.remove(&name(1), |_| true);
        assert_eq!((queue.active, queue.turns.len(), queue.accounts.len()), (1, 0, 1));
        queue.push(&name(0), 4);
        queue.release(&name(0));
        assert_eq!((queue.take(), queue.take()), (Some(4), None));
    }

    #[test]
    fn one_slot_is_given_out_in_turns() {
        let mut queue = SharedSlots::new(1);
        for account in [0, 0, 0, 1, 1] {
            queue.push(&name(account), account);
        }
        let mut order = Vec::new();
        while let Some(account) = queue.take() {
            order.push(account);
            queue.release(&name(account));
        }
        assert_eq!(order, [0, 1, 0, 1, 0]);
    }

    proptest! {
        #[test]
        fn every_item_is_taken_once_and_slots_are_kept(
            slots in 1_usize..10, pushes in prop::collection::vec(0_usize..5, 0..200),
        ) {
            let mut queue = SharedSlots::new(slots);
            for account in &pushes {
                queue.push(&name(*account), *account);
            }
            let (mut held, mut taken) = (Vec::new(), Vec::new());
            loop {
                let now = take_all(&mut queue);
                held.extend(&now);
                taken.extend(now);
                prop_assert!(held.len() <= slots);
                let Some(done) = held.pop() else { break };
                queue.release(&name(done));
            }
            let mut expected = pushes.clone();
            expected.sort_unstable();
            taken.sort_unstable();
            prop_assert_eq!(taken, expected);
        }
    }
}
