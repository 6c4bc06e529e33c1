use std::collections::BTreeSet;

use crate::model::{PostId, PostsUpdate};

/// The number of unsaved posts up to which an update is kept whatever the size of the set: an update of a few posts is
/// always smaller than a record.
const ALWAYS_AN_UPDATE: usize = 64;

/// A set of posts with their times that knows how it differs from its last saved state.
///
/// Posts leave it at its beginning, in order, so that a difference is no larger than what came.
#[derive(Debug, Clone, Default)]
pub(super) struct PostSet {
    posts: BTreeSet<(i64, PostId)>,
    /// None while nothing is unsaved, as in most channels.
    unsaved: Option<Box<Unsaved>>,
}

/// The difference from the last saved state.
#[derive(Debug, Clone)]
enum Unsaved {
    /// The added posts may include some that have left again: to look for each that leaves would cost a flood of posts, all
    /// within the overlap, as many comparisons as there are.
    Update(PostsUpdate),
    /// The difference is not smaller than the set, or no update can express it.
    All,
}

impl PostSet {
    /// Restores a set from its saved posts.
    pub(super) fn restore(posts: Vec<(i64, PostId)>) -> Self {
        Self { posts: posts.into_iter().collect(), unsaved: None }
    }

    pub(super) fn posts(&self) -> &BTreeSet<(i64, PostId)> {
        &self.posts
    }

    pub(super) fn insert(&mut self, post: (i64, PostId)) {
        if !self.posts.insert(post.clone()) {
            return;
        }
        let (posts, most) = (&self.posts, self.posts.len().max(ALWAYS_AN_UPDATE));
        change(&mut self.unsaved, |update| {
            update.added.push(post);
            if update.added.len() > 2 * most {
                update.added.retain(|post| posts.contains(post));
            }
            update.added.len() <= 2 * most
        });
    }

    /// Removes the first post.
    pub(super) fn pop_first(&mut self) -> Option<(i64, PostId)> {
        let post = self.posts.pop_first()?;
        change(&mut self.unsaved, |update| {
            update.removed_until = update.removed_until.take().max(Some(post.clone()));
            true
        });
        Some(post)
    }

    /// Removes the last post, which happens only in a flood of posts dated into the future.
    pub(super) fn pop_last(&mut self) -> Option<(i64, PostId)> {
        change(&mut self.unsaved, |_| false);
        self.posts.pop_last()
    }

    /// Takes all posts.
    pub(super) fn into_posts(self) -> impl Iterator<Item = (i64, PostId)> {
        self.posts.into_iter()
    }

    /// Returns the difference from the last saved state, or none if the whole set must be saved.
    pub(super) fn update(&self) -> Option<PostsUpdate> {
        match self.unsaved.as_deref() {
            None => Some(PostsUpdate::default()),
            Some(Unsaved::Update(update)) => {
                // A post that is added and removed at once never reaches the store.
                let added = update.added.iter().filter(|post| self.posts.contains(post));
                Some(PostsUpdate {
                    removed_until: update.removed_until.clone(),
                    added: added.cloned().collect(),
                })
            }
            Some(Unsaved::All) => None,
        }
    }

    /// Regards the current state as saved.
    pub(super) fn set_saved(&mut self) {
        self.unsaved = None;
    }
}

/// Records a change with a function that returns false if no update can express it.
fn change(unsaved: &mut Option<Box<Unsaved>>, record: impl FnOnce(&mut PostsUpdate) -> bool) {
    let unsaved = unsaved.get_or_insert_with(|| Box::new(Unsaved::Update(PostsUpdate::default())));
    if let Unsaved::Update(update) = &mut **unsaved
        && !record(update)
    {
        **unsaved = Unsaved::All;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(n: usize) -> (i64, PostId) {
        (i64::try_from(n).unwrap(), format!("p{n}").as_str().into())
    }

    #[test]
    fn an_update_has_only_the_posts_that_are_left() {
        let mut set = PostSet::restore((0..10).map(post).collect());
        for n in 10..10_000 {
            set.insert(post(n));
            set.pop_first();
            let Some(Unsaved::Update(update)) = set.unsaved.as_deref() else { panic!("no update") };
            assert!(update.added.len() <= 2 * ALWAYS_AN_UPDATE);
        }
        let update = set.update().unwrap();
        assert_eq!(update.removed_until, Some(post(9_989)));
        assert_eq!(update.added, (9_990..10_000).map(post).collect::<Vec<_>>());
    }
}
