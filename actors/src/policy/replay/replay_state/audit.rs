//! The part of the replay state that serves the audit.

use std::time::Duration;

use super::{ReplayState, mark};
use crate::{
    model::{ChannelId, PostKey},
    policy::{BacklogKind, ChannelBacklog, ListedChannel},
};

/// The conditions for an audit that can distinguish a missing post from a late one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AuditReadiness {
    /// The time after ready during which no audit takes place.
    pub(crate) grace: Duration,
    /// The time for which the Connection has been ready.
    pub(crate) ready_for: Duration,
    /// True if the Delivery holds events that it has not handed over, or more are being fetched.
    pub(crate) delivery_behind: bool,
}

impl AuditReadiness {
    /// True if a post that was not received is missing.
    pub(crate) fn is_conclusive(&self) -> bool {
        self.ready_for >= self.grace && !self.delivery_behind
    }
}

impl ReplayState {
    /// True if any received change is not acknowledged.
    pub(crate) fn has_unacknowledged(&self) -> bool {
        self.channels.values().any(|state| !state.open.is_empty() || state.has_dropped_changes())
    }

    /// Returns the channels of a listing that contain more than was seen.
    pub(crate) fn channels_to_audit(&mut self, listing: &[ListedChannel]) -> Vec<ChannelBacklog> {
        self.make_room();
        let mut backlog = Vec::new();
        for listed in listing {
            let state = self.channel_state(listed);
            if listed.last_post_at > state.seen_until {
                backlog.push(ChannelBacklog {
                    channel: listed.channel.clone(),
                    from: state.cursor.anchor().clone(),
                    edits_since: state.edits.until(),
                    kind: BacklogKind::Known,
                });
            }
        }
        backlog
    }

    /// Returns the first of a channel's posts that was never received.
    pub(crate) fn first_missing<'a>(&self, channel: &ChannelId, posts: &'a [PostKey]) -> Option<&'a PostKey> {
        let state = self.channels.get(channel);
        posts
            .iter()
            .find(|post| !self.recent.has_post(&post.id) && state.is_none_or(|state| !state.received(post)))
    }

    /// Records that nothing is missing in a channel up to the time.
    pub(crate) fn mark_audited(&mut self, channel: &ChannelId, until: i64) {
        let until = until.min(self.latest);
        if let Some(state) = self.channels.get_mut(channel) {
            state.seen_until = state.seen_until.max(until);
            mark(&mut self.dirty, channel, state);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_audit_is_conclusive_only_after_the_grace_period_and_without_backlog() {
        let second = Duration::from_secs(1);
        for (ready_for, delivery_behind, is_conclusive) in
            [(30 * second, false, true), (29 * second, false, false), (30 * second, true, false)]
        {
            let audit = AuditReadiness { grace: 30 * second, ready_for, delivery_behind };
            assert_eq!(audit.is_conclusive(), is_conclusive, "{audit:?}");
        }
    }
}
