//! What the audit asks a book.

use std::time::Duration;

use super::{BacklogKind, ChannelBacklog, ListedChannel, ReplayState, mark};
use crate::model::{ChannelId, PostKey};

/// What an audit goes by. What it compares is decided by the [`ReplayState`](crate::policy::ReplayState): channels past their `seen_until`,
/// and of those only posts that were never received.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AuditReadiness {
    /// How long after ready it stays quiet.
    pub(crate) grace: Duration,
    /// For how long the Connection has been ready.
    pub(crate) ready_for: Duration,
    /// Whether Delivery still holds events that it has not handed over, or more are being fetched.
    pub(crate) delivery_behind: bool,
}

impl AuditReadiness {
    /// Whether a post that is not there would be missing.
    pub(crate) fn is_conclusive(&self) -> bool {
        self.ready_for >= self.grace && !self.delivery_behind
    }
}

impl ReplayState {
    /// Whether anything was taken that is not acknowledged.
    pub(crate) fn has_unacknowledged(&self) -> bool {
        self.channels.values().any(|page| !page.open.is_empty())
    }

    /// Channels of a listing that have more than was seen, for the audit.
    pub(crate) fn channels_to_audit(&mut self, listing: &[ListedChannel]) -> Vec<ChannelBacklog> {
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
    pub(crate) fn first_missing<'a>(&self, channel: &ChannelId, posts: &'a [PostKey]) -> Option<&'a PostKey> {
        let page = self.channels.get(channel);
        posts.iter().find(|post| !self.lately.has(&post.id) && page.is_none_or(|page| !page.received(post)))
    }

    /// The audit found nothing missing in a channel up to that time.
    pub(crate) fn mark_audited(&mut self, channel: &ChannelId, until: i64) {
        if let Some(page) = self.channels.get_mut(channel) {
            page.seen_until = page.seen_until.max(until);
            mark(&mut self.dirty, channel, page);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audit_looks_only_when_it_can_tell() {
        let second = Duration::from_secs(1);
        for (ready_for, delivery_behind, is_conclusive) in
            [(30 * second, false, true), (29 * second, false, false), (30 * second, true, false)]
        {
            let audit = AuditReadiness { grace: 30 * second, ready_for, delivery_behind };
            assert_eq!(audit.is_conclusive(), is_conclusive, "{audit:?}");
        }
    }
}
