//! Paging through a channel's posts, without losing those that share a time.

use crate::{
    mattermost::{OddRow, PER_PAGE, Page, PageRequest, Post, PostRange},
    model::PostId,
};

/// The page sizes, largest first; the smaller ones are for posts that exceed the body limit together, and for a server
/// that shortens pages. Each size divides the one before, so that a page number of one converts to a page number of the
/// next.
const SIZES: [usize; 4] = [PER_PAGE, 20, 2, 1];

/// The index of the size of one post.
const SINGLE: usize = SIZES.len() - 1;

/// The most pages in a row without a post although the server says that there is more: as many posts as a channel may
/// have fetched.
const MOST_EMPTY_PAGES: usize = 500;

/// The times that an empty page is fetched again although the server says that there is more, before it is passed: what it
/// leaves out may be up to two hundred posts.
const EMPTY_AGAIN: usize = 4;

/// The position and the size of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hosting) struct PageCursor {
    start: Start,
    /// The page number; not 0 only among posts that share one time, and far back from the newest.
    page: usize,
    /// An index into [`SIZES`].
    size: usize,
    trail: Trail,
}

/// The pages before a page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Trail {
    /// The last post that was read before this page.
    last: Option<(i64, PostId)>,
    /// The pages in a row without a post.
    empty: usize,
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
    /// The rows that cannot be used.
    pub(in crate::hosting) odd: Vec<OddRow>,
    /// The time of the latest post that the server's plan hides, if one would be on the page.
    pub(in crate::hosting) first_inaccessible: Option<i64>,
}

impl PageCursor {
    pub(in crate::hosting) fn newest() -> Self {
        Self::starting_at(Start::Newest)
    }

    pub(in crate::hosting) fn after(post: &PostId) -> Self {
        Self::starting_at(Start::After(post.clone()))
    }

    fn starting_at(start: Start) -> Self {
        Self { start, page: 0, size: 0, trail: Trail::default() }
    }

    /// Returns the cursor of a page that begins about this many posts back from the newest.
    pub(super) fn back(posts: usize) -> Self {
        let size = SIZES.iter().position(|size| *size <= posts).unwrap_or(SIZES.len() - 1);
        Self { page: (posts / SIZES[size]).max(1), size, ..Self::newest() }
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
                Ok(page) => {
                    let next = cursor.next(&page);
                    let Page { posts, odd, first_inaccessible, .. } = page;
                    return Ok(PostPage { posts, next, odd, first_inaccessible });
                }
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

    /// Returns the cursor of the page that follows this one. A page that is not full is the last, unless the server says
    /// that there is more (fact 34).
    ///
    /// The next page begins at the last post that is older than the page's newest (towards the past: the first that is
    /// younger than its oldest), so that no post of the same time is left out (fact 23). If there is no such post, the
    /// next page has the next number. A short page leaves open what its number covers: an empty one is fetched again
    /// some times, and after one with posts of one time the next are fetched one by one.
    fn next(&self, page: &Page) -> Option<Self> {
        let rows = page.posts.len() + page.odd.len();
        let is_full = rows >= SIZES[self.size];
        if !is_full && !self.says_more(page) {
            return None;
        }
        let last = self.last_of(&page.posts);
        if let Some(start) = self.next_start(&page.posts).filter(|start| *start != self.start) {
            let size = if self.size == SINGLE { 0 } else { self.size };
            return Some(Self { start, page: 0, size, trail: Trail { last, empty: 0 } });
        }
        let trail = Trail { last: last.or_else(|| self.trail.last.clone()), empty: 0 };
        let here = Self { trail, ..self.clone() };
        if is_full {
            Some(Self { page: self.page + 1, ..here })
        } else if rows > 0 {
            Some(Self { page: self.page * SIZES[self.size] + rows, size: SINGLE, ..here })
        } else {
            let empty = self.trail.empty + 1;
            let page = if empty <= EMPTY_AGAIN { self.page } else { self.page + 1 };
            let trail = Trail { empty, ..here.trail };
            (empty <= MOST_EMPTY_PAGES).then_some(Self { page, trail, ..here })
        }
    }

    fn is_forward(&self) -> bool {
        matches!(self.start, Start::After(_))
    }

    /// True if the server says that there is more. Towards the past, nothing is behind what the plan hides: a page that ends
    /// before that may be short for another reason.
    fn says_more(&self, page: &Page) -> bool {
        if self.is_forward() {
            return page.next_post_id.is_some();
        }
        let is_after = |hidden: i64| match page.posts.first() {
            Some(oldest) => oldest.create_at > hidden,
            None => self.trail.empty < EMPTY_AGAIN,
        };
        page.prev_post_id.is_some() && page.first_inaccessible.is_none_or(is_after)
    }

    /// Returns the last post in the direction of reading.
    fn last_of(&self, posts: &[Post]) -> Option<(i64, PostId)> {
        let last = if self.is_forward() { posts.last() } else { posts.first() };
        last.map(|post| (post.create_at, post.id.clone()))
    }

    /// Returns the start of the next page: the last post before the time of the page's last one.
    fn next_start(&self, posts: &[Post]) -> Option<Start> {
        let (edge, _) = self.last_of(posts)?;
        let is_before = |time: i64| if self.is_forward() { time < edge } else { time > edge };
        let within = if self.is_forward() {
            posts.iter().rfind(|post| is_before(post.create_at))
        } else {
            posts.iter().find(|post| is_before(post.create_at))
        };
        let earlier = || self.trail.last.clone().filter(|(time, _)| is_before(*time)).map(|(_, id)| id);
        let id = within.map(|post| post.id.clone()).or_else(earlier)?;
        Some(if self.is_forward() { Start::After(id) } else { Start::Before(id) })
    }

    fn smaller(&self) -> Option<Self> {
        let size = self.size + 1;
        let page = self.page * SIZES[self.size] / SIZES.get(size)?;
        Some(Self { page, size, ..self.clone() })
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
        PageCursor { page, size: 2, ..PageCursor::starting_at(start) }
    }

    fn after(id: &str) -> Start {
        Start::After(id.into())
    }

    fn before(id: &str) -> Start {
        Start::Before(id.into())
    }

    /// Returns the next cursor without its trail.
    fn next(cursor: &PageCursor, page: &Page) -> Option<PageCursor> {
        cursor.next(page).map(|next| PageCursor { trail: Trail::default(), ..next })
    }

    fn page(times: impl IntoIterator<Item = i64>, more: bool) -> Page {
        let more = more.then(|| PostId::from("more"));
        Page { posts: posts(times), next_post_id: more.clone(), prev_post_id: more, ..Page::default() }
    }

    #[test]
    fn posts_of_the_same_time_stay_on_one_page() {
        for (cursor, times, expected) in [
            (small(after("x"), 0), vec![1, 2], Some(small(after("p0"), 0))),
            (small(after("x"), 0), vec![2, 2], Some(small(after("x"), 1))),
            (small(after("x"), 3), vec![2, 3], Some(small(after("p0"), 0))),
            (small(after("x"), 0), vec![1], None),
            (small(Start::Newest, 0), vec![1, 2], Some(small(before("p1"), 0))),
            (small(before("x"), 0), vec![2, 2], Some(small(before("x"), 1))),
        ] {
            assert_eq!(next(&cursor, &page(times, false)), expected, "{cursor:?}");
        }
    }

    #[test]
    fn a_short_page_is_not_the_last_while_the_server_says_that_there_is_more() {
        let full = |start: Start| PageCursor::starting_at(start);
        let single = |start: Start, page| PageCursor { page, size: SINGLE, ..PageCursor::starting_at(start) };
        for (cursor, times, expected) in [
            (full(after("x")), vec![1, 2, 3], full(after("p1"))),
            (full(Start::Newest), vec![1, 2, 3], full(before("p1"))),
            (full(after("x")), vec![2, 2], single(after("x"), 2)),
            (single(after("x"), 2), vec![2], single(after("x"), 3)),
        ] {
            assert_eq!(next(&cursor, &page(times, true)), Some(expected), "{cursor:?}");
        }
    }

    #[test]
    fn a_page_that_ends_before_what_is_hidden_may_be_short_for_another_reason() {
        let hides =
            |until, times: &[i64]| Page { first_inaccessible: Some(until), ..page(times.to_vec(), true) };
        let past = PageCursor::starting_at(Start::Newest);
        assert!(past.next(&hides(9, &[10, 11])).is_some(), "older ones may be left out");
        assert_eq!(past.next(&hides(10, &[10, 11])), None, "fact 34: nothing is behind what is hidden");
        let mut cursor = Some(past);
        let again = std::iter::from_fn(|| {
            cursor = cursor.as_ref()?.next(&hides(9, &[]));
            cursor.clone()
        });
        assert_eq!(
            again.count(),
            EMPTY_AGAIN,
            "an empty page is fetched again some times, and then it is the end"
        );
        assert!(PageCursor::starting_at(after("x")).next(&hides(10, &[10])).is_some());
    }

    #[test]
    fn an_empty_page_is_fetched_again_four_times_and_then_passed() {
        let (empty, mut cursor) = (page([], true), PageCursor::starting_at(after("x")));
        let mut pages = Vec::new();
        while let Some(next) = cursor.next(&empty) {
            pages.push(next.page);
            cursor = next;
        }
        assert_eq!((&pages[..6], pages.len()), (&[0, 0, 0, 0, 1, 2][..], MOST_EMPTY_PAGES));
        let single = PageCursor { page: 2, size: SINGLE, ..cursor };
        let trail = Trail { last: Some((1, "last".into())), empty: 0 };
        let next = PageCursor { trail, ..single }.next(&page([5], true)).unwrap();
        assert_eq!((&next.start, next.page, next.size), (&after("last"), 0, 0), "time has moved on");
    }

    #[test]
    fn a_smaller_page_begins_where_the_larger_one_did() {
        let cursor = PageCursor { page: 3, ..PageCursor::newest() };
        assert_eq!(cursor.smaller(), Some(PageCursor { page: 30, size: 1, ..PageCursor::newest() }));
        assert_eq!(PageCursor { size: SINGLE, ..PageCursor::newest() }.smaller(), None);
    }

    #[test]
    fn a_page_that_is_too_large_is_fetched_in_smaller_ones() {
        let requests = std::cell::RefCell::default();
        let fetch = async |_: PostRange<'_>, request: PageRequest| {
            let requests: &std::cell::RefCell<Vec<usize>> = &requests;
            requests.borrow_mut().push(request.per_page);
            if request.per_page > 1 { Err("too large") } else { Ok(Page::default()) }
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
        for (posts, size, page) in [(100_000, 0, 500), (200, 0, 1), (150, 1, 7), (5, 2, 2), (1, 3, 1)] {
            assert_eq!(PageCursor::back(posts), PageCursor { page, size, ..PageCursor::newest() }, "{posts}");
        }
    }
}
