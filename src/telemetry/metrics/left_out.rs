//! The events that the filter of a sink left out.

use std::sync::atomic::{AtomicU64, Ordering};

/// The key of a sink's filter that left an event out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterKey {
    /// The event's name is not wanted.
    Events,
    /// The event is about the bot's own action.
    SkipOwn,
    /// The event was missed and fetched later.
    Recovered,
    /// The post or edit is too old.
    SkipOlderThan,
    /// The channel is not wanted.
    Channels,
    /// The channel's team is not wanted.
    Teams,
    /// The type of the channel is not wanted.
    ChannelTypes,
    /// The author is not wanted.
    Users,
    /// A bot posted it.
    IgnoreBots,
    /// A webhook posted it.
    IgnoreWebhooks,
    /// The server posted it.
    IgnoreSystem,
    /// The post does not mention the bot.
    MentionsOnly,
}

impl FilterKey {
    /// All keys, in the order of their declaration.
    pub(super) const ALL: [Self; 12] = [
        Self::Events,
        Self::SkipOwn,
        Self::Recovered,
        Self::SkipOlderThan,
        Self::Channels,
        Self::Teams,
        Self::ChannelTypes,
        Self::Users,
        Self::IgnoreBots,
        Self::IgnoreWebhooks,
        Self::IgnoreSystem,
        Self::MentionsOnly,
    ];

    /// Returns the key as the configuration spells it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::SkipOwn => "skip_own",
            Self::Recovered => "recovered",
            Self::SkipOlderThan => "skip_older_than",
            Self::Channels => "channels",
            Self::Teams => "teams",
            Self::ChannelTypes => "channel_types",
            Self::Users => "users",
            Self::IgnoreBots => "ignore_bots",
            Self::IgnoreWebhooks => "ignore_webhooks",
            Self::IgnoreSystem => "ignore_system",
            Self::MentionsOnly => "mentions_only",
        }
    }
}

/// The numbers of left out events, by key.
#[derive(Debug, Default)]
pub(super) struct LeftOut([AtomicU64; FilterKey::ALL.len()]);

impl LeftOut {
    pub(super) fn count(&self, key: FilterKey) {
        if let Some(counter) = self.0.get(key as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns the keys that left events out, with the numbers of events.
    pub(super) fn counts(&self) -> Vec<(&'static str, u64)> {
        let counts = self.0.iter().map(|counter| counter.load(Ordering::Relaxed));
        let all = FilterKey::ALL.into_iter().map(FilterKey::label).zip(counts);
        all.filter(|(_, count)| *count > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_own_counter() {
        let left_out = LeftOut::default();
        for (n, key) in FilterKey::ALL.into_iter().enumerate() {
            (0..=n).for_each(|_| left_out.count(key));
        }
        let counts = left_out.counts();
        assert_eq!(counts.len(), FilterKey::ALL.len());
        for (n, (key, count)) in counts.into_iter().enumerate() {
            assert_eq!((key, count), (FilterKey::ALL[n].label(), n as u64 + 1));
        }
    }
}
