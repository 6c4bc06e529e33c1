use super::{
    CatchUp,
    client::ChannelReadError,
    page::{PageCursor, PostPage},
    synthesize::{MembershipChange, change_since, membership_change, posted_change},
};
use crate::{
    hosting::delivery::{DeliverRecovered, LeftChannel},
    mattermost::{Channel, Post, SINCE_LIMIT},
    model::{Change, CloseReason, Fact, Truncation},
    policy::{Anchor, BacklogKind, ChannelBacklog},
};

/// The catch-up of one channel: its missed posts, oldest first, then edits and deletions of older ones.
pub(super) struct ChannelCatchUp<'a> {
    pub(super) catch_up: &'a CatchUp,
    pub(super) news: &'a ChannelBacklog,
    pub(super) channel: Option<&'a Channel>,
    /// True if the account was a member at the time of the last post read.
    pub(super) is_member: bool,
}

impl ChannelCatchUp<'_> {
    pub(super) async fn run(mut self) -> Result<(), ChannelReadError> {
        self.read_posts().await?;
        if let Some(since) = self.news.edits_since {
            self.read_changes(since).await?;
        }
        if !self.is_member {
            let left = self.catch_up.delivery.send(LeftChannel(self.news.channel.clone())).await;
            left.map_err(|_| CloseReason::DeliveryDied)?;
        }
        Ok(())
    }

    async fn read_posts(&mut self) -> Result<(), ChannelReadError> {
        let mut cursor = match &self.news.from {
            Anchor::Post { id, .. } if self.oldest_time() == self.news.from.time() => {
                let page = self.page(&PageCursor::after(id)).await?;
                if page.posts.is_empty() {
                    // The anchor post may be gone: the server then returns an empty page (fact 11).
                    self.page_back_to_start().await?
                } else if let Some(cursor) = self.skip_surplus(&page).await? {
                    Some(cursor)
                } else {
                    self.deliver_posts(page.posts).await?;
                    page.next
                }
            }
            Anchor::Post { .. } | Anchor::Time(_) => self.page_back_to_start().await?,
        };
        while let Some(at) = cursor {
            let page = self.page(&at).await?;
            self.deliver_posts(page.posts).await?;
            cursor = page.next;
        }
        Ok(())
    }

    async fn page(&self, cursor: &PageCursor) -> Result<PostPage, ChannelReadError> {
        self.catch_up.client.page(&self.news.channel, cursor).await
    }

    /// Returns the time after which posts are recovered.
    fn oldest_time(&self) -> i64 {
        let anchor = self.news.from.time();
        self.catch_up.oldest.map_or(anchor, |oldest| anchor.max(oldest))
    }

    /// Returns the cursor of the newest posts within the limit if more posts than that were missed.
    async fn skip_surplus(&self, first: &PostPage) -> Result<Option<PageCursor>, ChannelReadError> {
        if first.next.is_none() {
            return Ok(None);
        }
        let limit = self.catch_up.max_posts();
        let posts = self.page(&PageCursor::back(limit)).await?.posts;
        let Some(post) = posts.last().filter(|post| post.create_at > self.news.from.time()) else {
            return Ok(None);
        };
        self.report_truncated(Truncation::Posts { limit });
        Ok(Some(PageCursor::after(&post.id)))
    }

    /// Pages from the newest post back to the first one to deliver, delivers the page it ends with, and returns the
    /// cursor of the next. Only one page is kept in memory: those in between are fetched again on the way forward.
    async fn page_back_to_start(&mut self) -> Result<Option<PageCursor>, ChannelReadError> {
        let (mut cursor, mut seen) = (PageCursor::newest(), 0);
        loop {
            let PostPage { posts, next } = self.page(&cursor).await?;
            let is_first = seen == 0;
            seen += posts.len();
            let start = self.start_within(&posts);
            let limit = self.catch_up.max_posts();
            match next.filter(|_| posts.iter().all(|post| post.create_at > start)) {
                Some(next) if seen < limit => cursor = next,
                more => {
                    if more.is_some() || (is_first && seen > limit) {
                        self.report_truncated(Truncation::Posts { limit });
                    }
                    return self.deliver_first_page(posts, start, is_first).await;
                }
            }
        }
    }

    /// Returns the time after which a page's posts are recovered: when the account joined, if it is new to the channel.
    fn start_within(&self, posts: &[Post]) -> i64 {
        let joined = posts
            .iter()
            .rev()
            .find(|post| membership_change(post, &self.catch_up.me.id) == Some(MembershipChange::Joined));
        let joined = joined.filter(|_| self.news.kind == BacklogKind::Joining);
        self.oldest_time().max(joined.map_or(i64::MIN, |post| post.create_at.saturating_sub(1)))
    }

    async fn deliver_first_page(
        &mut self,
        mut posts: Vec<Post>,
        start: i64,
        is_only: bool,
    ) -> Result<Option<PageCursor>, ChannelReadError> {
        let earlier = posts.iter().rposition(|post| post.create_at <= start);
        let too_old = |post: &Post| post.create_at <= start && post.create_at > self.news.from.time();
        if self.catch_up.oldest == Some(start) && posts.iter().any(too_old) {
            let limit = self.catch_up.client.context.settings.catch_up.max_age.unwrap_or_default();
            self.report_truncated(Truncation::Age { limit });
        }
        if let Some(earlier) = earlier.filter(|_| !is_only) {
            return Ok(Some(PageCursor::after(&posts[earlier].id)));
        }
        let unwanted = earlier.map_or(0, |earlier| earlier + 1);
        posts.drain(
            ..unwanted.max(if is_only { posts.len().saturating_sub(self.catch_up.max_posts()) } else { 0 }),
        );
        let newest = posts.last().map_or(0, |post| post.create_at);
        let onward = posts.iter().rfind(|post| post.create_at < newest).or(posts.last());
        let onward = onward.filter(|_| !is_only).map(|post| PageCursor::after(&post.id));
        self.deliver_posts(posts).await?;
        Ok(onward)
    }

    /// Delivers edits and deletions of older posts.
    async fn read_changes(&self, since: i64) -> Result<(), ChannelReadError> {
        let found = self.catch_up.client.since(&self.news.channel, since).await?;
        if found.as_ref().is_none_or(|since| since.truncated) {
            self.report_truncated(Truncation::Changes { limit: SINCE_LIMIT });
        }
        let mut changes: Vec<(i64, Change, Post)> = Vec::new();
        for post in found.unwrap_or_default().posts {
            if let Some((at, change)) = change_since(&post, since) {
                changes.push((at, change, post));
            }
        }
        changes.sort_by(|(a_at, _, a), (b_at, _, b)| (a_at, &a.id).cmp(&(b_at, &b.id)));
        for (_, change, post) in changes {
            self.deliver(change, &post).await?;
        }
        Ok(())
    }

    /// Delivers posts, oldest first, except those made while the account was not a member.
    async fn deliver_posts(&mut self, mut posts: Vec<Post>) -> Result<(), CloseReason> {
        posts.sort_by(|a, b| (a.create_at, &a.id).cmp(&(b.create_at, &b.id)));
        for post in posts {
            let was_member = self.is_member;
            if self.news.kind == BacklogKind::Unlisted {
                self.is_member = match membership_change(&post, &self.catch_up.me.id) {
                    Some(change) => change == MembershipChange::Joined,
                    None => was_member,
                };
            }
            if was_member || self.is_member {
                self.deliver(posted_change(&post), &post).await?;
            }
        }
        self.catch_up.report_progress();
        Ok(())
    }

    /// Delivers one change as soon as enough permits are free.
    async fn deliver(&self, change: Change, post: &Post) -> Result<(), CloseReason> {
        let catch_up = self.catch_up;
        let permit =
            catch_up.permits.acquire(post.json.get().len()).await.ok_or(CloseReason::DeliveryDied)?;
        let event = catch_up.synthesize_event(change, post, self.channel)?;
        let is_new = catch_up.delivery.send(DeliverRecovered { event, permit }).await;
        if is_new.map_err(|_| CloseReason::DeliveryDied)? {
            catch_up.count_recovered();
        }
        Ok(())
    }

    fn report_truncated(&self, what: Truncation) {
        let channel = self.news.channel.clone();
        self.catch_up.observe(Fact::CatchUpTruncated { channel, what });
    }
}
