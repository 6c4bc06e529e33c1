//! Edits and deletions, from the server's list of changes.

use super::{
    super::{client::ChannelReadError, synthesize::change_since},
    ChannelCatchUp,
};
use crate::{
    hosting::delivery::Origin,
    mattermost::{Post, SINCE_LIMIT},
    model::{Change, Truncation},
};

/// The most requests for the changes of one channel: each passes over half of what the server lists at once, so this is
/// for some 25,000 changes.
const MOST_REQUESTS: usize = 50;

impl ChannelCatchUp<'_> {
    /// Delivers edits and deletions of older posts.
    ///
    /// The server lists at most a thousand changes, any of them, new posts among them (fact 25). If it lists so many, it
    /// is asked again from the middle of what came, until it lists less.
    pub(super) async fn read_changes(&mut self, since: i64) -> Result<(), ChannelReadError> {
        let (mut from, mut is_complete) = (since, true);
        for _ in 0..MOST_REQUESTS {
            let Some(found) = self.catch_up.client.since(&self.news.channel, from).await? else {
                self.report_truncated(Truncation::Changes { limit: SINCE_LIMIT });
                return Ok(());
            };
            let mut posts = found.posts;
            for odd in found.odd {
                posts.extend(self.post_by_itself(odd).await?);
            }
            for post in &posts {
                self.unconfirmed.remove(&post.id);
            }
            let next = found.truncated.then(|| middle(&posts)).flatten();
            self.deliver_changes(posts, since).await?;
            let Some(next) = next.filter(|next| *next > from) else {
                is_complete &= !found.truncated;
                break;
            };
            (from, is_complete) = (next, false);
        }
        // If every new post was among what came, nothing else was left out either.
        if !is_complete && !self.unconfirmed.is_empty() {
            self.report_truncated(Truncation::Changes { limit: SINCE_LIMIT });
        }
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
}

/// Returns the median of the times at which the posts changed.
fn middle(posts: &[Post]) -> Option<i64> {
    let mut times: Vec<i64> = posts.iter().map(|post| post.update_at).collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}
