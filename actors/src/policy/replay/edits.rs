use std::collections::VecDeque;

use super::post_set::PostSet;
use crate::model::{PostId, PostsUpdate};

/// The maximum number of stored edits and deletions. `since` returns no more rows than this (fact 25).
const MOST: usize = 1_000;

/// The acknowledged edits and deletions of a channel: a time and two sets.
///
/// The time stays behind the last seen time by the overlap, because edits can become visible late, like posts. A
/// live deletion does not carry its time (its post is sent in its old state), so it is known by its id alone.
#[derive(Debug, Clone)]
pub(crate) struct EditCursor {
    until: i64,
    since: PostSet,
    /// Boxed, because hardly any of tens of thousands of channels has one.
    deletions: Option<Box<Deletions>>,
}

/// The acknowledged deletions of a channel.
#[derive(Debug, Clone, Default)]
struct Deletions {
    /// The posts, oldest deletion first.
    posts: VecDeque<PostId>,
    /// The deletions that were added since the last saved state.
    added: usize,
    /// The deletions that were forgotten since the last saved state.
    forgotten: usize,
}

/// The difference between two states of an [`EditCursor`], apart from its time.
pub(crate) struct EditsUpdate {
    pub(crate) edits: PostsUpdate,
    pub(crate) deleted: Vec<PostId>,
    pub(crate) forgotten_deletions: usize,
}

impl EditCursor {
    /// Creates a cursor at a time: only later edits and deletions are read.
    pub(crate) fn after(until: i64) -> Self {
        Self::restore(until, Vec::new(), Vec::new())
    }

    /// Restores a cursor from its record.
    pub(crate) fn restore(until: i64, since: Vec<(i64, PostId)>, deleted: Vec<PostId>) -> Self {
        let has_deletions = !deleted.is_empty();
        let deletions = Deletions { posts: deleted.into(), ..Deletions::default() };
        let deletions = has_deletions.then(|| Box::new(deletions));
        Self { until, since: PostSet::restore(since), deletions }
    }

    /// Returns the time after which edits and deletions are read, in server milliseconds.
    pub(crate) fn until(&self) -> i64 {
        self.until
    }

    /// Iterates over the edits acknowledged since that time, each with its own.
    pub(crate) fn since(&self) -> impl Iterator<Item = &(i64, PostId)> {
        self.since.posts().iter()
    }

    /// Returns the difference from the last saved state, or none if everything must be saved.
    pub(crate) fn update(&self) -> Option<EditsUpdate> {
        let edits = self.since.update()?;
        let Some(deletions) = &self.deletions else {
            return Some(EditsUpdate { edits, deleted: Vec::new(), forgotten_deletions: 0 });
        };
        let known = deletions.posts.len().checked_sub(deletions.added)?;
        let deleted = deletions.posts.range(known..).cloned().collect();
        Some(EditsUpdate { edits, deleted, forgotten_deletions: deletions.forgotten })
    }

    /// Regards the current state as saved.
    pub(crate) fn set_saved(&mut self) {
        self.since.set_saved();
        if let Some(deletions) = &mut self.deletions {
            (deletions.added, deletions.forgotten) = (0, 0);
        }
    }

    /// Returns the time of the newest edit acknowledged since that time, if there is one.
    pub(crate) fn newest(&self) -> Option<i64> {
        self.since.posts().last().map(|(edit_at, _)| *edit_at)
    }

    /// Iterates over the posts whose deletion was acknowledged recently, oldest first.
    pub(crate) fn deleted(&self) -> impl Iterator<Item = &PostId> {
        self.deletions.iter().flat_map(|deletions| &deletions.posts)
    }

    /// True if the edit was acknowledged.
    pub(crate) fn knows_edit(&self, id: &PostId, edit_at: i64) -> bool {
        self.since.posts().contains(edit_at, id)
    }

    /// True if the deletion of the post was acknowledged.
    pub(crate) fn knows_deletion(&self, id: &PostId) -> bool {
        self.deletions.as_ref().is_some_and(|deletions| deletions.posts.contains(id))
    }

    /// Records an acknowledged edit. If there are too many, the time moves on, but not past `latest`; an edit that is
    /// forgotten after it may come twice.
    pub(crate) fn acknowledge_edit(&mut self, id: PostId, edit_at: i64, latest: i64) {
        self.since.insert((edit_at, id));
        while self.since.posts().len() > MOST {
            let Some((edit_at, _)) = self.since.pop_first() else { return };
            if edit_at <= latest {
                self.until = self.until.max(edit_at);
            }
        }
    }

    /// Moves the time back if it is later.
    pub(crate) fn pull_back(&mut self, until: i64) {
        self.until = self.until.min(until);
    }

    /// Records an acknowledged deletion.
    pub(crate) fn acknowledge_deletion(&mut self, id: PostId) {
        let deletions = self.deletions.get_or_insert_default();
        deletions.posts.push_back(id);
        deletions.added += 1;
        if deletions.posts.len() > MOST {
            deletions.posts.pop_front();
            deletions.forgotten += 1;
        }
    }

    /// Records that everything up to the time has been seen.
    pub(crate) fn advance_to(&mut self, until: i64) {
        self.until = self.until.max(until);
        while self.since.posts().first().is_some_and(|(edit_at, _)| *edit_at <= self.until) {
            self.since.pop_first();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_is_known_until_all_up_to_it_was_seen() {
        let mut edits = EditCursor::after(100);
        edits.acknowledge_edit("a".into(), 150, i64::MAX);
        edits.acknowledge_edit("b".into(), 170, i64::MAX);
        assert!(edits.knows_edit(&"a".into(), 150) && !edits.knows_edit(&"a".into(), 151));
        edits.advance_to(160);
        assert_eq!((edits.until(), edits.since().count()), (160, 1));
        edits.advance_to(90);
        assert_eq!(edits.until(), 160, "never back");
    }

    #[test]
    fn both_sets_are_bounded() {
        let mut edits = EditCursor::after(0);
        for n in 0..MOST + 5 {
            edits.acknowledge_edit("a".into(), i64::try_from(n).unwrap() + 1, i64::MAX);
            edits.acknowledge_deletion(PostId::from(format!("{n}").as_str()));
        }
        assert_eq!((edits.since().count(), edits.deleted().count(), edits.until()), (MOST, MOST, 5));
        assert!(!edits.knows_deletion(&"4".into()) && edits.knows_deletion(&"5".into()));
    }
}
