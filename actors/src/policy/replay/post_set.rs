use std::collections::BTreeSet;

use crate::model::{PostId, PostsUpdate};

/// The number of unsaved posts up to which an update is kept whatever the size of the set: an update of a few posts is
/// always smaller than a record.
const ALWAYS_AN_UPDATE: usize = 64;

/// A set of posts with their times that knows how it differs from its last saved state.
///
/// Posts leave it at its beginning, in order, so that a difference is no larger than what came.
#[derive(Debug, Clone)]
pub(super) struct PostSet {
    posts: SortedPosts,
    unsaved: Unsaved,
}

/// Posts in order, each once.
#[derive(Debug, Clone, Default)]
pub(super) struct SortedPosts(BTreeSet<(i64, PostId)>);

/// The difference from the last saved state.
#[derive(Debug, Clone)]
enum Unsaved {
    /// Nothing is unsaved, as in most channels.
    Nothing,
    /// The added posts may include some that have left again: to look for each that leaves would cost a flood of posts, all
    /// within the overlap, as many comparisons as there are.
    Update(Box<PostsUpdate>),
    /// The difference is not smaller than the set, no update can express it, or the set was never saved.
    All,
}

impl SortedPosts {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn first(&self) -> Option<&(i64, PostId)> {
        self.0.first()
    }

    pub(super) fn last(&self) -> Option<&(i64, PostId)> {
        self.0.last()
    }

    /// Returns the last post that is not later than the time.
    pub(super) fn last_until(&self, time: i64) -> Option<&(i64, PostId)> {
        let end = (time.saturating_add(1), PostId::default());
        self.0.range(..end).next_back()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(i64, PostId)> {
        self.0.iter()
    }

    pub(super) fn contains(&self, at: i64, id: &PostId) -> bool {
        // Nearly every post that comes is the last.
        let is_last = self.last().is_none_or(|(last_at, last)| (*last_at, last) < (at, id));
        !is_last && self.0.contains(&(at, id.clone()))
    }
}

impl PostSet {
    /// Creates a set that was never saved, and need not be: it records no difference.
    pub(super) fn unsaved() -> Self {
        Self { posts: SortedPosts::default(), unsaved: Unsaved::All }
    }

    /// Restores a set from its saved posts.
    pub(super) fn restore(posts: Vec<(i64, PostId)>) -> Self {
        Self { posts: SortedPosts(posts.into_iter().collect()), unsaved: Unsaved::Nothing }
    }

    pub(super) fn posts(&self) -> &SortedPosts {
        &self.posts
    }

    pub(super) fn insert(&mut self, post: (i64, PostId)) {
        if !self.posts.0.insert(post.clone()) {
            return;
        }
        let (posts, most) = (&self.posts, self.posts.len().max(ALWAYS_AN_UPDATE));
        change(&mut self.unsaved, |update| {
            update.added.push(post);
            if update.added.len() > 2 * most {
                remove_left(&mut update.added, update.removed_until.as_ref(), posts);
            }
            update.added.len() <= 2 * most
        });
    }

    /// Removes the first post.
    pub(super) fn pop_first(&mut self) -> Option<(i64, PostId)> {
        let post = self.posts.0.pop_first()?;
        change(&mut self.unsaved, |update| {
            if update.removed_until.as_ref().is_none_or(|until| *until < post) {
                update.removed_until = Some(post.clone());
            }
            true
        });
        Some(post)
    }

    /// Removes the last post, which happens only in a flood of posts dated into the future.
    pub(super) fn pop_last(&mut self) -> Option<(i64, PostId)> {
        change(&mut self.unsaved, |_| false);
        self.posts.0.pop_last()
    }

    /// Takes all posts.
    pub(super) fn into_posts(self) -> impl Iterator<Item = (i64, PostId)> {
        self.posts.0.into_iter()
    }

    /// Returns the difference from the last saved state, or none if the whole set must be saved.
    pub(super) fn update(&self) -> Option<PostsUpdate> {
        match &self.unsaved {
            Unsaved::Nothing => Some(PostsUpdate::default()),
            Unsaved::Update(update) => {
                // A post that is added and removed at once never reaches the store.
                let mut update = PostsUpdate::clone(update);
                remove_left(&mut update.added, update.removed_until.as_ref(), &self.posts);
                Some(update)
            }
            Unsaved::All => None,
        }
    }

    /// Regards the current state as saved.
    pub(super) fn set_saved(&mut self) {
        self.unsaved = Unsaved::Nothing;
    }
}

/// Removes the added posts that have left again: a post behind the last that was removed is still there.
fn remove_left(added: &mut Vec<(i64, PostId)>, removed_until: Option<&(i64, PostId)>, posts: &SortedPosts) {
    let Some(until) = removed_until else { return };
    added.retain(|post| post > until || posts.contains(post.0, &post.1));
}
/// Records a change with a function that returns false if no update can express it.
fn change(unsaved: &mut Unsaved, record: impl FnOnce(&mut PostsUpdate) -> bool) {
    if matches!(unsaved, Unsaved::Nothing) {
        *unsaved = Unsaved::Update(Box::default());
    }
    if let Unsaved::Update(update) = unsaved
        && !record(update)
    {
        *unsaved = Unsaved::All;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(n: usize) -> (i64, PostId) {
        (i64::try_from(n).unwrap(), format!("p{n}").as_str().into())
    }

    #[test]
    fn a_set_that_was_never_saved_records_no_difference() {
        let mut set = PostSet::unsaved();
        set.insert(post(1));
        assert!(set.update().is_none() && matches!(set.unsaved, Unsaved::All));
        set.set_saved();
        set.insert(post(2));
        assert_eq!(set.update().unwrap().added, [post(2)]);
    }

    #[test]
    fn posts_are_found_by_time_and_id() {
        let mut set = PostSet::unsaved();
        for n in [5, 1, 9, 7, 5, 3] {
            set.insert(post(n));
        }
        let posts = set.posts();
        assert_eq!(posts.iter().cloned().collect::<Vec<_>>(), [1, 3, 5, 7, 9].map(post));
        assert!([1, 5, 9].iter().all(|n| posts.contains(*n, &format!("p{n}").as_str().into())));
        assert!(!posts.contains(7, &"p5".into()) && !posts.contains(9, &"p99".into()));
        let until = |time| posts.last_until(time).map(|(at, _)| *at);
        assert_eq!([0, 1, 6, i64::MAX].map(until), [None, Some(1), Some(5), Some(9)]);
    }

    #[test]
    fn an_update_has_only_the_posts_that_are_left() {
        let mut set = PostSet::restore((0..10).map(post).collect());
        for n in 10..10_000 {
            set.insert(post(n));
            set.pop_first();
            let Unsaved::Update(update) = &set.unsaved else { panic!("no update") };
            assert!(update.added.len() <= 2 * ALWAYS_AN_UPDATE);
        }
        let update = set.update().unwrap();
        assert_eq!(update.removed_until, Some(post(9_989)));
        assert_eq!(update.added, (9_990..10_000).map(post).collect::<Vec<_>>());
    }
}
