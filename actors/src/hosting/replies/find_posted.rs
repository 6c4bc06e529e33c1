//! A search of a channel for posts that may have been made already, by their keys.

use tokio::time::Instant;

use super::client::{FailedRequest, ReplyClient};
use crate::{
    hosting::catch_up::page::{PageCursor, PostPage},
    mattermost::Post,
    model::{ChannelId, UserId},
    policy::SentPost,
};

/// The property of a post that holds its key.
pub(super) const KEY_PROP: &str = "matterhost_key";

/// The property of the first of several parts that holds the limit at which the text was split. A retry splits it there,
/// even if the server's limit has changed meanwhile.
pub(super) const SPLIT_PROP: &str = "matterhost_split";

/// The most pages of one search: the newest 4,000 posts of a channel. An older post is not found and is made again.
const MAX_PAGES: usize = 20;

/// The pages of a search that has no time to go back to.
const PAGES_WITHOUT_TIME: usize = 1;

/// The tolerance for the age of a post, in milliseconds: the clocks of a server's nodes differ, and posts become
/// visible out of order (fact 23).
pub(super) const CLOCK_MARGIN_MS: i64 = 10_000;

/// A search of a channel's posts, from the newest back.
pub(super) struct PostedSearch<'a> {
    pub(super) client: &'a ReplyClient,
    pub(super) channel: &'a ChannelId,
    pub(super) me: &'a UserId,
    /// The time, in server milliseconds, before which no post is searched for.
    pub(super) oldest: Option<i64>,
    pub(super) deadline: Instant,
}

impl PostedSearch<'_> {
    /// Searches the channel and remembers all keys found.
    pub(super) async fn run(&self) -> Result<(), FailedRequest> {
        let mut found = Vec::new();
        let mut searched_from = i64::MAX;
        let mut cursor = PageCursor::newest();
        let pages = if self.oldest.is_some() { MAX_PAGES } else { PAGES_WITHOUT_TIME };
        for _ in 0..pages {
            let PostPage { posts, next, .. } = self.page(&cursor).await?;
            found.extend(posts.iter().filter(|post| post.user_id == *self.me).filter_map(keyed));
            let (Some(next), Some(oldest)) = (next, posts.first()) else {
                searched_from = i64::MIN;
                break;
            };
            searched_from = searched_from.min(oldest.create_at);
            if self.oldest.is_some_and(|wanted| oldest.create_at < wanted.saturating_sub(CLOCK_MARGIN_MS)) {
                break;
            }
            // The number of pages is bounded, so a few long posts must not make all later pages small.
            cursor = next.at_full_size();
        }
        if searched_from > i64::MIN {
            searched_from = searched_from.saturating_add(CLOCK_MARGIN_MS);
        }
        self.client.sent.borrow_mut().channel_searched(self.channel, searched_from, found);
        Ok(())
    }

    async fn page(&self, cursor: &PageCursor) -> Result<PostPage, FailedRequest> {
        let fetched = cursor.fetch(
            |failed: &FailedRequest| failed.is_too_large,
            async |range, page| {
                self.client
                    .request(self.deadline, async |api, token| {
                        api.posts(token, self.channel, range, page).await
                    })
                    .await
            },
        );
        fetched.await.map_err(FailedRequest::into_retryable)
    }
}

fn keyed(post: &Post) -> Option<(String, SentPost)> {
    let split_at = post.prop(SPLIT_PROP).and_then(|limit| limit.parse().ok());
    Some((post.prop(KEY_PROP)?, SentPost { id: post.id.clone(), split_at }))
}
