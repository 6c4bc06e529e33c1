use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use crate::model::{ChannelId, PostId};

/// The maximum number of keys remembered per account: many times the answers that it sends between the delivery of
/// an event and its acknowledgement. A forgotten key is searched for again.
const MOST_KEYS: usize = 4_096;

/// The maximum number of searched channels remembered per account. Beyond it all are forgotten and searched again.
const MOST_CHANNELS: usize = 4_096;

/// A post with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SentPost {
    pub(crate) id: PostId,
    /// The limit, in characters, at which its text was split, if it is the first of several parts.
    pub(crate) split_at: Option<usize>,
}

/// The channel and the key of a post: the same key in another channel is that of another post.
type ChannelKey = (ChannelId, Arc<str>);

/// The keys of an account's posts by channel, and the times since which they are complete.
///
/// Only this host posts as the account, so each channel is searched once: later posts are remembered. The first
/// answer in a channel costs one extra request and no other does, even if hundreds of events are redelivered after
/// a kill.
#[derive(Debug, Default)]
pub(crate) struct SentKeys {
    posts: HashMap<ChannelKey, SentPost>,
    /// The keys, oldest first.
    order: VecDeque<ChannelKey>,
    /// The server time for each channel from which all its keys are in `posts`.
    known_from: HashMap<ChannelId, i64>,
}

impl SentKeys {
    /// Returns the post in the channel with the key.
    pub(crate) fn find(&self, channel: &ChannelId, key: &str) -> Option<&SentPost> {
        self.posts.get(&(channel.clone(), key.into()))
    }

    /// True if a post with an unknown key may exist, given that it is not older than `oldest`, in server
    /// milliseconds.
    pub(crate) fn may_contain(&self, channel: &ChannelId, oldest: Option<i64>) -> bool {
        let known = self.known_from.get(channel);
        known.is_none_or(|from| oldest.is_some_and(|oldest| oldest < *from))
    }

    /// Records a search of a channel: all keyed posts of the account from the server time on.
    pub(crate) fn channel_searched(
        &mut self,
        channel: &ChannelId,
        from: i64,
        found: Vec<(String, SentPost)>,
    ) {
        if self.known_from.len() >= MOST_CHANNELS && !self.known_from.contains_key(channel) {
            self.known_from.clear();
        }
        let known = self.known_from.entry(channel.clone()).or_insert(from);
        *known = from.min(*known);
        for (key, post) in found {
            self.insert(channel, &key, post);
        }
    }

    /// Records that a post of unknown outcome may be in the channel: it is searched again.
    pub(crate) fn may_have_posted(&mut self, channel: &ChannelId) {
        self.known_from.remove(channel);
    }

    /// Forgets a post that was deleted.
    pub(crate) fn remove(&mut self, channel: &ChannelId, key: &str) {
        let key: ChannelKey = (channel.clone(), key.into());
        if self.posts.remove(&key).is_some() {
            self.order.retain(|known| *known != key);
        }
    }

    /// Records a post.
    pub(crate) fn insert(&mut self, channel: &ChannelId, key: &str, post: SentPost) {
        let key: ChannelKey = (channel.clone(), key.into());
        if self.posts.insert(key.clone(), post).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > MOST_KEYS
            && let Some(oldest) = self.order.pop_front()
        {
            self.posts.remove(&oldest);
            self.known_from.remove(&oldest.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(id: &str) -> SentPost {
        SentPost { id: id.into(), split_at: None }
    }

    #[test]
    fn a_channel_is_searched_once_and_again_further_back() {
        let (town, other) = (ChannelId::from("town"), ChannelId::from("other"));
        let mut sent = SentKeys::default();
        assert!(sent.may_contain(&town, Some(500)) && sent.may_contain(&town, None));
        sent.channel_searched(&town, 500, vec![("a".into(), whole("post-a"))]);
        assert_eq!(sent.find(&town, "a"), Some(&whole("post-a")));
        assert!(!sent.may_contain(&town, Some(500)) && !sent.may_contain(&town, None));
        assert!(sent.may_contain(&town, Some(499)) && sent.may_contain(&other, Some(500)));
        sent.channel_searched(&town, 100, Vec::new());
        sent.channel_searched(&town, 300, Vec::new());
        assert!(!sent.may_contain(&town, Some(100)), "known keys stay known");
        sent.insert(&town, "b", whole("post-b"));
        assert_eq!(sent.find(&town, "b"), Some(&whole("post-b")));
        sent.remove(&town, "b");
        assert_eq!((sent.find(&town, "b"), sent.order.len()), (None, 1));
        sent.may_have_posted(&town);
        assert!(sent.may_contain(&town, Some(500)) && sent.find(&town, "a").is_some());
    }

    #[test]
    fn a_key_stands_for_one_post_in_each_channel() {
        let (town, other) = (ChannelId::from("town"), ChannelId::from("other"));
        let mut sent = SentKeys::default();
        sent.insert(&town, "report", whole("1"));
        assert_eq!(sent.find(&other, "report"), None);
        sent.channel_searched(&other, 0, vec![("report".into(), whole("2"))]);
        assert_eq!(sent.find(&town, "report"), Some(&whole("1")));
        assert_eq!(sent.find(&other, "report"), Some(&whole("2")));
        sent.remove(&town, "report");
        assert_eq!((sent.find(&town, "report"), sent.order.len()), (None, 1));
        assert_eq!(sent.find(&other, "report"), Some(&whole("2")));
    }

    #[test]
    fn forgotten_keys_are_searched_for_again() {
        let (town, other) = (ChannelId::from("town"), ChannelId::from("other"));
        let mut sent = SentKeys::default();
        sent.channel_searched(&town, 0, vec![("first".into(), whole("1"))]);
        sent.channel_searched(&other, 0, Vec::new());
        for n in 0..MOST_KEYS {
            sent.insert(&other, &n.to_string(), whole("2"));
        }
        assert_eq!(sent.find(&town, "first"), None);
        assert!(sent.may_contain(&town, Some(10)), "its key may be one of the forgotten");
        assert!(!sent.may_contain(&other, Some(10)));
        assert!(sent.posts.len() == MOST_KEYS && sent.order.len() == MOST_KEYS);
    }
}
