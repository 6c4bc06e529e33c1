use std::{
    collections::{BinaryHeap, VecDeque},
    hash::Hash,
};

use crate::model::IdMap;

/// A queue of items in lanes, one for each key. Items of a lane are taken in order and one at a time; across all
/// lanes at most `max_in_flight` are out at once. It is not bounded itself: the permits that items carry are.
#[derive(Debug)]
pub struct KeyedQueue<K, T> {
    by_key: IdMap<K, Lane<T>>,
    /// Lanes with a waiting item and none out, in the order in which they became ready.
    ready: VecDeque<K>,
    max_in_flight: usize,
    in_flight: usize,
    waiting: usize,
}

#[derive(Debug)]
struct Lane<T> {
    items: VecDeque<T>,
    out: bool,
    paused: bool,
}

impl<K: Clone + Eq + Hash, T> KeyedQueue<K, T> {
    /// Creates a queue with at most `max_in_flight` items out at once.
    pub fn new(max_in_flight: usize) -> Self {
        Self {
            by_key: IdMap::default(),
            ready: VecDeque::new(),
            max_in_flight: max_in_flight.max(1),
            in_flight: 0,
            waiting: 0,
        }
    }

    /// Changes the maximum number of items out at once. Items that are out stay out.
    pub fn set_max_in_flight(&mut self, max_in_flight: usize) {
        self.max_in_flight = max_in_flight.max(1);
    }

    /// Appends an item to its lane.
    pub fn push(&mut self, key: K, item: T) {
        self.waiting += 1;
        let lane = self.by_key.entry(key.clone()).or_insert_with(|| Lane {
            items: VecDeque::new(),
            out: false,
            paused: false,
        });
        lane.items.push_back(item);
        if lane.items.len() == 1 && !lane.out {
            self.ready.push_back(key);
        }
    }

    /// Removes the next item that may go out.
    pub fn take(&mut self) -> Option<(K, T)> {
        if self.in_flight >= self.max_in_flight {
            return None;
        }
        let key = self.ready.pop_front()?;
        let lane = self.by_key.get_mut(&key)?;
        let item = lane.items.pop_front()?;
        lane.out = true;
        self.in_flight += 1;
        self.waiting -= 1;
        Some((key, item))
    }

    /// Completes the item of a lane that is out.
    pub fn complete(&mut self, key: &K) {
        let Some(lane) = self.by_key.get_mut(key).filter(|lane| lane.out && !lane.paused) else { return };
        self.in_flight -= 1;
        lane.out = false;
        if lane.items.is_empty() {
            self.by_key.remove(key);
        } else {
            self.ready.push_back(key.clone());
        }
    }

    /// Puts the item of a lane back, as its next item.
    pub fn requeue(&mut self, key: &K, item: T) {
        self.pause(key, item);
        self.resume(key);
    }

    /// Puts the item of a lane back and pauses the lane: nothing counts as out, and nothing more is taken from it.
    pub fn pause(&mut self, key: &K, item: T) {
        let Some(lane) = self.by_key.get_mut(key).filter(|lane| lane.out && !lane.paused) else { return };
        lane.items.push_front(item);
        lane.paused = true;
        self.waiting += 1;
        self.in_flight -= 1;
    }

    /// Resumes a paused lane.
    pub fn resume(&mut self, key: &K) {
        let Some(lane) = self.by_key.get_mut(key).filter(|lane| lane.paused) else { return };
        lane.paused = false;
        lane.out = false;
        self.ready.push_back(key.clone());
    }

    /// Iterates over the waiting items of a lane, in order.
    pub fn waiting_in(&self, key: &K) -> impl Iterator<Item = &T> {
        self.by_key.get(key).into_iter().flat_map(|lane| &lane.items)
    }

    /// Removes the newest items of lanes whose next item is lagging, of the heaviest lane first, until the lagging lanes
    /// weigh no more than the limit together. Each keeps its next item. Returns the removed items by lane, newest first.
    pub fn trim(
        &mut self,
        is_lagging: impl Fn(&T) -> bool,
        weight: impl Fn(&T) -> usize,
        limit: usize,
    ) -> Vec<(K, Vec<T>)> {
        let lagging = self.by_key.iter_mut().filter(|(_, lane)| lane.items.front().is_some_and(&is_lagging));
        let mut lanes: Vec<_> = lagging.map(|(key, lane)| (key, lane, Vec::new())).collect();
        let weights = lanes.iter().map(|(_, lane, _)| lane.items.iter().map(&weight).sum());
        let mut heaviest: BinaryHeap<(usize, usize)> =
            weights.enumerate().map(|(index, weight)| (weight, index)).collect();
        let mut total: usize = heaviest.iter().map(|(weight, _)| weight).sum();
        while total > limit
            && let Some((lane_weight, index)) = heaviest.pop()
        {
            let (_, lane, removed) = &mut lanes[index];
            if lane.items.len() > 1
                && let Some(item) = lane.items.pop_back()
            {
                let weight = weight(&item);
                total -= weight;
                self.waiting -= 1;
                removed.push(item);
                heaviest.push((lane_weight - weight, index));
            }
        }
        let trimmed = lanes.into_iter().filter(|(_, _, removed)| !removed.is_empty());
        trimmed.map(|(key, _, removed)| (key.clone(), removed)).collect()
    }

    /// Iterates over the waiting items, in no particular order.
    pub fn waiting(&self) -> impl Iterator<Item = &T> {
        self.by_key.values().flat_map(|lane| &lane.items)
    }

    /// Returns the number of items waiting or out.
    pub fn len(&self) -> usize {
        self.waiting + self.in_flight
    }

    /// Returns the number of items out.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// True if no item is waiting or out.
    pub fn is_empty(&self) -> bool {
        self.waiting == 0 && self.in_flight == 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_item_per_key_and_a_limited_number_overall() {
        let mut queue = KeyedQueue::new(2);
        for (key, item) in [("a", 1), ("a", 2), ("b", 3), ("c", 4)] {
            queue.push(key, item);
        }
        assert_eq!((queue.take(), queue.take(), queue.take()), (Some(("a", 1)), Some(("b", 3)), None));
        queue.complete(&"b");
        assert_eq!(queue.take(), Some(("c", 4)));
        queue.requeue(&"a", 1);
        assert_eq!(queue.take(), Some(("a", 1)), "a requeued item goes first");
        queue.complete(&"a");
        queue.complete(&"c");
        assert_eq!(queue.take(), Some(("a", 2)));
        queue.complete(&"a");
        assert!(queue.is_empty());
    }

    #[test]
    fn a_paused_key_does_not_block_others() {
        let mut queue = KeyedQueue::new(1);
        for (key, item) in [("a", 1), ("a", 2), ("b", 3)] {
            queue.push(key, item);
        }
        queue.take();
        queue.pause(&"a", 1);
        assert_eq!((queue.take(), queue.take()), (Some(("b", 3)), None));
        queue.complete(&"b");
        assert!(queue.take().is_none() && !queue.is_empty());
        queue.resume(&"a");
        assert_eq!(queue.take(), Some(("a", 1)));
    }

    #[test]
    fn lagging_lanes_are_trimmed_to_the_limit_and_keep_their_next_item() {
        let items = |queue: &KeyedQueue<&str, i32>, key| queue.waiting_in(&key).copied().collect::<Vec<_>>();
        let mut queue = KeyedQueue::new(9);
        for (key, item) in [("a", 1), ("a", 2), ("a", 3), ("a", 4), ("b", 5), ("b", 6), ("c", 70), ("c", 71)]
        {
            queue.push(key, item);
        }
        let is_lagging = |item: &i32| *item < 50;
        assert!(queue.trim(is_lagging, |_| 1, 6).is_empty(), "within the limit");
        assert_eq!(queue.trim(is_lagging, |_| 1, 4), [("a", vec![4, 3])]);
        queue.trim(is_lagging, |_| 1, 0);
        assert_eq!((items(&queue, "a"), items(&queue, "b")), (vec![1], vec![5]));
        assert_eq!((items(&queue, "c"), queue.len()), (vec![70, 71], 4), "others are not touched");
    }

    proptest! {
        /// In any interleaving, the items of each lane complete in order, once each, however often they are put
        /// back.
        #[test]
        fn order_within_a_key_always_holds(
            items in proptest::collection::vec(0u8..4, 1..60),
            choices in proptest::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 400),
            in_flight in 1usize..5,
        ) {
            let mut queue = KeyedQueue::new(in_flight);
            for (n, key) in items.iter().enumerate() {
                queue.push(*key, n);
            }
            let mut out: Vec<(u8, usize)> = Vec::new();
            let mut done: Vec<(u8, usize)> = Vec::new();
            for (index, back) in choices {
                out.extend(queue.take());
                prop_assert!(out.len() <= in_flight);
                if !out.is_empty() {
                    let (key, item) = out.swap_remove(index.index(out.len()));
                    if back { queue.requeue(&key, item) } else { queue.complete(&key); done.push((key, item)); }
                }
            }
            while let Some((key, item)) = out.pop().or_else(|| queue.take()) {
                queue.complete(&key);
                done.push((key, item));
            }
            prop_assert!(queue.is_empty());
            for lane in 0..4 {
                let expected = (0..items.len()).filter(|n| items[*n] == lane);
                prop_assert!(done.iter().filter(|(key, _)| *key == lane).map(|(_, n)| *n).eq(expected));
            }
        }
    }
}
