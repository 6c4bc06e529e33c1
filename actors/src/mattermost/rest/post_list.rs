//! The server's format for lists of posts.

use std::collections::HashMap;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::{
    mattermost::{Post, RestError, RestErrorKind},
    model::PostId,
};

/// A list of posts. `order` contains the ids of the listed posts, the newest first; `posts` can also contain thread
/// roots that are not listed (fact 11).
#[derive(Deserialize)]
pub(super) struct PostList {
    order: Vec<PostId>,
    posts: HashMap<PostId, Box<RawValue>>,
    #[serde(default, deserialize_with = "non_empty_id")]
    pub(super) next_post_id: Option<PostId>,
    #[serde(default, deserialize_with = "non_empty_id")]
    pub(super) prev_post_id: Option<PostId>,
}

/// Reads an optional id; an empty one counts as none.
fn non_empty_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PostId>, D::Error> {
    let id = Option::<PostId>::deserialize(deserializer)?;
    Ok(id.filter(|id| !id.as_str().is_empty()))
}

impl PostList {
    /// Returns the number of rows that the server listed.
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// Returns the listed posts without duplicates, sorted by (`create_at`, id).
    ///
    /// A listed post that is missing or cannot be parsed makes the whole list an error: leaving it out would
    /// lose it silently.
    pub(super) fn posts(mut self, route: &'static str) -> Result<Vec<Post>, RestError> {
        self.order.sort_unstable();
        self.order.dedup();
        let bad = |message: String| RestError::new(RestErrorKind::BadBody, route, message);
        let mut posts = Vec::with_capacity(self.order.len());
        for id in &self.order {
            let json =
                self.posts.remove(id).ok_or_else(|| bad(format!("post {id} is listed but missing")))?;
            posts.push(Post::read(json).map_err(|error| bad(format!("post {id}: {error}")))?);
        }
        // The ids are already sorted, and this sort is stable.
        posts.sort_by_key(|post| post.create_at);
        Ok(posts)
    }
}
