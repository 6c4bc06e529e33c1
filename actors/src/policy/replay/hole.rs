use super::post_set::PostSet;
use crate::model::{PostId, PostKey, PostsUpdate};

/// The maximum number of ids stored beyond a hole, as many as a cursor has since its anchor. More than that may be
/// delivered twice.
const MOST: usize = 4_096;

/// A part of a channel that could not be read, and the posts acknowledged after it.
///
/// While there is a hole, the channel's cursor stays where it is, and live posts are kept here. Once a round has read
/// the channel, they go to the cursor.
#[derive(Debug)]
pub(super) struct Hole {
    beyond: PostSet,
}

impl Default for Hole {
    /// Returns a hole without posts after it.
    fn default() -> Self {
        Self::restore(Vec::new())
    }
}

impl Hole {
    /// Restores a hole with the posts acknowledged after it.
    pub(super) fn restore(beyond: Vec<(i64, PostId)>) -> Self {
        Self { beyond: PostSet::restore(beyond) }
    }

    /// Records a post acknowledged after the hole.
    pub(super) fn acknowledge(&mut self, post: PostKey) {
        self.beyond.insert((post.create_at, post.id));
        if self.beyond.posts().len() > MOST {
            self.beyond.pop_first();
        }
    }

    /// True if the post was acknowledged after the hole.
    pub(super) fn knows(&self, post: &PostKey) -> bool {
        self.beyond.posts().contains(post.create_at, &post.id)
    }

    /// Iterates over the posts acknowledged after the hole, each with its time.
    pub(super) fn beyond(&self) -> impl Iterator<Item = &(i64, PostId)> {
        self.beyond.posts().iter()
    }

    /// Returns how these posts differ from their last saved state, or none if all of them must be saved.
    pub(super) fn update(&self) -> Option<PostsUpdate> {
        self.beyond.update()
    }

    /// Regards the current state as saved.
    pub(super) fn set_saved(&mut self) {
        self.beyond.set_saved();
    }

    /// Takes the posts out of a hole that was filled.
    pub(super) fn into_beyond(self) -> impl Iterator<Item = (i64, PostId)> {
        self.beyond.into_posts()
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
