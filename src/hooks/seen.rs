//! The requests that were taken, to refuse them a second time.

use std::{
    collections::{HashSet, VecDeque},
    time::{Duration, Instant},
};

use ring::digest::{SHA256, digest};

/// The requests that are remembered: a thousand a second for a minute. The oldest are forgotten first.
const MAX_SEEN: usize = 60_000;

/// The digests of the requests that were taken, for a time.
#[derive(Debug)]
pub struct Seen {
    keeps: Duration,
    known: HashSet<[u8; 32]>,
    order: VecDeque<(Instant, [u8; 32])>,
}

impl Seen {
    /// Returns an empty memory that keeps each request for that long.
    pub fn new(keeps: Duration) -> Self {
        Self { keeps, known: HashSet::new(), order: VecDeque::new() }
    }

    /// Returns true for a request that was not seen before, and remembers it.
    pub fn is_new(&mut self, request: &str, now: Instant) -> bool {
        let keeps = self.keeps;
        self.forget(|at, _| now.saturating_duration_since(at) >= keeps);
        let key = hash(request);
        if self.known.contains(&key) {
            return false;
        }
        self.forget(|_, count| count >= MAX_SEEN);
        self.known.insert(key);
        self.order.push_back((now, key));
        true
    }

    /// Forgets a request, which is then new again.
    pub fn remove(&mut self, request: &str) {
        self.known.remove(&hash(request));
    }

    /// Forgets the oldest requests, as long as their time or the number of all is too large.
    fn forget(&mut self, is_too_much: impl Fn(Instant, usize) -> bool) {
        while let Some((at, key)) = self.order.front() {
            if !is_too_much(*at, self.order.len()) {
                return;
            }
            self.known.remove(key);
            self.order.pop_front();
        }
    }
}

fn hash(request: &str) -> [u8; 32] {
    let mut key = [0; 32];
    key.copy_from_slice(digest(&SHA256, request.as_bytes()).as_ref());
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEPS: Duration = Duration::from_secs(60);

    #[test]
    fn a_request_is_new_once_within_the_time() {
        let (mut seen, start) = (Seen::new(KEEPS), Instant::now());
        assert!(seen.is_new("a", start));
        assert!(!seen.is_new("a", start + KEEPS / 2));
        assert!(seen.is_new("a", start + KEEPS), "counted from its first time");
        seen.remove("a");
        assert!(seen.is_new("a", start + KEEPS), "forgotten");
    }

    #[test]
    fn the_memory_is_bounded() {
        let (mut seen, now) = (Seen::new(KEEPS), Instant::now());
        for n in 0..=MAX_SEEN {
            assert!(seen.is_new(&n.to_string(), now));
        }
        assert_eq!((seen.known.len(), seen.order.len()), (MAX_SEEN, MAX_SEEN));
        assert!(!seen.is_new("1", now) && seen.is_new("0", now), "the oldest is forgotten first");
    }
}
