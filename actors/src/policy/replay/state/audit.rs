//! What the audit asks a book.

use super::{Book, Listed, News, NewsKind, mark};
use crate::model::{ChannelId, PostKey};

impl Book {
    /// Whether anything was taken that is not acknowledged.
    pub fn has_open(&self) -> bool {
        self.channels.values().any(|page| !page.open.is_empty())
    }

    /// Channels of a listing that have more than was seen, for the audit.
    pub fn overdue(&mut self, listing: &[Listed]) -> Vec<News> {
        let mut news = Vec::new();
        for listed in listing {
            let page = self.page_of(listed);
            if listed.last_post_at > page.seen_until {
                let (channel, from) = (listed.channel.clone(), page.cursor.anchor().clone());
                news.push(News { channel, from, edits_since: None, kind: NewsKind::Known });
            }
        }
        news
    }

    /// Of those posts of a channel, the first that was never received.
    pub fn missing<'a>(&self, channel: &ChannelId, posts: &'a [PostKey]) -> Option<&'a PostKey> {
        let page = self.channels.get(channel);
        posts.iter().find(|post| !self.lately.has(&post.id) && page.is_none_or(|page| !page.received(post)))
    }

    /// The audit found nothing missing in a channel up to that time.
    pub fn looked_at(&mut self, channel: &ChannelId, until: i64) {
        if let Some(page) = self.channels.get_mut(channel) {
            page.seen_until = page.seen_until.max(until);
            mark(&mut self.dirty, channel, page);
        }
    }
}
