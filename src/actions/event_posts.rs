//! The posts in answer to events, counted together for the answer of a webhook and what it sends later with its reply token.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use matterhost_actors::{
    model::AccountName,
    policy::{self, AnswerPosts},
};
use parking_lot::Mutex;

use super::{ActionError, AnsweredEvent, CheckedAction, Work};

/// The events that are remembered, which bounds memory: more than handlers answer at once. The oldest are forgotten.
const MAX_EVENTS: usize = 4_096;

/// The numbers of posts in answer to events. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct EventPosts(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    posts: HashMap<EventKey, AnswerPosts>,
    /// The oldest first.
    order: VecDeque<EventKey>,
}

/// The account, the sink and the id of an event.
type EventKey = (AccountName, Arc<str>, Box<str>);

/// A post that counts.
#[derive(Debug)]
pub struct CountedPost {
    posts: EventPosts,
    event: EventKey,
    post: policy::CountedPost,
}

impl EventPosts {
    /// Counts a post in answer to an event; `None` for any other action, and for a post with a key that counts already.
    ///
    /// # Errors
    /// If the event has as many posts as it may have.
    pub fn count(
        &self,
        event: &AnsweredEvent,
        action: &CheckedAction,
    ) -> Result<Option<CountedPost>, ActionError> {
        let outgoing = match &action.work {
            Work::Act(outgoing) if action.is_post() => outgoing,
            _ => return Ok(None),
        };
        let event = (event.account.clone(), Arc::clone(&event.sink), event.id.clone());
        let counted = self.0.lock().of(&event).count(outgoing).map_err(|_| ActionError::TooManyPosts)?;
        Ok(counted.map(|post| CountedPost { posts: self.clone(), event, post }))
    }
}

impl Counts {
    fn of(&mut self, event: &EventKey) -> &mut AnswerPosts {
        if !self.posts.contains_key(event) {
            if self.order.len() >= MAX_EVENTS
                && let Some(oldest) = self.order.pop_front()
            {
                self.posts.remove(&oldest);
            }
            self.order.push_back(event.clone());
        }
        self.posts.entry(event.clone()).or_default()
    }
}

impl CountedPost {
    /// Takes the post back, which was not made.
    pub fn forget(self) {
        if let Some(posts) = self.posts.0.lock().posts.get_mut(&self.event) {
            posts.forget(&self.post);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::{ActionPlace, BotAction, MAX_POSTS_PER_EVENT, tests::event};

    fn post(event: &AnsweredEvent, key: Option<&str>) -> CheckedAction {
        let action: BotAction =
            serde_json::from_value(serde_json::json!({ "action": "reply", "text": "x" })).unwrap();
        action.check(ActionPlace::LateAnswer { event, key }).unwrap()
    }

    #[test]
    fn an_event_has_so_many_posts_and_one_that_is_repeated_counts_once() {
        let (posts, event) = (EventPosts::default(), event());
        let count = |key: Option<&str>| posts.count(&event, &post(&event, key));
        for n in 0..MAX_POSTS_PER_EVENT {
            assert!(count(Some(&n.to_string())).unwrap().is_some());
            assert!(count(Some(&n.to_string())).unwrap().is_none(), "the same post");
        }
        assert!(matches!(count(None), Err(ActionError::TooManyPosts)));
        let other = AnsweredEvent { id: "other".into(), ..self::event() };
        let failed = posts.count(&other, &post(&other, None)).unwrap().unwrap();
        failed.forget();
        for _ in 0..MAX_POSTS_PER_EVENT {
            assert!(posts.count(&other, &post(&other, None)).is_ok(), "one that was not made does not count");
        }
        assert!(posts.count(&other, &post(&other, None)).is_err());
    }

    #[test]
    fn memory_is_bounded() {
        let posts = EventPosts::default();
        for n in 0..2 * MAX_EVENTS {
            let event = AnsweredEvent { id: n.to_string().into(), ..event() };
            assert!(posts.count(&event, &post(&event, None)).is_ok());
        }
        let counts = posts.0.lock();
        assert_eq!((counts.posts.len(), counts.order.len()), (MAX_EVENTS, MAX_EVENTS));
    }
}
