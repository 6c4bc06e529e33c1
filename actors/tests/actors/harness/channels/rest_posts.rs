//! Posts that users write by REST.

use std::time::Duration;

use matterhost_actors::{
    mattermost::{NewPost, Post, RestErrorKind},
    model::{FileId, PostId},
};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{FORBIDDEN, FakeChannels};

/// Time for which a `pending_post_id` creates no second post (fact 19).
const PENDING: Duration = Duration::from_secs(30);

/// The content of a post that a user wrote by REST.
#[derive(Clone, Default)]
pub(super) struct PostContent {
    pub(super) message: Option<String>,
    /// The member `message` as JSON, or several, in place of the text.
    pub(super) text_member: Option<String>,
    pub(super) root_id: String,
    pub(super) props: Map<String, Value>,
    pub(super) file_ids: Vec<FileId>,
}

impl FakeChannels {
    /// Creates a post by REST. A `pending_post_id` of a user creates one post within 30 s (fact 19).
    pub(in crate::harness) fn create_post(
        &mut self,
        user: &str,
        post: &NewPost,
        max_chars: usize,
    ) -> Result<Post, RestErrorKind> {
        let channel = post.channel_id.as_str();
        if !self.channels.get(channel).is_some_and(|channel| channel.has(user)) {
            return Err(FORBIDDEN);
        }
        if post.message.chars().count() > max_chars {
            return Err(RestErrorKind::Refused(400));
        }
        let now = Instant::now();
        self.pending.retain(|_, (_, created)| now - *created < PENDING);
        let pending = (user.to_owned(), post.pending_post_id.clone());
        if let Some((id, _)) = self.pending.get(&pending).filter(|_| !pending.1.is_empty()) {
            return Ok(self.posts[id].show(id));
        }
        let newest = self.posts.values().map(|post| post.create_at).max().unwrap_or(10_000);
        let id = self.post(channel, newest + 1).as_str().to_owned();
        let created = self.posts.get_mut(&id).unwrap();
        created.user = format!("id-{user}");
        created.content = PostContent {
            message: Some(post.message.clone()),
            text_member: None,
            root_id: post.root_id.as_ref().map_or("", PostId::as_str).to_owned(),
            props: post.props.clone(),
            file_ids: post.file_ids.clone(),
        };
        self.pending.insert(pending, (id.clone(), now));
        Ok(self.posts[&id].show(&id))
    }

    /// Edits a user's own post by REST.
    pub(in crate::harness) fn update_post(
        &mut self,
        user: &str,
        id: &PostId,
        text: &str,
    ) -> Result<Post, RestErrorKind> {
        let id = id.as_str();
        let post = self.posts.get(id).filter(|post| post.delete_at == 0).ok_or(RestErrorKind::NotFound)?;
        if post.user != format!("id-{user}") {
            return Err(FORBIDDEN);
        }
        self.edit(id, post.update_at + 1);
        let post = self.posts.get_mut(id).unwrap();
        post.content.message = Some(text.to_owned());
        Ok(post.show(id))
    }

    /// Creates a post with a member `message` in JSON, or several.
    pub(in crate::harness) fn post_with_text(
        &mut self,
        channel: &str,
        create_at: i64,
        member: &str,
    ) -> PostId {
        let id = self.post(channel, create_at);
        self.posts.get_mut(id.as_str()).unwrap().content.text_member = Some(member.to_owned());
        id
    }

    pub(in crate::harness) fn visible_post(&self, user: &str, id: &PostId) -> Result<Post, RestErrorKind> {
        let post = self.posts.get(id.as_str()).filter(|post| post.delete_at == 0);
        let post = post.ok_or(RestErrorKind::NotFound)?;
        if self.can_read(user, &post.channel) { Ok(post.show(id.as_str())) } else { Err(FORBIDDEN) }
    }

    pub(in crate::harness) fn can_read(&self, user: &str, channel: &str) -> bool {
        self.channels.get(channel).is_some_and(|channel| channel.has(user))
    }

    /// Returns the properties of a post and the number of its files.
    pub(in crate::harness) fn rest_content(&self, id: &PostId) -> (Map<String, Value>, usize) {
        let content = &self.posts[id.as_str()].content;
        (content.props.clone(), content.file_ids.len())
    }

    /// Returns the texts written by REST in a channel, in order.
    pub(in crate::harness) fn rest_messages(&self, channel: &str) -> Vec<String> {
        let mut posts: Vec<_> = self.posts.values().filter(|post| post.channel == channel).collect();
        posts.sort_by_key(|post| post.create_at);
        posts
            .into_iter()
            .filter(|post| post.original_id.is_empty() && post.delete_at == 0)
            .filter_map(|post| post.content.message.clone())
            .collect()
    }
}
