//! News about one account from the sockets of others: `user_updated` for a hosted user (fact 6).

use std::{
    collections::HashMap,
    hash::Hash,
    time::{Duration, Instant},
};

use super::prompt_limit::PromptLimit;
use crate::model::UserId;

/// The time at which an account must be polled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PollTiming<K> {
    /// Never: the user is not hosted here, the change is known, or a poll is scheduled.
    Skip,
    /// At once.
    Now(K),
    /// After the delay.
    After(K, Duration),
}

/// The hosted users of a server, with the last known change of each.
///
/// All Connections of a server share it, so that one change that ten thousand sockets report becomes one message.
#[derive(Debug)]
pub struct SiblingWatch<K> {
    watched: HashMap<UserId, Watched<K>>,
}

#[derive(Debug)]
struct Watched<K> {
    account: K,
    /// The newest `update_at` that was handled: the baseline, or the last one reported by a sibling.
    known: i64,
    prompts: PromptLimit,
}

impl<K> Default for SiblingWatch<K> {
    fn default() -> Self {
        Self { watched: HashMap::new() }
    }
}

impl<K: Clone + Eq + Hash> SiblingWatch<K> {
    /// Sets the baseline of an account: an older or equal `update_at` is no change.
    pub fn set_baseline(&mut self, user: &UserId, account: &K, update_at: i64) {
        let fresh =
            || Watched { account: account.clone(), known: update_at, prompts: PromptLimit::default() };
        let watched = self.watched.entry(user.clone()).or_insert_with(fresh);
        watched.known = update_at;
        watched.account = account.clone();
    }

    /// Removes an account that is no longer hosted.
    pub fn forget(&mut self, account: &K) {
        self.watched.retain(|_, watched| watched.account != *account);
    }

    /// Records that a sibling received a change of a user.
    pub fn observe(&mut self, now: Instant, user: &UserId, update_at: i64) -> PollTiming<K> {
        let Some(watched) = self.watched.get_mut(user) else { return PollTiming::Skip };
        // Another sibling reported this change before, or it is the baseline. If the server's clock goes back,
        // only this witness misses a change.
        if update_at <= watched.known {
            return PollTiming::Skip;
        }
        watched.known = update_at;
        match watched.prompts.request(now) {
            None => PollTiming::Skip,
            Some(Duration::ZERO) => PollTiming::Now(watched.account.clone()),
            Some(after) => PollTiming::After(watched.account.clone(), after),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watching() -> (Instant, UserId, SiblingWatch<&'static str>) {
        let user = UserId::from("u1");
        let mut siblings = SiblingWatch::default();
        siblings.set_baseline(&user, &"bot", 100);
        (Instant::now(), user, siblings)
    }

    #[test]
    fn only_news_about_a_hosted_user_prompts() {
        let (now, user, mut siblings) = watching();
        assert_eq!(siblings.observe(now, &"stranger".into(), 500), PollTiming::Skip);
        assert_eq!(siblings.observe(now, &user, 100), PollTiming::Skip, "the baseline itself");
        assert_eq!(siblings.observe(now, &user, 101), PollTiming::Now("bot"));
        assert_eq!(siblings.observe(now, &user, 101), PollTiming::Skip, "a second sibling reports the same");
        siblings.forget(&"bot");
        assert_eq!(siblings.observe(now, &user, 900), PollTiming::Skip);
    }

    #[test]
    fn prompts_are_merged_to_one_a_second() {
        let (now, user, mut siblings) = watching();
        let ms = Duration::from_millis;
        assert_eq!(siblings.observe(now, &user, 101), PollTiming::Now("bot"));
        assert_eq!(siblings.observe(now + ms(300), &user, 102), PollTiming::After("bot", ms(700)));
        assert_eq!(
            siblings.observe(now + ms(400), &user, 103),
            PollTiming::Skip,
            "the scheduled one sees it"
        );
        assert_eq!(siblings.observe(now + ms(2_000), &user, 104), PollTiming::Now("bot"));
    }

    #[test]
    fn a_new_baseline_is_no_news() {
        let (now, user, mut siblings) = watching();
        siblings.set_baseline(&user, &"bot", 200);
        assert_eq!(siblings.observe(now, &user, 200), PollTiming::Skip);
    }
}
