//! News about one account from the sockets of others: `user_updated` for a hosted user (fact 6).

use std::{
    collections::HashMap,
    hash::Hash,
    time::{Duration, Instant},
};

use super::prompt_limit::PromptLimit;
use crate::model::UserId;

/// The consequence of news about a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SiblingNews<K> {
    /// The change is known, or a poll is scheduled.
    NothingToDo,
    /// The account must be polled after the delay, which may be zero.
    Poll(K, Duration),
    /// No account here has that user. It may be hosted elsewhere.
    NotHosted,
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

    /// Watches an account with the baseline of an earlier process, unless its user is watched already.
    pub fn watch_from(&mut self, user: &UserId, account: &K, update_at: i64) {
        if !self.watched.contains_key(user) {
            self.set_baseline(user, account, update_at);
        }
    }

    /// Removes an account that is no longer hosted.
    pub fn forget(&mut self, account: &K) {
        self.watched.retain(|_, watched| watched.account != *account);
    }

    /// Records that a sibling received a change of a user.
    pub fn observe(&mut self, now: Instant, user: &UserId, update_at: i64) -> SiblingNews<K> {
        let Some(watched) = self.watched.get_mut(user) else { return SiblingNews::NotHosted };
        // Another sibling reported this change before, or it is the baseline. If the server's clock goes back,
        // only this witness misses a change.
        if update_at <= watched.known {
            return SiblingNews::NothingToDo;
        }
        watched.known = update_at;
        match watched.prompts.request(now) {
            None => SiblingNews::NothingToDo,
            Some(after) => SiblingNews::Poll(watched.account.clone(), after),
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
        assert_eq!(siblings.observe(now, &"stranger".into(), 500), SiblingNews::NotHosted);
        assert_eq!(siblings.observe(now, &user, 100), SiblingNews::NothingToDo, "the baseline itself");
        assert_eq!(siblings.observe(now, &user, 101), SiblingNews::Poll("bot", Duration::ZERO));
        assert_eq!(
            siblings.observe(now, &user, 101),
            SiblingNews::NothingToDo,
            "a second sibling reports the same"
        );
        siblings.forget(&"bot");
        assert_eq!(siblings.observe(now, &user, 900), SiblingNews::NotHosted);
    }

    #[test]
    fn a_baseline_of_an_earlier_process_is_taken_until_a_newer_one_is_known() {
        let (now, user, mut siblings) = watching();
        siblings.watch_from(&user, &"bot", 50);
        assert_eq!(siblings.observe(now, &user, 60), SiblingNews::NothingToDo);
        let blocked = UserId::from("u2");
        siblings.watch_from(&blocked, &"blocked", 50);
        assert_eq!(siblings.observe(now, &blocked, 50), SiblingNews::NothingToDo);
        assert_eq!(siblings.observe(now, &blocked, 60), SiblingNews::Poll("blocked", Duration::ZERO));
    }

    #[test]
    fn prompts_are_merged_to_one_a_second() {
        let (now, user, mut siblings) = watching();
        let ms = Duration::from_millis;
        assert_eq!(siblings.observe(now, &user, 101), SiblingNews::Poll("bot", Duration::ZERO));
        assert_eq!(siblings.observe(now + ms(300), &user, 102), SiblingNews::Poll("bot", ms(700)));
        assert_eq!(
            siblings.observe(now + ms(400), &user, 103),
            SiblingNews::NothingToDo,
            "the scheduled one sees it"
        );
        assert_eq!(siblings.observe(now + ms(2_000), &user, 104), SiblingNews::Poll("bot", Duration::ZERO));
    }

    #[test]
    fn a_new_baseline_is_no_news() {
        let (now, user, mut siblings) = watching();
        siblings.set_baseline(&user, &"bot", 200);
        assert_eq!(siblings.observe(now, &user, 200), SiblingNews::NothingToDo);
    }
}
