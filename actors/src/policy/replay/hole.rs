use std::collections::BTreeSet;

use crate::model::{PostId, PostKey};

/// The maximum number of ids stored beyond a hole, as many as a cursor has since its anchor. More than that may be
/// delivered twice.
const MOST: usize = 4_096;

/// A part of a channel that could not be read, and the posts acknowledged after it.
///
/// While there is a hole, the channel's cursor stays where it is, and live posts are kept here. Once a round has read
/// the channel, they go to the cursor.
#[derive(Debug, Default)]
pub(super) struct Hole {
    beyond: BTreeSet<(i64, PostId)>,
}

impl Hole {
    /// Restores a hole with the posts acknowledged after it.
    pub(super) fn restore(beyond: Vec<(i64, PostId)>) -> Self {
        Self { beyond: beyond.into_iter().collect() }
    }

    /// Records a post acknowledged after the hole.
    pub(super) fn acknowledge(&mut self, post: PostKey) {
        self.beyond.insert((post.create_at, post.id));
        if self.beyond.len() > MOST {
            self.beyond.pop_first();
        }
    }

    /// True if the post was acknowledged after the hole.
    pub(super) fn knows(&self, post: &PostKey) -> bool {
        self.beyond.contains(&(post.create_at, post.id.clone()))
    }

    /// Iterates over the posts acknowledged after the hole, each with its time.
    pub(super) fn beyond(&self) -> impl Iterator<Item = &(i64, PostId)> {
        self.beyond.iter()
    }

    /// Takes the posts out of a hole that was filled.
    pub(super) fn into_beyond(self) -> impl Iterator<Item = (i64, PostId)> {
        self.beyond.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_posts_beyond_a_hole_are_bounded() {
        let mut hole = Hole::default();
        let post = |n: usize| PostKey { create_at: i64::try_from(n).unwrap(), id: "p".into() };
        (0..=MOST).for_each(|n| hole.acknowledge(post(n)));
        assert!(!hole.knows(&post(0)) && hole.knows(&post(1)) && hole.knows(&post(MOST)));
        assert_eq!(hole.into_beyond().count(), MOST);
    }
}
