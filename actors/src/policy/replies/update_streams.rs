use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::model::ChannelId;

/// The least time between two updates of a post: readers see no difference, and every update is sent to all of them.
pub(crate) const UPDATE_INTERVAL: Duration = Duration::from_millis(500);

/// The post that updates change: its channel and its key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct StreamKey {
    pub(crate) channel: ChannelId,
    pub(crate) key: Box<str>,
}

/// The updates of posts by their keys. Of the updates that wait for the same post, only the newest is sent.
#[derive(Debug)]
pub(crate) struct UpdateStreams<T> {
    streams: HashMap<StreamKey, Stream<T>>,
    waiting: usize,
    at_work: usize,
}

/// The updates of one post.
#[derive(Debug)]
struct Stream<T> {
    newest: Option<T>,
    is_at_work: bool,
    /// The time at which the last update began.
    last: Option<Instant>,
    /// The number of requests to create the post that are not done.
    creations: usize,
}

/// The next step of all updates.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NextUpdate<T> {
    /// The update is to be sent now.
    Send(StreamKey, T),
    /// The next update is due then.
    At(Instant),
    /// No update is due until something is done.
    Idle,
}

impl<T> Default for UpdateStreams<T> {
    fn default() -> Self {
        Self { streams: HashMap::new(), waiting: 0, at_work: 0 }
    }
}

impl<T> UpdateStreams<T> {
    /// Adds an update. Returns the one that it replaces, if one was waiting.
    pub(crate) fn push(&mut self, key: StreamKey, update: T) -> Option<T> {
        let replaced = self.entry(key).newest.replace(update);
        self.waiting += usize::from(replaced.is_none());
        replaced
    }

    /// Returns the waiting update that a new one would replace.
    pub(crate) fn waiting(&self, key: &StreamKey) -> Option<&T> {
        self.streams.get(key)?.newest.as_ref()
    }

    /// Records that a post with the key is to be created. Its updates wait for it.
    pub(crate) fn creation_begun(&mut self, key: StreamKey) {
        self.entry(key).creations += 1;
    }

    /// Records that the creation of a post with the key has succeeded or failed.
    pub(crate) fn creation_done(&mut self, key: &StreamKey) {
        if let Some(stream) = self.streams.get_mut(key) {
            stream.creations = stream.creations.saturating_sub(1);
        }
    }

    /// Returns the next step, and takes the update that is to be sent.
    pub(crate) fn next(&mut self, now: Instant) -> NextUpdate<T> {
        self.streams.retain(|_, stream| !stream.is_over(now));
        let waiting = self.streams.iter().filter(|(_, stream)| stream.may_go());
        let due = |stream: &Stream<T>| stream.last.map_or(now, |last| last + UPDATE_INTERVAL);
        let Some((key, at)) = waiting.map(|(key, stream)| (key, due(stream))).min_by_key(|(_, at)| *at)
        else {
            return NextUpdate::Idle;
        };
        if at > now {
            return NextUpdate::At(at);
        }
        let key = key.clone();
        let stream = self.entry(key.clone());
        let Some(update) = stream.newest.take() else { return NextUpdate::Idle };
        (stream.is_at_work, stream.last) = (true, Some(now));
        self.waiting -= 1;
        self.at_work += 1;
        NextUpdate::Send(key, update)
    }

    /// Records that an update has succeeded or failed.
    pub(crate) fn done(&mut self, key: &StreamKey) {
        if let Some(stream) = self.streams.get_mut(key).filter(|stream| stream.is_at_work) {
            stream.is_at_work = false;
            self.at_work -= 1;
        }
    }

    /// Returns the number of updates that are not done.
    pub(crate) fn len(&self) -> usize {
        self.waiting + self.at_work
    }

    /// True if all updates are done.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn entry(&mut self, key: StreamKey) -> &mut Stream<T> {
        let new = || Stream { newest: None, is_at_work: false, last: None, creations: 0 };
        self.streams.entry(key).or_insert_with(new)
    }
}

impl<T> Stream<T> {
    fn may_go(&self) -> bool {
        self.newest.is_some() && !self.is_at_work && self.creations == 0
    }

    /// True if nothing of the stream has to be remembered.
    fn is_over(&self, now: Instant) -> bool {
        let is_recent = self.last.is_some_and(|last| now < last + UPDATE_INTERVAL);
        self.newest.is_none() && !self.is_at_work && self.creations == 0 && !is_recent
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(name: &str) -> StreamKey {
        StreamKey { channel: "town".into(), key: name.into() }
    }

    #[test]
    fn only_the_newest_update_is_sent_and_not_too_soon() {
        let now = Instant::now();
        let mut streams = UpdateStreams::default();
        assert_eq!(streams.push(key("a"), 1), None);
        assert_eq!(streams.next(now), NextUpdate::Send(key("a"), 1));
        assert_eq!((streams.push(key("a"), 2), streams.push(key("a"), 3)), (None, Some(2)));
        assert_eq!(streams.next(now), NextUpdate::Idle, "one at a time");
        streams.done(&key("a"));
        assert_eq!(streams.next(now), NextUpdate::At(now + UPDATE_INTERVAL));
        streams.push(key("b"), 9);
        assert_eq!(streams.next(now), NextUpdate::Send(key("b"), 9), "another post waits for nothing");
        assert_eq!(streams.next(now + UPDATE_INTERVAL), NextUpdate::Send(key("a"), 3));
        streams.done(&key("a"));
        streams.done(&key("b"));
        assert_eq!((streams.next(now + 2 * UPDATE_INTERVAL), streams.len()), (NextUpdate::Idle, 0));
        assert!(streams.streams.is_empty(), "what is over is forgotten");
    }

    #[test]
    fn an_update_waits_for_its_post() {
        let now = Instant::now();
        let mut streams = UpdateStreams::default();
        streams.creation_begun(key("a"));
        streams.push(key("a"), 1);
        assert_eq!(streams.next(now), NextUpdate::Idle);
        streams.creation_done(&key("a"));
        assert_eq!(streams.next(now), NextUpdate::Send(key("a"), 1));
    }

    proptest! {
        /// Every update is sent or replaced by a later one of its post, the last one of each post is sent, and no post is
        /// updated twice within the interval.
        #[test]
        fn the_last_update_of_each_post_is_sent(
            steps in proptest::collection::vec((0u8..3, 0u8..3, 0u64..400), 1..120),
        ) {
            let (mut now, mut streams) = (Instant::now(), UpdateStreams::default());
            let (mut sent, mut replaced) = (vec![Vec::new(); 3], Vec::new());
            let mut last = [None; 3];
            let index = |key: &StreamKey| key.key.parse::<usize>().unwrap();
            for (n, (post, kind, millis)) in steps.iter().enumerate() {
                let post = usize::from(*post);
                match kind {
                    0 | 1 => {
                        last[post] = Some(n);
                        replaced.extend(streams.push(key(&post.to_string()), n));
                    }
                    _ => streams.done(&key(&post.to_string())),
                }
                now += Duration::from_millis(*millis);
                while let NextUpdate::Send(key, update) = streams.next(now) {
                    sent[index(&key)].push((now, update));
                }
            }
            while !streams.is_empty() {
                (0..3).for_each(|post| streams.done(&key(&post.to_string())));
                now += UPDATE_INTERVAL;
                while let NextUpdate::Send(key, update) = streams.next(now) {
                    sent[index(&key)].push((now, update));
                }
            }
            for (post, sent) in sent.iter().enumerate() {
                prop_assert_eq!(sent.last().map(|(_, n)| *n), last[post]);
                prop_assert!(sent.is_sorted_by(|a, b| a.0 + UPDATE_INTERVAL <= b.0 && a.1 < b.1), "{:?}", sent);
            }
            let pushed = steps.iter().filter(|(_, kind, _)| *kind < 2).count();
            prop_assert_eq!(sent.iter().map(Vec::len).sum::<usize>() + replaced.len(), pushed);
        }
    }
}
