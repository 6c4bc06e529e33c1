//! The limit of posts in answer to one event.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::model::{MAX_POSTS_PER_EVENT, OutgoingAction, ReplyError, ReplyKey};

/// The posts in answer to an event, by their keys: at most [`MAX_POSTS_PER_EVENT`]. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct AnswerPosts(Arc<Mutex<Vec<Option<ReplyKey>>>>);

/// A post that counts.
#[derive(Debug)]
pub(super) struct CountedPost {
    posts: AnswerPosts,
    key: Option<ReplyKey>,
}

impl AnswerPosts {
    /// Counts an action that creates a post; `None` for any other, and for a post with a key that counts already.
    ///
    /// # Errors
    /// If the event has as many posts as it may have.
    pub(super) fn count(&self, action: &OutgoingAction) -> Result<Option<CountedPost>, ReplyError> {
        let (OutgoingAction::Post(draft) | OutgoingAction::Ephemeral { draft, .. }) = action else {
            return Ok(None);
        };
        let keys = &mut *self.0.lock();
        if draft.key.is_some() && keys.contains(&draft.key) {
            return Ok(None);
        }
        if keys.len() >= MAX_POSTS_PER_EVENT {
            return Err(ReplyError::TooManyPosts);
        }
        keys.push(draft.key.clone());
        Ok(Some(CountedPost { posts: self.clone(), key: draft.key.clone() }))
    }
}

impl CountedPost {
    /// Takes the post back, which was not made.
    pub(super) fn forget(self) {
        let keys = &mut *self.posts.0.lock();
        if let Some(place) = keys.iter().position(|key| *key == self.key) {
            keys.swap_remove(place);
        }
    }
}
