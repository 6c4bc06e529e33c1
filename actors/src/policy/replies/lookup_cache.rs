use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use crate::model::{Found, Lookup};

/// The time for which an answer is used again. A renamed channel or user is found under its new name at once, and under
/// its old name for this long.
const TIME_TO_LIVE: Duration = Duration::from_secs(300);

/// The most answers kept for an account: more targets than a bot has in five minutes.
const MAX_ENTRIES: usize = 256;

/// The longest answer that is kept, in bytes: a channel or user has about one KiB.
const MAX_ENTRY_BYTES: usize = 16 * 1024;

/// The recent answers about channels and users of one account. Posts are not kept: they change.
#[derive(Debug, Default)]
pub(crate) struct LookupCache {
    answers: HashMap<Lookup, Found>,
    /// The times at which answers came, the oldest first.
    order: VecDeque<(Instant, Lookup)>,
}

impl LookupCache {
    /// Returns an answer that is young enough.
    pub(crate) fn get(&mut self, now: Instant, lookup: &Lookup) -> Option<Found> {
        while self.order.front().is_some_and(|(at, _)| now.duration_since(*at) >= TIME_TO_LIVE) {
            self.remove_oldest();
        }
        self.answers.get(lookup).cloned()
    }

    /// Keeps an answer, if it is of a kind that is kept.
    pub(crate) fn insert(&mut self, now: Instant, lookup: &Lookup, found: &Found) {
        let is_kept = match lookup {
            Lookup::Channel(_) | Lookup::User(_) => found.json().get().len() <= MAX_ENTRY_BYTES,
            Lookup::Thread(_) | Lookup::File(_) | Lookup::Posts { .. } => false,
        };
        if !is_kept || self.answers.contains_key(lookup) {
            return;
        }
        if self.order.len() >= MAX_ENTRIES {
            self.remove_oldest();
        }
        self.order.push_back((now, lookup.clone()));
        self.answers.insert(lookup.clone(), found.clone());
    }

    fn remove_oldest(&mut self) {
        if let Some((_, lookup)) = self.order.pop_front() {
            self.answers.remove(&lookup);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;
    use crate::model::{Target, UserRef};

    fn found(id: &str) -> Found {
        Found::new(RawValue::from_string(format!("{{\"id\":\"{id}\"}}")).unwrap())
    }

    fn user(n: usize) -> Lookup {
        Lookup::User(UserRef::Name(format!("user{n}").into()))
    }

    #[test]
    fn an_answer_is_used_until_it_is_old() {
        let now = Instant::now();
        let mut cache = LookupCache::default();
        let channel = Lookup::Channel(Target::User("ann".into()));
        cache.insert(now, &channel, &found("c"));
        let id = |cache: &mut LookupCache, at| cache.get(at, &channel).map(|found| found.id().to_owned());
        assert_eq!(id(&mut cache, now + TIME_TO_LIVE / 2).as_deref(), Some("c"));
        assert_eq!(id(&mut cache, now + TIME_TO_LIVE), None);
        cache.insert(now + TIME_TO_LIVE, &channel, &found("d"));
        assert_eq!(id(&mut cache, now + TIME_TO_LIVE).as_deref(), Some("d"));
    }

    #[test]
    fn the_oldest_answers_make_room() {
        let now = Instant::now();
        let mut cache = LookupCache::default();
        for n in 0..=MAX_ENTRIES {
            cache.insert(now, &user(n), &found("u"));
        }
        assert!(cache.get(now, &user(0)).is_none());
        assert!((1..=MAX_ENTRIES).all(|n| cache.get(now, &user(n)).is_some()));
        assert_eq!(cache.order.len(), MAX_ENTRIES);
    }

    #[test]
    fn posts_and_long_answers_are_not_kept() {
        let now = Instant::now();
        let mut cache = LookupCache::default();
        let long = found(&"x".repeat(MAX_ENTRY_BYTES));
        for (lookup, answer) in [(Lookup::Thread("p".into()), found("")), (user(1), long)] {
            cache.insert(now, &lookup, &answer);
            assert!(cache.get(now, &lookup).is_none(), "{lookup}");
        }
    }
}
