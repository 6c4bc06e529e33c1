//! The update of a text by its key, in as many posts as it needs by then.

use tokio::time::Instant;

use super::{
    client::{FailedRequest, ReplyClient},
    execute::{delete, repeat},
    posting::{find_by_key, part_key, post_part},
    thread_root::find_root,
};
use crate::{
    mattermost::NewPost,
    model::{ChannelId, Excerpt, PostId, PostedIds, ReplyError, ReplyKey},
    policy::{GiveUpReason, MOST_PARTS, split_text},
};

/// Changes the text of the post with a key, and of those that go on with it. If the text needs more posts than there are, they
/// are made in the same place; those that it no longer needs are deleted.
pub(super) async fn update(
    client: &ReplyClient,
    channel: &ChannelId,
    key: &ReplyKey,
    text: &str,
    deadline: Instant,
) -> Result<PostedIds, ReplyError> {
    let Some(first) = find_by_key(client, channel, (key, 0), deadline).await? else {
        let what = Excerpt::of(&format_args!("a post with the key {}", key.as_str()));
        return Err(ReplyError::NotFound { account: client.context().account.clone(), what });
    };
    if text.trim().is_empty() {
        return Err(ReplyError::Empty);
    }
    let limit = client.limits_for(text, &[], deadline).await.post_chars;
    let texts = split_text(text, limit)
        .map_err(|long| ReplyError::TooLong { characters: long.characters, limit: long.limit })?;
    let update = Update { client, channel, key, first, parts: texts.len(), deadline };
    let mut ids = Vec::with_capacity(texts.len());
    for (n, text) in texts.into_iter().enumerate() {
        ids.push(update.show_part(n, text).await?);
    }
    update.delete_rest().await?;
    Ok(PostedIds { ids, ..PostedIds::default() })
}

/// The update of a text that is shown by one or several posts.
struct Update<'a> {
    client: &'a ReplyClient,
    channel: &'a ChannelId,
    key: &'a ReplyKey,
    first: PostId,
    /// The number of posts that it needs.
    parts: usize,
    deadline: Instant,
}

impl Update<'_> {
    /// Returns the post that shows a part, if there is one.
    fn find(&self, n: usize) -> Option<PostId> {
        let key = part_key(self.key.as_str(), n);
        self.client.sent.borrow().find(self.channel, &key).map(|post| post.id.clone())
    }

    /// Shows a part by its post, or by a new one. A part that later ones follow rarely changes, and is not sent again.
    async fn show_part(&self, n: usize, text: String) -> Result<PostId, ReplyError> {
        let (client, key) = (self.client, part_key(self.key.as_str(), n));
        // A part may have been made by an update whose answer was lost: it shows that one's text.
        let post = match n {
            0 => Some(self.first.clone()),
            _ => find_by_key(client, self.channel, (self.key, n), self.deadline).await?,
        };
        let Some(post) = post else {
            let new = NewPost {
                channel_id: self.channel.clone(),
                message: text.clone(),
                root_id: self.root().await?,
                ..NewPost::default()
            };
            let id = post_part(client, self.key, n, new, self.deadline).await?;
            client.shown.borrow_mut().insert(self.channel, &key, &text);
            return Ok(id);
        };
        if n + 1 < self.parts && client.shown.borrow().shows(self.channel, &key, &text) {
            return Ok(post);
        }
        let edit =
            repeat(client, self.deadline, async |api, token| api.edit_post(token, &post, &text, None).await);
        edit.await?;
        client.shown.borrow_mut().insert(self.channel, &key, &text);
        Ok(post)
    }

    /// Returns the root of the thread that the first post is in.
    async fn root(&self) -> Result<Option<PostId>, ReplyError> {
        let timed_out = |failed: FailedRequest| {
            self.client.reply_error(GiveUpReason::TimedOut { maybe_done: false }, failed)
        };
        let root = find_root(self.client, &self.first, self.deadline).await.map_err(timed_out)?;
        Ok(root.filter(|root| *root != self.first))
    }

    /// Deletes the posts that showed further parts of a longer text.
    async fn delete_rest(&self) -> Result<(), ReplyError> {
        for n in (self.parts..MOST_PARTS).rev() {
            if let Some(post) = self.find(n) {
                delete(self.client, post, self.deadline).await?;
                self.client.sent.borrow_mut().remove(self.channel, &part_key(self.key.as_str(), n));
            }
        }
        Ok(())
    }
}
