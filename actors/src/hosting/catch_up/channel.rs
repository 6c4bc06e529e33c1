//! One channel, read to its end: its posts, oldest first, then what became of older ones.

use super::{
    CatchUp,
    page::{ChannelReadError, PageCursor, PostPage},
    synthesize::{MembershipChange, change_since, membership_change, posted_change},
};
use crate::{
    hosting::delivery::{DeliverRecovered, LeftChannel},
    mattermost::{Channel, Post, SINCE_LIMIT},
    model::{Change, CloseReason, Fact, Truncation},
    policy::{Anchor, BacklogKind, ChannelBacklog},
};

/// A channel that is being read.
pub(in crate::hosting) struct ChannelCatchUp<'a> {
    pub(in crate::hosting) catch_up: &'a CatchUp,
    pub(in crate::hosting) news: &'a ChannelBacklog,
    pub(in crate::hosting) channel: Option<&'a Channel>,
    /// Whether the account was in the channel at the post read last.
    pub(in crate::hosting) is_member: bool,
}

impl ChannelCatchUp<'_> {
    pub(in crate::hosting) async fn run(mut self) -> Result<(), ChannelReadError> {
        self.posts().await?;
        if let Some(since) = self.news.edits_since {
            self.changes(since).await?;
        }
        if !self.is_member {
            let left = self.catch_up.delivery.send(LeftChannel(self.news.channel.clone())).await;
            left.map_err(|_| CloseReason::DeliveryDied)?;
        }
        Ok(())
    }

    async fn posts(&mut self) -> Result<(), ChannelReadError> {
        let mut cursor = match &self.news.from {
            Anchor::Post { id, .. } if self.begin() == self.news.from.time() => {
                let page = self.page(&PageCursor::after(id)).await?;
                if page.posts.is_empty() {
                    // The anchor may be gone: the server answers with nothing, and says nothing (fact 11).
                    self.back_to_the_beginning().await?
                } else if let Some(cursor) = self.shortcut(&page).await? {
                    Some(cursor)
                } else {
                    self.hand_over_posts(page.posts).await?;
                    page.next
                }
            }
            Anchor::Post { .. } | Anchor::Time(_) => self.back_to_the_beginning().await?,
        };
        while let Some(at) = cursor {
            let page = self.page(&at).await?;
            self.hand_over_posts(page.posts).await?;
            cursor = page.next;
        }
        Ok(())
    }

    async fn page(&self, cursor: &PageCursor) -> Result<PostPage, ChannelReadError> {
        self.catch_up.client.page(&self.news.channel, cursor).await
    }

    /// Posts later than this are wanted.
    fn begin(&self) -> i64 {
        let anchor = self.news.from.time();
        self.catch_up.oldest.map_or(anchor, |oldest| anchor.max(oldest))
    }

    /// Where there are more posts than are wanted, the place from which there are not.
    async fn shortcut(&self, first: &PostPage) -> Result<Option<PageCursor>, ChannelReadError> {
        if first.next.is_none() {
            return Ok(None);
        }
        let limit = self.catch_up.limit();
        let there = self.page(&PageCursor::back(limit)).await?.posts;
        let Some(post) = there.last().filter(|post| post.create_at > self.news.from.time()) else {
            return Ok(None);
        };
        self.truncated(Truncation::Posts { limit });
        Ok(Some(PageCursor::after(&post.id)))
    }

    /// From the newest post back to the first that is wanted. Hands over the page that it ends with, and says where to go
    /// on from there. One page is kept at a time: what lies between is fetched again on the way forward.
    async fn back_to_the_beginning(&mut self) -> Result<Option<PageCursor>, ChannelReadError> {
        let (mut cursor, mut seen) = (PageCursor::newest(), 0);
        loop {
            let PostPage { posts, next } = self.page(&cursor).await?;
            let is_first = seen == 0;
            seen += posts.len();
            let begin = self.begin_within(&posts);
            let limit = self.catch_up.limit();
            match next.filter(|_| posts.iter().all(|post| post.create_at > begin)) {
                Some(next) if seen < limit => cursor = next,
                more => {
                    if more.is_some() || (is_first && seen > limit) {
                        self.truncated(Truncation::Posts { limit });
                    }
                    return self.begin_with(posts, begin, is_first).await;
                }
            }
        }
    }

    /// Where the posts of a page begin to be wanted: at the account's own coming, if it came by the channel since.
    fn begin_within(&self, posts: &[Post]) -> i64 {
        let joined = posts
            .iter()
            .rev()
            .find(|post| membership_change(post, &self.catch_up.me.id) == Some(MembershipChange::Joined));
        let joined = joined.filter(|_| self.news.kind == BacklogKind::Joining);
        self.begin().max(joined.map_or(i64::MIN, |post| post.create_at.saturating_sub(1)))
    }

    async fn begin_with(
        &mut self,
        mut posts: Vec<Post>,
        begin: i64,
        is_only: bool,
    ) -> Result<Option<PageCursor>, ChannelReadError> {
        let earlier = posts.iter().rposition(|post| post.create_at <= begin);
        let too_old = |post: &Post| post.create_at <= begin && post.create_at > self.news.from.time();
        if self.catch_up.oldest == Some(begin) && posts.iter().any(too_old) {
            let limit = self.catch_up.client.context.settings.catch_up.max_age.unwrap_or_default();
            self.truncated(Truncation::Age { limit });
        }
        if let Some(earlier) = earlier.filter(|_| !is_only) {
            return Ok(Some(PageCursor::after(&posts[earlier].id)));
        }
        let unwanted = earlier.map_or(0, |earlier| earlier + 1);
        posts.drain(
            ..unwanted.max(if is_only { posts.len().saturating_sub(self.catch_up.limit()) } else { 0 }),
        );
        let newest = posts.last().map_or(0, |post| post.create_at);
        let onward = posts.iter().rfind(|post| post.create_at < newest).or(posts.last());
        let onward = onward.filter(|_| !is_only).map(|post| PageCursor::after(&post.id));
        self.hand_over_posts(posts).await?;
        Ok(onward)
    }

    /// Edits and deletions of older posts.
    async fn changes(&self, since: i64) -> Result<(), ChannelReadError> {
        let found = self.catch_up.client.since(&self.news.channel, since).await?;
        if found.as_ref().is_none_or(|since| since.truncated) {
            self.truncated(Truncation::Changes { limit: SINCE_LIMIT });
        }
        let mut changes: Vec<(i64, Change, Post)> = Vec::new();
        for post in found.unwrap_or_default().posts {
            if let Some((at, change)) = change_since(&post, since) {
                changes.push((at, change, post));
            }
        }
        changes.sort_by(|(a_at, _, a), (b_at, _, b)| (a_at, &a.id).cmp(&(b_at, &b.id)));
        for (_, change, post) in changes {
            self.hand_over(change, &post).await?;
        }
        Ok(())
    }

    /// Hands posts over, oldest first, but for those of a time when the account was out of the channel.
    async fn hand_over_posts(&mut self, mut posts: Vec<Post>) -> Result<(), CloseReason> {
        posts.sort_by(|a, b| (a.create_at, &a.id).cmp(&(b.create_at, &b.id)));
        for post in posts {
            let was_member = self.is_member;
            if self.news.kind == BacklogKind::Unlisted {
                self.is_member = match membership_change(&post, &self.catch_up.me.id) {
                    Some(way) => way == MembershipChange::Joined,
                    None => was_member,
                };
            }
            if was_member || self.is_member {
                self.hand_over(posted_change(&post), &post).await?;
            }
        }
        self.catch_up.report_progress();
        Ok(())
    }

    /// Hands one change over, with permits that were free before.
    async fn hand_over(&self, change: Change, post: &Post) -> Result<(), CloseReason> {
        let catch_up = self.catch_up;
        let permit =
            catch_up.permits.acquire(post.json.get().len()).await.ok_or(CloseReason::DeliveryDied)?;
        let event = catch_up.synthesize_event(change, post, self.channel)?;
        let taken = catch_up.delivery.send(DeliverRecovered { event, permit }).await;
        if taken.map_err(|_| CloseReason::DeliveryDied)? {
            catch_up.count_recovered();
        }
        Ok(())
    }

    fn truncated(&self, what: Truncation) {
        let channel = self.news.channel.clone();
        self.catch_up.observe(Fact::CatchUpTruncated { channel, what });
    }
}
