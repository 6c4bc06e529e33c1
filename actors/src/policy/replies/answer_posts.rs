//! The limit of posts in answer to one event.

use crate::model::{MAX_POSTS_PER_EVENT, OutgoingAction, ReplyError, ReplyKey};

/// The posts in answer to one event, by their keys: at most [`MAX_POSTS_PER_EVENT`].
#[derive(Debug, Clone, Default)]
pub struct AnswerPosts(Vec<Option<ReplyKey>>);

/// A post that counts.
#[derive(Debug)]
pub struct CountedPost(Option<ReplyKey>);

impl AnswerPosts {
    /// Counts an action that creates a post; `None` for any other, and for a post with a key that counts already.
    ///
    /// # Errors
    /// [`ReplyError::TooManyPosts`] if the event has as many posts as it may have.
    pub fn count(&mut self, action: &OutgoingAction) -> Result<Option<CountedPost>, ReplyError> {
        let (OutgoingAction::Post(draft) | OutgoingAction::Ephemeral { draft, .. }) = action else {
            return Ok(None);
        };
        if draft.key.is_some() && self.0.contains(&draft.key) {
            return Ok(None);
        }
        if self.0.len() >= MAX_POSTS_PER_EVENT {
            return Err(ReplyError::TooManyPosts);
        }
        self.0.push(draft.key.clone());
        Ok(Some(CountedPost(draft.key.clone())))
    }

    /// Takes a post back, which was not made.
    pub fn forget(&mut self, post: &CountedPost) {
        if let Some(place) = self.0.iter().position(|key| *key == post.0) {
            self.0.swap_remove(place);
        }
    }
}
