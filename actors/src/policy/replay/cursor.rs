//! The position in a channel up to which posts have been acknowledged.

use super::post_set::PostSet;
use crate::model::{PostId, PostsUpdate};

/// The maximum number of ids stored since the anchor. If a channel has more posts within the overlap or dated into the
/// future, some may be delivered twice.
const MOST_SINCE: usize = 4_096;

/// The point after which paging begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Anchor {
    /// A time, in server milliseconds: no post of the channel has been acknowledged yet.
    Time(i64),
    /// A post (`after=`, fact 11).
    Post {
        /// Its id.
        id: PostId,
        /// Its `create_at`.
        create_at: i64,
    },
}

impl Anchor {
    /// Returns the time after which posts are read, in server milliseconds.
    pub(crate) fn time(&self) -> i64 {
        match self {
            Self::Time(time) => *time,
            Self::Post { create_at, .. } => *create_at,
        }
    }

    /// Returns the post, if it is one.
    pub(crate) fn post(&self) -> Option<&PostId> {
        match self {
            Self::Time(_) => None,
            Self::Post { id, .. } => Some(id),
        }
    }
}

/// The position in a channel up to which posts have been acknowledged: an anchor and a set of ids.
///
/// The anchor is the newest acknowledged post that is older than the newest one by at least the overlap, so that
/// posts that become visible late are after it. A post that is later than the server's clock counts as no such newest
/// one: it is known by its id and moves nothing. The set holds the acknowledged posts that paging from the anchor
/// returns again.
#[derive(Debug, Clone)]
pub(crate) struct Cursor {
    anchor: Anchor,
    since: PostSet,
    overlap_ms: i64,
}

impl Cursor {
    /// Creates a cursor at a time: only later posts are read.
    pub(crate) fn at(time: i64, overlap_ms: i64) -> Self {
        Self { anchor: Anchor::Time(time), since: PostSet::unsaved(), overlap_ms }
    }

    /// Begins at a later time. The known posts after it stay known: they were dated into the future.
    pub(crate) fn begin_again(&mut self, time: i64) {
        while self.since.posts().first().is_some_and(|(create_at, _)| *create_at <= time) {
            self.since.pop_first();
        }
        self.anchor = Anchor::Time(time);
    }

    /// Restores a cursor from its anchor and the posts acknowledged since.
    pub(crate) fn restore(anchor: Anchor, since: Vec<(i64, PostId)>, overlap_ms: i64) -> Self {
        Self { anchor, since: PostSet::restore(since), overlap_ms }
    }

    /// Changes the overlap from the next acknowledgement on.
    pub(crate) fn set_overlap(&mut self, overlap_ms: i64) {
        self.overlap_ms = overlap_ms;
    }

    /// Iterates over the posts acknowledged since the anchor, each with its time.
    pub(crate) fn since(&self) -> impl Iterator<Item = &(i64, PostId)> {
        self.since.posts().iter()
    }

    /// Returns how these posts differ from their last saved state, or none if all of them must be saved.
    pub(crate) fn update(&self) -> Option<PostsUpdate> {
        self.since.update()
    }

    /// Regards the current state as saved.
    pub(crate) fn set_saved(&mut self) {
        self.since.set_saved();
    }

    /// Returns the point after which paging begins.
    pub(crate) fn anchor(&self) -> &Anchor {
        &self.anchor
    }

    /// Moves the start back to a time if no post is the anchor yet.
    pub(crate) fn reach_back(&mut self, time: i64) {
        if let Anchor::Time(begin) = &mut self.anchor {
            *begin = (*begin).min(time);
        }
    }

    /// Moves the anchor back to a time if it is later. The known posts stay known. Returns true if it moved.
    pub(crate) fn pull_back(&mut self, time: i64) -> bool {
        let is_later = self.anchor.time() > time;
        if is_later {
            self.anchor = Anchor::Time(time);
        }
        is_later
    }

    /// Returns the time of the newest acknowledged post that is not later than `latest`, or of the anchor.
    pub(crate) fn newest(&self, latest: i64) -> i64 {
        self.newest_until(latest).unwrap_or(self.anchor.time())
    }

    fn newest_until(&self, latest: i64) -> Option<i64> {
        // Nearly always none is later.
        let newest = self.since.posts().last()?;
        if newest.0 <= latest {
            return Some(newest.0);
        }
        self.since.posts().last_until(latest).map(|(create_at, _)| *create_at)
    }

    /// Returns the time of the newest acknowledged post, if there is one.
    pub(crate) fn newest_post(&self) -> Option<i64> {
        let anchor = match &self.anchor {
            Anchor::Time(_) => None,
            Anchor::Post { create_at, .. } => Some(*create_at),
        };
        self.since.posts().last().map(|(create_at, _)| *create_at).or(anchor)
    }

    /// True if the post was acknowledged since the anchor.
    pub(crate) fn knows(&self, create_at: i64, id: &PostId) -> bool {
        self.since.posts().contains(create_at, id)
    }

    /// Records an acknowledged post. `latest` is the server's clock, past which the anchor does not move.
    pub(crate) fn acknowledge(&mut self, create_at: i64, id: PostId, latest: i64) {
        self.since.insert((create_at, id));
        if let Some(newest) = self.newest_until(latest) {
            self.forget_until(newest.saturating_sub(self.overlap_ms));
        }
        while self.since.posts().len() > MOST_SINCE {
            if self.since.posts().first().is_some_and(|(create_at, _)| *create_at > latest) {
                // All that is left is dated into the future: what is forgotten comes twice, and nothing is lost.
                self.since.pop_last();
                continue;
            }
            let Some((create_at, id)) = self.since.pop_first() else { return };
            self.move_to(create_at, id);
        }
    }

    /// Moves the anchor to the newest known post that is not later than the time.
    fn forget_until(&mut self, time: i64) {
        while self.since.posts().first().is_some_and(|(create_at, _)| *create_at <= time) {
            let Some((create_at, id)) = self.since.pop_first() else { return };
            self.move_to(create_at, id);
        }
    }

    fn move_to(&mut self, create_at: i64, id: PostId) {
        // An acknowledged post from before the anchor (late or imported) does not move it.
        if create_at >= self.anchor.time() {
            self.anchor = Anchor::Post { id, create_at };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn id(n: usize) -> PostId {
        PostId::from(format!("p{n}").as_str())
    }

    #[test]
    fn the_anchor_stays_the_overlap_behind() {
        let mut cursor = Cursor::at(0, 100);
        for (n, create_at) in [50, 90, 150, 160, 190].into_iter().enumerate() {
            cursor.acknowledge(create_at, id(n), i64::MAX);
        }
        assert_eq!(*cursor.anchor(), Anchor::Post { id: id(1), create_at: 90 });
        assert!(!cursor.knows(90, &id(1)) && cursor.knows(150, &id(2)) && cursor.knows(190, &id(4)));
    }

    #[test]
    fn a_cursor_begins_at_a_time() {
        let mut cursor = Cursor::at(1_000, 100);
        cursor.acknowledge(1_050, id(0), i64::MAX);
        assert_eq!(*cursor.anchor(), Anchor::Time(1_000));
        assert!(cursor.knows(1_050, &id(0)));
    }

    #[test]
    fn a_back_dated_post_does_not_move_the_anchor_back() {
        let mut cursor = Cursor::at(1_000, 100);
        cursor.acknowledge(5_000, id(0), i64::MAX);
        cursor.acknowledge(6_000, id(1), i64::MAX);
        cursor.acknowledge(10, id(2), i64::MAX);
        assert_eq!(*cursor.anchor(), Anchor::Post { id: id(0), create_at: 5_000 });
    }

    #[test]
    fn posts_dated_into_the_future_are_known_and_move_nothing() {
        let mut cursor = Cursor::at(0, 100);
        for (n, create_at) in [1_000, 1_200, 90_000, 95_000, 1_250].into_iter().enumerate() {
            cursor.acknowledge(create_at, id(n), 1_300);
        }
        assert_eq!(*cursor.anchor(), Anchor::Post { id: id(0), create_at: 1_000 });
        assert!(cursor.knows(90_000, &id(2)) && cursor.knows(1_200, &id(1)));
        assert_eq!((cursor.newest(1_300), cursor.newest(100_000)), (1_250, 95_000));
        cursor.acknowledge(95_001, id(5), 95_001);
        assert_eq!(
            *cursor.anchor(),
            Anchor::Post { id: id(2), create_at: 90_000 },
            "the clock has passed it"
        );
    }

    #[test]
    fn a_flood_of_posts_dated_into_the_future_loses_nothing() {
        let mut cursor = Cursor::at(0, 100);
        for n in 0..MOST_SINCE + 10 {
            cursor.acknowledge(i64::try_from(n).unwrap() + 5_000, id(n), 1_000);
        }
        assert_eq!((cursor.since.posts().len(), cursor.anchor()), (MOST_SINCE, &Anchor::Time(0)));
    }

    #[test]
    fn the_set_is_bounded() {
        let mut cursor = Cursor::at(0, i64::MAX);
        for n in 0..MOST_SINCE + 10 {
            cursor.acknowledge(i64::try_from(n).unwrap(), id(n), i64::MAX);
        }
        assert_eq!(cursor.since.posts().len(), MOST_SINCE);
        assert_eq!(*cursor.anchor(), Anchor::Post { id: id(9), create_at: 9 });
    }

    proptest! {
        /// Posts become visible in any order within the overlap. Regardless of which were acknowledged when the
        /// host ended, paging from the anchor without the known ids returns exactly the others.
        #[test]
        fn paging_from_the_anchor_brings_exactly_what_is_missing(
            times in proptest::collection::vec(0i64..3_000, 1..60),
            delays in proptest::collection::vec(0i64..100, 60),
            acknowledged in 0usize..60,
        ) {
            let mut posts: Vec<(i64, i64, PostId)> = times
                .iter()
                .enumerate()
                .map(|(n, create_at)| (*create_at + delays[n], *create_at, id(n)))
                .collect();
            posts.sort();
            let mut cursor = Cursor::at(-1, 100);
            for (_, create_at, id) in posts.iter().take(acknowledged) {
                cursor.acknowledge(*create_at, id.clone(), i64::MAX);
            }
            let brought: BTreeSet<&PostId> = posts
                .iter()
                .filter(|(_, create_at, id)| *create_at > cursor.anchor().time() && !cursor.knows(*create_at, id))
                .map(|(_, _, id)| id)
                .collect();
            let missing: BTreeSet<&PostId> = posts.iter().skip(acknowledged).map(|(_, _, id)| id).collect();
            prop_assert_eq!(brought, missing);
        }
    }
}
