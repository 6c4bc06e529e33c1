//! Looking for what may have been posted already, by its key.

use tokio::time::Instant;

use super::client::{FailedRequest, ReplyClient};
use crate::{
    mattermost::{PER_PAGE, PageRequest, Post, PostRange, RestErrorKind},
    model::{ChannelId, PostId, UserId},
};

/// The property of a post that holds its key.
pub(super) const KEY_PROP: &str = "matterhost_key";

/// The most pages of one look: the newest 4,000 posts of a channel. What was posted before more than those is not
/// found, and is posted again.
const MOST_PAGES: usize = 20;

/// The pages of a look that has no time to go back to.
const PAGES_WITHOUT_TIME: usize = 1;

/// The smallest page: two of the longest posts fit any limit.
const LEAST_PER_PAGE: usize = 2;

/// How much older than the time given a post may be, in milliseconds: the clocks of a server's nodes differ, and posts
/// become visible out of order (fact 23).
pub(super) const CLOCK_MARGIN_MS: i64 = 10_000;

/// One look at a channel's posts, from the newest back.
pub(super) struct PostedSearch<'a> {
    pub(super) client: &'a ReplyClient,
    pub(super) channel: &'a ChannelId,
    pub(super) me: &'a UserId,
    /// No post that is looked for is older, in server milliseconds.
    pub(super) oldest: Option<i64>,
    pub(super) deadline: Instant,
}

impl PostedSearch<'_> {
    /// Looks, and remembers all keys that it sees.
    pub(super) async fn run(self) -> Result<(), FailedRequest> {
        let mut found = Vec::new();
        let (mut before, mut page): (Option<PostId>, usize) = (None, 0);
        let pages = if self.oldest.is_some() { MOST_PAGES } else { PAGES_WITHOUT_TIME };
        let mut from = i64::MAX;
        for _ in 0..pages {
            let (posts, is_last) = self.page(before.as_ref(), page).await?;
            found.extend(posts.iter().filter(|post| post.user_id == *self.me).filter_map(keyed));
            let (oldest, newest) = match (posts.first(), posts.last()) {
                (Some(first), Some(last)) if !is_last => (first.create_at, last.create_at),
                _ => {
                    from = i64::MIN;
                    break;
                }
            };
            from = from.min(oldest);
            if self.oldest.is_some_and(|wanted| oldest < wanted.saturating_sub(CLOCK_MARGIN_MS)) {
                break;
            }
            // Posts of one time may lie on both sides of the cut: the next page begins before the first later one.
            match posts.iter().find(|post| post.create_at > oldest) {
                Some(later) if oldest < newest => (before, page) = (Some(later.id.clone()), 0),
                _ => page += 1,
            }
        }
        let from = if from == i64::MIN { from } else { from.saturating_add(CLOCK_MARGIN_MS) };
        self.client.sent.borrow_mut().channel_searched(self.channel, from, found);
        Ok(())
    }

    /// One page, a smaller one where it is too large; and whether it is the channel's last: one that is not full is.
    async fn page(&self, before: Option<&PostId>, page: usize) -> Result<(Vec<Post>, bool), FailedRequest> {
        let range = before.map_or(PostRange::Newest, PostRange::Before);
        let mut per_page = PER_PAGE;
        loop {
            let mut too_large = false;
            let asked = self.client.request(self.deadline, async |api, token| {
                let answer = api.posts(token, self.channel, range, PageRequest { page, per_page }).await;
                too_large = answer.as_ref().is_err_and(|error| error.kind == RestErrorKind::TooLarge);
                answer
            });
            match asked.await {
                Ok(page) => {
                    let is_last = page.posts.len() < per_page;
                    return Ok((page.posts, is_last));
                }
                // The number of a page is that of pages of one size.
                Err(_) if too_large && page == 0 && per_page > LEAST_PER_PAGE => per_page /= 10,
                Err(failed) => return Err(failed.into_retryable()),
            }
        }
    }
}

fn keyed(post: &Post) -> Option<(String, PostId)> {
    Some((post.prop(KEY_PROP)?, post.id.clone()))
}
