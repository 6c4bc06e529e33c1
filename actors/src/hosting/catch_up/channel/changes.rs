//! Edits, deletions and changes of membership, from the server's list of changes.

use std::collections::HashSet;

use super::{
    super::{
        client::{CatchUpClient, ChannelReadError},
        synthesize::{change_since, is_unexplained},
    },
    ChannelCatchUp,
};
use crate::{
    hosting::delivery::Origin,
    mattermost::{Post, PostsSince, SINCE_LIMIT},
    model::{Change, ChannelId, CloseReason, Excerpt, Fact, PostId, Truncation},
};

/// The most requests for the changes of one channel: each passes over half of what the server lists at once, so this is
/// for some 25,000 changes.
const MOST_REQUESTS: usize = 50;

/// The server's lists of a channel's changes.
///
/// The server lists at most a thousand changes, any of them, new posts among them (fact 25). If it lists so many, it is
/// asked again from the middle of what came, until it lists less.
struct ChangeLists {
    /// A list that was fetched before; it is the only one.
    ready: Option<PostsSince>,
    /// The time after which the next list begins; none after the last one.
    from: Option<i64>,
    requests: usize,
    extent: Extent,
}

/// The part of a channel's changes that its lists contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// All of them.
    Whole,
    /// Some were left out of a list, and may have been in another.
    Sampled,
    /// A list exceeded the body limit.
    TooLarge,
}

impl ChangeLists {
    fn since(time: i64) -> Self {
        Self { ready: None, from: Some(time), requests: 0, extent: Extent::Whole }
    }

    fn ready(list: PostsSince) -> Self {
        Self { ready: Some(list), from: None, requests: 0, extent: Extent::Whole }
    }

    /// Fetches the next list; none after the last one.
    async fn next(
        &mut self,
        client: &CatchUpClient,
        channel: &ChannelId,
    ) -> Result<Option<PostsSince>, ChannelReadError> {
        if let Some(list) = self.ready.take() {
            return Ok(Some(list));
        }
        let Some(from) = self.from.take().filter(|_| self.requests < MOST_REQUESTS) else { return Ok(None) };
        self.requests += 1;
        let Some(found) = client.since(channel, from).await? else {
            self.extent = Extent::TooLarge;
            return Ok(None);
        };
        if found.truncated {
            self.extent = Extent::Sampled;
            self.from = middle(&found.posts).filter(|next| *next > from);
        }
        Ok(Some(found))
    }
}

/// The rows of posts older than the cursor that changed without a visible cause. One that was dated back cannot be told
/// from one that is known and lost a reaction, so that they are counted and not delivered.
#[derive(Debug, Default)]
struct UnexplainedRows {
    rows: HashSet<PostId>,
    /// The roots of all replies: a reply changes its root.
    roots: HashSet<PostId>,
}

impl UnexplainedRows {
    fn look_at(&mut self, post: &Post, cursor: i64) {
        self.roots.extend(post.root_id.clone());
        if post.create_at <= cursor && is_unexplained(post) {
            self.rows.insert(post.id.clone());
        }
    }

    /// Returns the number of rows, if there are any.
    fn count(&self) -> Option<usize> {
        Some(self.rows.difference(&self.roots).count()).filter(|rows| *rows > 0)
    }
}

impl ChannelCatchUp<'_> {
    /// Delivers edits and deletions of older posts.
    pub(super) async fn read_changes(&mut self, since: i64) -> Result<(), ChannelReadError> {
        let early = self.early_changes.take().filter(|(time, _)| *time <= since);
        let mut lists = early.map_or_else(|| ChangeLists::since(since), |(_, list)| ChangeLists::ready(list));
        let mut unexplained = UnexplainedRows::default();
        while let Some(found) = lists.next(&self.catch_up.client, &self.news.channel).await? {
            let mut posts = found.posts;
            for odd in found.odd {
                match self.post_by_itself(odd).await? {
                    Ok(post) => posts.extend(post),
                    Err(row) if row.is_gone => self.deliver_deletion(row.post).await?,
                    Err(row) => self.report_skipped(row),
                }
            }
            for post in &posts {
                self.unconfirmed.remove(&post.id);
                unexplained.look_at(post, self.news.from.time());
            }
            self.deliver_changes(posts, since).await?;
        }
        if let Some(posts) = unexplained.count() {
            let channel = self.news.channel.clone();
            self.catch_up.observe(Fact::OlderPostsUntold { channel, posts });
        }
        let is_incomplete = match lists.extent {
            Extent::Whole => false,
            // If every new post was among what came, nothing else was left out either.
            Extent::Sampled => !self.unconfirmed.is_empty(),
            Extent::TooLarge => true,
        };
        if is_incomplete {
            self.report_truncated(Truncation::Changes { limit: SINCE_LIMIT });
        }
        Ok(())
    }

    /// Asks for the membership changes after a time: if the post about a return was deleted, no page shows it.
    pub(super) async fn recall_membership(&mut self, since: i64) -> Result<(), ChannelReadError> {
        let (mut lists, mut rows, mut last) = (ChangeLists::since(since), Vec::new(), None);
        while let Some(found) = lists.next(&self.catch_up.client, &self.news.channel).await? {
            let is_later_system_post = |post: &&Post| !post.kind.is_empty() && post.create_at > since;
            rows.extend(found.posts.iter().filter(is_later_system_post).cloned());
            last = Some(found);
        }
        // If some rows are missing, the pages may show the return.
        let is_whole = lists.extent == Extent::Whole;
        self.may_miss_return = !is_whole;
        self.membership.recall(rows.iter(), self.listed_at().filter(|_| is_whole));
        self.early_changes = last.filter(|_| is_whole).map(|list| (since, list));
        Ok(())
    }

    async fn deliver_changes(&self, mut posts: Vec<Post>, since: i64) -> Result<(), ChannelReadError> {
        posts.retain(|post| change_since(post, since).is_some());
        self.catch_up.learn_authors(&posts).await;
        let mut changes: Vec<(i64, Change, Post)> = Vec::new();
        for post in posts {
            if let Some((at, change)) = change_since(&post, since) {
                changes.push((at, change, post));
            }
        }
        changes.sort_by(|(a_at, _, a), (b_at, _, b)| (a_at, &a.id).cmp(&(b_at, &b.id)));
        for (_, change, post) in changes {
            self.deliver(change, &post, (Origin::Fetched, false)).await?;
        }
        Ok(())
    }

    /// Delivers the deletion of a post that the list of changes has and the server has no more. Who wrote it is unknown.
    async fn deliver_deletion(&self, id: PostId) -> Result<(), ChannelReadError> {
        let post = Post::deleted(&id, &self.news.channel, self.catch_up.listed_at);
        let post = post.map_err(|error| CloseReason::CatchUpFailed { cause: Excerpt::of(&error) })?;
        self.deliver(Change::Deleted { id }, &post, (Origin::Fetched, false)).await
    }
}

/// Returns the median of the times at which the posts changed.
fn middle(posts: &[Post]) -> Option<i64> {
    let mut times: Vec<i64> = posts.iter().map(|post| post.update_at).collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}
