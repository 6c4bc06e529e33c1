mod changes;
mod kept_pages;
mod membership;

use std::collections::HashSet;

use self::{
    kept_pages::{BUDGET, KeptPages},
    membership::MembershipTrack,
};
use super::{
    CatchUp,
    client::ChannelReadError,
    page::{PageCursor, PostPage},
    synthesize::posted_change,
};
use crate::{
    hosting::delivery::{Admission, DeliverRecovered, LeftChannel, Origin},
    mattermost::{Channel, OddRow, Post, PostsSince, RestErrorKind, SINCE_LIMIT},
    model::{Change, CloseReason, Excerpt, Fact, PostId, Truncation},
    policy::{Anchor, BacklogKind, ChannelBacklog},
};

/// A row that cannot be used, and whose post cannot be had by itself either.
struct UnusableRow {
    post: PostId,
    cause: Excerpt,
    /// True if the server has no such post: it is deleted, unless it is hidden.
    is_gone: bool,
}

/// The catch-up of one channel: its missed posts, oldest first, then edits and deletions of older ones.
pub(super) struct ChannelCatchUp<'a> {
    catch_up: &'a CatchUp,
    news: &'a ChannelBacklog,
    channel: Option<&'a Channel>,
    membership: MembershipTrack<'a>,
    /// The posts read from pages that no list of changes has shown yet. If all of them were shown, it was complete.
    unconfirmed: HashSet<PostId>,
    /// True once hidden posts have been reported.
    is_hidden_reported: bool,
    /// The newest post read, which is delivered when it is known whether it is the last.
    newest: Option<(Post, Origin)>,
    /// The whole list of changes since a time, if the membership was asked for: it serves for the edits, too.
    early_changes: Option<(i64, PostsSince)>,
    /// True if the post about a return may be missing among those that were asked for after a leave.
    may_miss_return: bool,
}

impl<'a> ChannelCatchUp<'a> {
    pub(super) fn new(catch_up: &'a CatchUp, news: &'a ChannelBacklog, channel: Option<&'a Channel>) -> Self {
        let me = &catch_up.me.id;
        let membership = match news.kind {
            BacklogKind::Known | BacklogKind::Unlisted => MembershipTrack::member(me),
            BacklogKind::Joining => MembershipTrack::unknown(me),
        };
        let unconfirmed = HashSet::new();
        Self {
            catch_up,
            news,
            channel,
            membership,
            unconfirmed,
            is_hidden_reported: false,
            early_changes: None,
            may_miss_return: false,
            newest: None,
        }
    }

    pub(super) async fn run(mut self) -> Result<(), ChannelReadError> {
        self.read_posts().await?;
        self.deliver_newest(true).await?;
        self.read_changes(self.news.edits_since).await?;
        if self.membership.has_left() {
            self.end_as_left().await?;
        }
        Ok(())
    }

    /// Ends the membership. A listed channel has the account as a member, whatever its posts say.
    async fn end_as_left(&self) -> Result<(), CloseReason> {
        if self.news.kind == BacklogKind::Unlisted {
            let left = self.catch_up.delivery.send(LeftChannel(self.news.channel.clone())).await;
            left.map_err(|_| CloseReason::DeliveryDied)?;
        } else if self.may_miss_return {
            self.report_truncated(Truncation::Changes { limit: SINCE_LIMIT });
        }
        Ok(())
    }

    /// Returns a time at which the channel's list had the account as a member, if it did. A leave that is later may not
    /// be in the list yet.
    fn listed_at(&self) -> Option<i64> {
        let overlap_ms = self.catch_up.client.context.replay.with(|replay| replay.settings().overlap_ms);
        let listed_at = self.catch_up.listed_at.saturating_sub(overlap_ms);
        (self.news.kind != BacklogKind::Unlisted).then_some(listed_at)
    }

    async fn read_posts(&mut self) -> Result<(), ChannelReadError> {
        if self.news.kind == BacklogKind::Joining {
            let begin = self.oldest_time();
            self.recall_membership(begin.min(self.news.edits_since)).await?;
        }
        let mut cursor = match &self.news.from {
            Anchor::Post { id, .. } if self.oldest_time() == self.news.from.time() => {
                let page = self.page(&PageCursor::after(id)).await?;
                if page.posts.is_empty() && page.next.is_none() {
                    // The anchor post may be gone: the server then returns an empty page (fact 11).
                    self.page_back_to_start().await?
                } else if let Some(cursor) = self.skip_surplus(&page).await? {
                    self.membership.forget();
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

    /// Fetches a page. Rows that cannot be used are fetched by themselves, and else reported.
    async fn page(&mut self, cursor: &PageCursor) -> Result<PostPage, ChannelReadError> {
        let mut page = self.catch_up.client.page(&self.news.channel, cursor).await?;
        for odd in std::mem::take(&mut page.odd) {
            match self.post_by_itself(odd).await? {
                Ok(post) => page.posts.extend(post),
                Err(row) => self.report_skipped(row),
            }
        }
        page.posts.sort_by(|a, b| (a.create_at, &a.id).cmp(&(b.create_at, &b.id)));
        let hidden = page.first_inaccessible.filter(|until| *until > self.news.from.time());
        if let Some(until) = hidden.filter(|_| !self.is_hidden_reported) {
            self.is_hidden_reported = true;
            self.report_truncated(Truncation::Inaccessible { until });
        }
        Ok(page)
    }

    /// Fetches the post of a row that cannot be used; `None` if it is deleted.
    async fn post_by_itself(
        &self,
        OddRow { id, cause }: OddRow,
    ) -> Result<Result<Option<Post>, UnusableRow>, ChannelReadError> {
        let post = PostId::from(&*id);
        let (cause, is_gone) = match self.catch_up.client.post_if_readable(&post).await? {
            Ok(found) if found.channel_id == self.news.channel && found.id == post => {
                return Ok(Ok(Some(found).filter(|found| found.delete_at == 0)));
            }
            Ok(_) => (format!("{cause}; by itself it is another post"), false),
            Err(error) => (format!("{cause}; by itself: {error}"), error.kind == RestErrorKind::NotFound),
        };
        Ok(Err(UnusableRow { post, cause: Excerpt::of(&cause), is_gone }))
    }

    fn report_skipped(&self, UnusableRow { post, cause, .. }: UnusableRow) {
        let channel = self.news.channel.clone();
        self.catch_up.observe(Fact::RowSkipped { channel, post: Some(post), cause });
    }

    /// Returns the time after which posts are recovered.
    fn oldest_time(&self) -> i64 {
        let anchor = self.news.from.time();
        self.catch_up.oldest.map_or(anchor, |oldest| anchor.max(oldest))
    }

    /// Returns the cursor of the newest posts within the limit if more posts than that were missed.
    async fn skip_surplus(&mut self, first: &PostPage) -> Result<Option<PageCursor>, ChannelReadError> {
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

    /// Pages from the newest post back to the first one to deliver, delivers the page it ends with and the kept ones after
    /// it, and returns the cursor of the next.
    async fn page_back_to_start(&mut self) -> Result<Option<PageCursor>, ChannelReadError> {
        let (mut cursor, mut seen, start) = (PageCursor::newest(), 0, self.oldest_time());
        let mut kept = KeptPages::within(&BUDGET);
        loop {
            let PostPage { posts, next, .. } = self.page(&cursor).await?;
            let is_first = seen == 0;
            seen += posts.len();
            self.membership.look_back(posts.iter().filter(|post| post.create_at > start));
            let limit = self.catch_up.max_posts();
            match next.filter(|_| posts.iter().all(|post| post.create_at > start)) {
                Some(next) if seen < limit => {
                    kept.push(posts);
                    cursor = next;
                }
                more => {
                    if more.is_some() || (is_first && seen > limit) {
                        self.report_truncated(Truncation::Posts { limit });
                    }
                    let mut onward = self.deliver_first_page(posts, start, is_first).await?;
                    while let Some(posts) = kept.pop_oldest() {
                        onward = before_newest(&posts).or(onward);
                        self.deliver_posts(posts).await?;
                    }
                    return Ok(onward);
                }
            }
        }
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
        let last_earlier =
            earlier.and_then(|earlier| posts.get(earlier)).map(|post| PageCursor::after(&post.id));
        let unwanted = earlier.map_or(0, |earlier| earlier + 1);
        posts.drain(
            ..unwanted.max(if is_only { posts.len().saturating_sub(self.catch_up.max_posts()) } else { 0 }),
        );
        let newest = posts.last().map(|post| PageCursor::after(&post.id));
        let onward = if is_only { None } else { before_newest(&posts).or(last_earlier).or(newest) };
        self.deliver_posts(posts).await?;
        Ok(onward)
    }

    /// Delivers posts, oldest first. Those made while the account was not a member count as received.
    async fn deliver_posts(&mut self, posts: Vec<Post>) -> Result<(), ChannelReadError> {
        self.membership.look_ahead(&posts);
        self.catch_up.learn_authors(&posts).await;
        for post in posts {
            let origin = match self.membership.concerns(&post) {
                true => Origin::Fetched,
                false if self.membership.may_have_returned() => {
                    self.deliver_newest(false).await?;
                    return Err(ChannelReadError::Undecided);
                }
                false => Origin::WhileOut,
            };
            let recall = self.membership.asks_after(&post).then_some(post.create_at);
            if self.unconfirmed.len() < self.catch_up.max_posts() {
                self.unconfirmed.insert(post.id.clone());
            }
            self.deliver_newest(false).await?;
            self.newest = Some((post, origin));
            if let Some(since) = recall {
                self.recall_membership(since).await?;
            }
        }
        self.catch_up.report_progress();
        Ok(())
    }

    /// Delivers the newest post read so far.
    async fn deliver_newest(&mut self, is_last: bool) -> Result<(), ChannelReadError> {
        let Some((post, origin)) = self.newest.take() else { return Ok(()) };
        self.deliver(posted_change(&post), &post, (origin, is_last)).await
    }

    /// Delivers one change as soon as enough permits are free.
    async fn deliver(
        &self,
        change: Change,
        post: &Post,
        (origin, is_last): (Origin, bool),
    ) -> Result<(), ChannelReadError> {
        let catch_up = self.catch_up;
        let permit =
            catch_up.permits.acquire(post.json.get().len()).await.ok_or(CloseReason::DeliveryDied)?;
        let event = catch_up.synthesize_event(change, post, self.channel, is_last)?;
        let admission = catch_up.delivery.send(DeliverRecovered { event, permit, origin }).await;
        match admission.map_err(|_| CloseReason::DeliveryDied)? {
            Admission::New if origin != Origin::WhileOut => catch_up.count_recovered(),
            Admission::New | Admission::Known => {}
            Admission::Postponed => return Err(ChannelReadError::Postponed),
        }
        Ok(())
    }

    fn report_truncated(&self, what: Truncation) {
        let channel = self.news.channel.clone();
        self.catch_up.observe(Fact::CatchUpTruncated { channel, what });
    }
}

/// Returns the cursor of the posts after the last one that is older than the newest, so that none of the newest's time is left
/// out; `None` if all have the same time.
fn before_newest(posts: &[Post]) -> Option<PageCursor> {
    let newest = posts.last()?.create_at;
    posts.iter().rfind(|post| post.create_at < newest).map(|post| PageCursor::after(&post.id))
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    fn post((id, create_at): (&str, i64)) -> Post {
        let json = format!(r#"{{"id":"{id}","create_at":{create_at},"user_id":"u","channel_id":"c"}}"#);
        Post::read(RawValue::from_string(json).unwrap()).unwrap()
    }

    #[test]
    fn the_way_goes_on_before_the_posts_of_the_newest_time() {
        for (posts, after) in [
            (&[("a", 1), ("b", 2), ("c", 3), ("d", 3)][..], Some("b")),
            (&[("a", 1), ("b", 1), ("c", 2)], Some("b")),
            (&[("a", 3), ("b", 3)], None),
            (&[("a", 3)], None),
            (&[], None),
        ] {
            let posts: Vec<_> = posts.iter().copied().map(post).collect();
            let expected = after.map(|id| PageCursor::after(&id.into()));
            assert_eq!(format!("{:?}", before_newest(&posts)), format!("{expected:?}"), "{posts:?}");
        }
    }
}
