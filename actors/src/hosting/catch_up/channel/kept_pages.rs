//! Pages that were read on the way back and are delivered on the way forward.

use std::collections::VecDeque;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::mattermost::Post;

/// The memory for kept pages of all catch-ups of this process, in KiB: enough for ten thousand posts of usual length, and
/// little beside what thousands of accounts take.
const BUDGET_KIB: usize = 16 * 1024;

/// The unused part of the memory for kept pages.
pub(super) static BUDGET: Semaphore = Semaphore::const_new(BUDGET_KIB);

/// Pages in a row, from the newest to the oldest. Pages for which there is no memory are fetched again; the newest are the
/// first to go, because they are needed last.
pub(super) struct KeptPages<'a> {
    budget: &'a Semaphore,
    pages: VecDeque<KeptPage<'a>>,
}

struct KeptPage<'a> {
    posts: Vec<Post>,
    /// Returned with the page.
    _memory: SemaphorePermit<'a>,
}

impl<'a> KeptPages<'a> {
    pub(super) fn within(budget: &'a Semaphore) -> Self {
        Self { budget, pages: VecDeque::new() }
    }

    /// Keeps a page that is older than all before it, if there is memory.
    pub(super) fn push(&mut self, posts: Vec<Post>) {
        let Ok(kib) = u32::try_from(bytes_of(&posts) / 1024 + 1) else { return self.pages.clear() };
        loop {
            if let Ok(memory) = self.budget.try_acquire_many(kib) {
                return self.pages.push_back(KeptPage { posts, _memory: memory });
            }
            if self.pages.pop_front().is_none() {
                return;
            }
        }
    }

    /// Takes the oldest page.
    pub(super) fn pop_oldest(&mut self) -> Option<Vec<Post>> {
        self.pages.pop_back().map(|page| page.posts)
    }
}

fn bytes_of(posts: &[Post]) -> usize {
    posts.iter().map(|post| size_of::<Post>() + post.json.get().len()).sum()
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    fn page(name: &str, kib: usize) -> Vec<Post> {
        let text = "x".repeat(kib * 1024 - 512);
        let json =
            format!(r#"{{"id":"{name}","create_at":1,"user_id":"u","channel_id":"c","message":"{text}"}}"#);
        vec![Post::read(RawValue::from_string(json).unwrap()).unwrap()]
    }

    fn names(mut pages: KeptPages<'_>) -> Vec<String> {
        std::iter::from_fn(|| pages.pop_oldest()).map(|posts| posts[0].id.to_string()).collect()
    }

    #[test]
    fn the_oldest_pages_in_a_row_are_kept_within_the_budget() {
        let budget = Semaphore::new(8);
        let mut pages = KeptPages::within(&budget);
        for (name, kib) in [("e", 3), ("d", 3), ("c", 3)] {
            pages.push(page(name, kib));
        }
        assert_eq!((names(pages), budget.available_permits()), (vec!["c".into(), "d".into()], 8));
        let mut pages = KeptPages::within(&budget);
        for (name, kib) in [("e", 3), ("long", 20), ("c", 3)] {
            pages.push(page(name, kib));
        }
        assert_eq!(names(pages), ["c"], "what is newer than a page that is missing is of no use");
        let taken = budget.try_acquire_many(8).unwrap();
        let mut pages = KeptPages::within(&budget);
        pages.push(page("a", 1));
        assert!(pages.pop_oldest().is_none());
        drop(taken);
    }
}
