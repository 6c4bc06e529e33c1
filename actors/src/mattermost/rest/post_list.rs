//! A list of posts as the server writes it.

use std::collections::HashMap;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::mattermost::{Post, RestError, RestErrorKind};
use crate::model::PostId;

/// `order` names what the list is of, the newest first; `posts` may hold thread roots besides (fact 11).
#[derive(Deserialize)]
pub(in crate::mattermost) struct PostList {
    order: Vec<PostId>,
    posts: HashMap<PostId, Box<RawValue>>,
    #[serde(default, deserialize_with = "named")]
    pub(in crate::mattermost) next_post_id: Option<PostId>,
    #[serde(default, deserialize_with = "named")]
    pub(in crate::mattermost) prev_post_id: Option<PostId>,
}

/// An empty id names nothing.
fn named<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PostId>, D::Error> {
    let id = Option::<PostId>::deserialize(deserializer)?;
    Ok(id.filter(|id| !id.as_str().is_empty()))
}

impl PostList {
    /// How many rows the server listed.
    pub(in crate::mattermost) fn len(&self) -> usize {
        self.order.len()
    }

    /// What is listed, each once, by (`create_at`, id).
    ///
    /// A post that is listed and missing, or cannot be read, spoils the list: to leave it out would be
    /// to lose it in silence.
    pub(in crate::mattermost) fn posts(mut self, route: &'static str) -> Result<Vec<Post>, RestError> {
        self.order.sort_unstable();
        self.order.dedup();
        let bad = |message: String| RestError::new(RestErrorKind::BadBody, route, message);
        let mut posts = Vec::with_capacity(self.order.len());
        for id in &self.order {
            let json = self.posts.remove(id).ok_or_else(|| bad(format!("it lists {id} and lacks it")))?;
            posts.push(Post::read(json).map_err(|error| bad(format!("{id}: {error}")))?);
        }
        // The ids are in order already, and the sort keeps that.
        posts.sort_by_key(|post| post.create_at);
        Ok(posts)
    }
}
