//! Paging through a channel's posts, without losing those that share a time.

use crate::{
    mattermost::{PER_PAGE, Page, PageRequest, Post, PostRange},
    model::PostId,
};

/// The page sizes, largest first; the smaller ones are for posts that exceed the body limit together: two of the
/// longest fit any limit. Each size divides the one before, so that a page number of one converts to a page number of
/// the next.
const SIZES: [usize; 3] = [PER_PAGE, 20, 2];

/// The position and the size of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hosting) struct PageCursor {
    start: Start,
    /// The page number; not 0 only among posts that share one time, and far back from the newest.
    page: usize,
    /// An index into [`SIZES`].
    size: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Start {
    Newest,
    After(PostId),
    Before(PostId),
}

/// A page of posts, the oldest first.
pub(in crate::hosting) struct PostPage {
    pub(in crate::hosting) posts: Vec<Post>,
    /// The next page, if there may be one.
    pub(in crate::hosting) next: Option<PageCursor>,
}

impl PageCursor {
    pub(in crate::hosting) fn newest() -> Self {
        Self { start: Start::Newest, page: 0, size: 0 }
    }

    pub(in crate::hosting) fn after(post: &PostId) -> Self {
        Self { start: Start::After(post.clone()), page: 0, size: 0 }
    }

    /// Returns the cursor of a page that begins about this many posts back from the newest.
    pub(super) fn back(posts: usize) -> Self {
        let size = SIZES.iter().position(|size| *size <= posts).unwrap_or(SIZES.len() - 1);
        Self { start: Start::Newest, page: (posts / SIZES[size]).max(1), size }
    }

    /// Returns the cursor at the largest page size, unless it is in the middle of posts that share one time.
    pub(in crate::hosting) fn at_full_size(self) -> Self {
        let size = if self.page == 0 { 0 } else { self.size };
        Self { size, ..self }
    }

    /// Fetches the page, or a smaller one while the page exceeds the body limit.
    pub(in crate::hosting) async fn fetch<E>(
        &self,
        is_too_large: impl Fn(&E) -> bool,
        fetch: impl AsyncFn(PostRange<'_>, PageRequest) -> Result<Page, E>,
    ) -> Result<PostPage, E> {
        let mut cursor = self.clone();
        loop {
            let request = PageRequest { page: cursor.page, per_page: SIZES[cursor.size] };
            match fetch(cursor.range(), request).await {
                Ok(page) => return Ok(PostPage { next: cursor.next(&page.posts), posts: page.posts }),
                Err(error) => cursor = cursor.smaller().filter(|_| is_too_large(&error)).ok_or(error)?,
            }
        }
    }

    fn range(&self) -> PostRange<'_> {
        match &self.start {
            Start::Newest => PostRange::Newest,
            Start::After(post) => PostRange::After(post),
            Start::Before(post) => PostRange::Before(post),
        }
    }

    /// Returns the cursor of the page that follows this one. A page that is not full is the last.
    ///
    /// The next page begins at the last post that is older than the page's newest (towards the past: the first that is
    /// younger than its oldest), so that no post of the same time is left out (fact 23). If one time fills the whole
    /// page there is no such post; only then does the next page have the next number.
    fn next(&self, posts: &[Post]) -> Option<Self> {
        if posts.len() < SIZES[self.size] {
            return None;
        }
        let (oldest, newest) = (posts.first()?.create_at, posts.last()?.create_at);
        let start = match self.start {
            Start::After(_) => {
                let older = posts.iter().rfind(|post| post.create_at < newest);
                older.map(|post| Start::After(post.id.clone()))
            }
            Start::Newest | Start::Before(_) => {
                let younger = posts.iter().find(|post| post.create_at > oldest);
                younger.map(|post| Start::Before(post.id.clone()))
            }
        };
        let size = self.size;
        Some(match start {
            Some(start) => Self { start, page: 0, size },
            None => Self { start: self.start.clone(), page: self.page + 1, size },
        })
    }

    fn smaller(&self) -> Option<Self> {
        let size = self.size + 1;
        let page = self.page * SIZES[self.size] / SIZES.get(size)?;
        Some(Self { start: self.start.clone(), page, size })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use serde_json::value::RawValue;

    use super::*;

    fn posts(times: impl IntoIterator<Item = i64>) -> Vec<Post> {
        let post = |(n, create_at): (usize, i64)| {
            let json = format!(
                r#"{{"id":"p{n}","create_at":{create_at},"user_id":"u","channel_id":"c","message":""}}"#
            );
            Post::read(RawValue::from_string(json).unwrap()).unwrap()
        };
        times.into_iter().enumerate().map(post).collect()
    }

    fn small(start: Start, page: usize) -> PageCursor {
        PageCursor { start, page, size: 2 }
    }

    #[test]
    fn posts_of_the_same_time_stay_on_one_page() {
        let after = |id: &str| Start::After(id.into());
        let before = |id: &str| Start::Before(id.into());
        for (cursor, times, next) in [
            (small(after("x"), 0), vec![1, 2], Some(small(after("p0"), 0))),
            (small(after("x"), 0), vec![2, 2], Some(small(after("x"), 1))),
            (small(after("x"), 3), vec![2, 3], Some(small(after("p0"), 0))),
            (small(after("x"), 0), vec![1], None),
            (small(Start::Newest, 0), vec![1, 2], Some(small(before("p1"), 0))),
            (small(before("x"), 0), vec![2, 2], Some(small(before("x"), 1))),
        ] {
            assert_eq!(cursor.next(&posts(times)), next, "{cursor:?}");
        }
    }

    #[test]
    fn a_smaller_page_begins_where_the_larger_one_did() {
        let cursor = PageCursor { start: Start::Newest, page: 3, size: 0 };
        assert_eq!(cursor.smaller(), Some(PageCursor { start: Start::Newest, page: 30, size: 1 }));
        assert_eq!(small(Start::Newest, 1).smaller(), None);
    }

    #[test]
    fn a_page_that_is_too_large_is_fetched_in_smaller_ones() {
        let requests = std::cell::RefCell::default();
        let fetch = async |_: PostRange<'_>, request: PageRequest| {
            let requests: &std::cell::RefCell<Vec<usize>> = &requests;
            requests.borrow_mut().push(request.per_page);
            if request.per_page > 2 { Err("too large") } else { Ok(Page::default()) }
        };
        let fetched = PageCursor::newest().fetch(|error| *error == "too large", fetch).now_or_never();
        assert!(fetched.unwrap().unwrap().next.is_none());
        assert_eq!(*requests.borrow(), SIZES);
        let fetched = PageCursor::newest().fetch(|error| *error == "other", fetch).now_or_never();
        assert_eq!(fetched.unwrap().err(), Some("too large"));
        let always = async |_: PostRange<'_>, _| Err("too large");
        let fetched = PageCursor::newest().fetch(|_| true, always).now_or_never();
        assert_eq!(fetched.unwrap().err(), Some("too large"));
    }

    #[test]
    fn the_full_size_is_restored_except_among_posts_of_one_time() {
        assert_eq!(small(Start::Newest, 0).at_full_size(), PageCursor::newest());
        assert_eq!(small(Start::Newest, 1).at_full_size(), small(Start::Newest, 1));
    }

    #[test]
    fn a_distance_is_converted_to_pages() {
        for (posts, size, page) in [(100_000, 0, 500), (200, 0, 1), (150, 1, 7), (5, 2, 2), (1, 2, 1)] {
            assert_eq!(PageCursor::back(posts), PageCursor { start: Start::Newest, page, size }, "{posts}");
        }
    }
}
