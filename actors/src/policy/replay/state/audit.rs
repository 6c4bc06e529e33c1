//! What the audit asks a book.

use super::{BacklogKind, ChannelBacklog, ListedChannel, ReplayState, mark};
use crate::model::{ChannelId, PostKey};

impl ReplayState {
    /// Whether anything was taken that is not acknowledged.
    pub fn has_unacknowledged(&self) -> bool {
        self.channels.values().any(|page| !page.open.is_empty())
    }

    /// Channels of a listing that have more than was seen, for the audit.
    pub fn channels_to_audit(&mut self, listing: &[ListedChannel]) -> Vec<ChannelBacklog> {
        let mut news = Vec::new();
        for listed in listing {
            let page = self.page_of(listed);
            if listed.last_post_at > page.seen_until {
                let (channel, from) = (listed.channel.clone(), page.cursor.anchor().clone());
                news.push(ChannelBacklog { channel, from, edits_since: None, kind: BacklogKind::Known });
            }
        }
        news
    }

    /// Of those posts of a channel, the first that was never received.
    pub fn first_missing<'a>(&self, channel: &ChannelId, posts: &'a [PostKey]) -> Option<&'a PostKey> {
        let page = self.channels.get(channel);
        posts.iter().find(|post| !self.lately.has(&post.id) && page.is_none_or(|page| !page.received(post)))
    }

    /// The audit found nothing missing in a channel up to that time.
    pub fn mark_audited(&mut self, channel: &ChannelId, until: i64) {
        if let Some(page) = self.channels.get_mut(channel) {
            page.seen_until = page.seen_until.max(until);
            mark(&mut self.dirty, channel, page);
        }
    }
}
