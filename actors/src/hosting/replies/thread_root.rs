//! The first post of a thread, for answers to a post of which only the id is known.

use std::collections::HashMap;

use tokio::time::Instant;

use super::client::{FailedRequest, ReplyClient};
use crate::model::PostId;

/// The most posts remembered per account. Beyond it all are forgotten and asked for again.
const MOST_POSTS: usize = 1_024;

/// The roots of posts, by the post's id.
#[derive(Debug, Default)]
pub(super) struct ThreadRoots(HashMap<PostId, PostId>);

impl ThreadRoots {
    fn find(&self, post: &PostId) -> Option<PostId> {
        self.0.get(post).cloned()
    }

    fn insert(&mut self, post: &PostId, root: &PostId) {
        if self.0.len() >= MOST_POSTS {
            self.0.clear();
        }
        self.0.insert(post.clone(), root.clone());
    }
}

/// Returns the root of a post's thread: the post itself if it is no reply; `None` if the post is gone.
pub(super) async fn find_root(
    client: &ReplyClient,
    post: &PostId,
    deadline: Instant,
) -> Result<Option<PostId>, FailedRequest> {
    if let Some(known) = client.roots.borrow().find(post) {
        return Ok(Some(known));
    }
    match client.request(deadline, async |api, token| api.post(token, post).await).await {
        Ok(found) => {
            let root = found.root_id.unwrap_or_else(|| post.clone());
            client.roots.borrow_mut().insert(post, &root);
            Ok(Some(root))
        }
        Err(failed) if failed.is_hidden_post() => Ok(None),
        Err(failed) => Err(failed.into_retryable()),
    }
}
