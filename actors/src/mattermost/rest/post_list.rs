//! The server's format for lists of posts.

use std::{
    collections::{HashMap, HashSet},
    ops::ControlFlow,
};

use serde::de::{DeserializeOwned, Error as _};
use serde_json::value::RawValue;

use super::{
    odd_row::OddRow,
    row_splitter::{RowKey, Rows},
};
use crate::{
    mattermost::{Post, RestError, RestErrorKind, SINCE_LIMIT},
    model::PostId,
};

/// The most posts of a list: ten times as many as a server returns, and few enough that a list of nothing but missing posts
/// takes milliseconds.
const MAX_ROWS: usize = 10 * SINCE_LIMIT;

/// The most rows that are kept: the posts, and whole threads that a server lists along with them.
const MAX_KEPT: usize = 2 * MAX_ROWS;

/// The longest list of ids that is parsed: that of so many posts with ids of twice the usual length.
const MAX_ORDER_BYTES: usize = MAX_ROWS * 64;

/// The memory that a row takes besides its text, in bytes.
const ROW_BYTES: usize = 128;

/// A list of posts that is being read. `order` contains the ids of the listed posts, the newest first; `posts` can also
/// contain thread roots, and whole threads, that are not listed (facts 11, 35): those are not kept.
#[derive(Debug)]
pub(super) struct PostList {
    order: Option<HashSet<PostId>>,
    posts: HashMap<PostId, Box<RawValue>>,
    odd: Vec<OddRow>,
    pub(super) next_post_id: Option<PostId>,
    pub(super) prev_post_id: Option<PostId>,
    pub(super) first_inaccessible: Option<i64>,
    /// The error of a member that is not what it has to be.
    malformed: Option<String>,
    kept_bytes: usize,
    max_bytes: usize,
    is_too_large: bool,
}

impl PostList {
    /// Creates an empty list that keeps posts of at most so many bytes.
    pub(super) fn new(max_bytes: usize) -> Self {
        Self {
            order: None,
            posts: HashMap::new(),
            odd: Vec::new(),
            next_post_id: None,
            prev_post_id: None,
            first_inaccessible: None,
            malformed: None,
            kept_bytes: 0,
            max_bytes,
            is_too_large: false,
        }
    }

    /// Returns the number of rows that the server listed.
    pub(super) fn len(&self) -> usize {
        self.order.as_ref().map_or(0, HashSet::len)
    }

    /// Returns the listed posts without duplicates, sorted by (`create_at`, id), and the rows that are no posts.
    ///
    /// # Errors
    ///
    /// Fails if the body is no list of posts, or if its posts are longer than the limit together.
    pub(super) fn finish(mut self, route: &'static str) -> Result<(Vec<Post>, Vec<OddRow>), RestError> {
        if self.is_too_large {
            let message =
                format!("the posts exceed {} bytes, or they are more than {MAX_KEPT}", self.max_bytes);
            return Err(RestError::new(RestErrorKind::TooLarge, route, message));
        }
        let bad = |message: String| RestError::new(RestErrorKind::BadBody, route, message);
        if let Some(message) = self.malformed {
            return Err(bad(message));
        }
        let mut order: Vec<PostId> =
            self.order.ok_or_else(|| bad("the list has no order".to_owned()))?.into_iter().collect();
        order.sort_unstable();
        let mut posts = Vec::with_capacity(order.len());
        let reported: HashSet<Box<str>> = self.odd.iter().map(|odd| odd.id.clone()).collect();
        for id in order {
            match self.posts.remove(&id).map(Post::read) {
                Some(Ok(post)) if post.id == id => posts.push(post),
                Some(Ok(_)) => self.odd.push(OddRow::new(id.as_str(), "it holds another post")),
                Some(Err(error)) => self.odd.push(OddRow::new(id.as_str(), &error.to_string())),
                None if reported.contains(id.as_str()) => {}
                None => self.odd.push(OddRow::new(id.as_str(), "it is listed but missing")),
            }
        }
        // The ids are already sorted, and this sort is stable.
        posts.sort_by_key(|post: &Post| post.create_at);
        Ok((posts, self.odd))
    }

    fn take_member(&mut self, name: &str, json: &[u8]) -> serde_json::Result<()> {
        match name {
            "order" => {
                let order = read_order(json)?;
                self.posts.retain(|id, _| order.contains(id));
                self.order = Some(order);
            }
            "next_post_id" => self.next_post_id = non_empty(read(json)?),
            "prev_post_id" => self.prev_post_id = non_empty(read(json)?),
            "first_inaccessible_post_time" => {
                self.first_inaccessible = read::<Option<i64>>(json)?.filter(|time| *time > 0);
            }
            _ => {}
        }
        Ok(())
    }

    fn take_post(&mut self, id: &str, json: &[u8]) -> ControlFlow<()> {
        let bytes = id.len() + json.len() + ROW_BYTES;
        let is_full = self.posts.len() + self.odd.len() >= MAX_KEPT;
        if is_full || (self.kept_bytes > 0 && self.kept_bytes + bytes > self.max_bytes) {
            self.is_too_large = true;
            return ControlFlow::Break(());
        }
        self.kept_bytes += bytes;
        match read(json) {
            Ok(post) => drop(self.posts.insert(id.into(), post)),
            Err(error) => self.odd.push(OddRow::new(id, &error.to_string())),
        }
        ControlFlow::Continue(())
    }
}

impl Rows for PostList {
    fn wants(&mut self, row: &RowKey) -> bool {
        match &self.order {
            _ if !row.is_nested => true,
            Some(order) => order.contains(&PostId::from(&*row.name)),
            None => true,
        }
    }

    fn take(&mut self, row: &RowKey, json: &[u8]) -> ControlFlow<()> {
        if row.is_nested {
            return self.take_post(&row.name, json);
        }
        if let Err(error) = self.take_member(&row.name, json) {
            self.malformed.get_or_insert(format!("{}: {error}", row.name));
        }
        ControlFlow::Continue(())
    }

    fn take_too_long(&mut self, row: &RowKey) {
        if row.is_nested {
            self.kept_bytes += ROW_BYTES;
            self.odd.push(OddRow::new(&row.name, "it is longer than max_body_bytes"));
        }
    }
}

fn read<T: DeserializeOwned>(json: &[u8]) -> serde_json::Result<T> {
    serde_json::from_slice(json)
}

/// Returns the ids that are listed.
fn read_order(json: &[u8]) -> serde_json::Result<HashSet<PostId>> {
    let too_many = || serde_json::Error::custom(format_args!("it has more than {MAX_ROWS} ids"));
    if json.len() > MAX_ORDER_BYTES {
        return Err(too_many());
    }
    let order: HashSet<PostId> = read::<Option<_>>(json)?.unwrap_or_default();
    if order.len() > MAX_ROWS { Err(too_many()) } else { Ok(order) }
}

/// Returns an optional id; an empty one counts as none.
fn non_empty(id: Option<PostId>) -> Option<PostId> {
    id.filter(|id| !id.as_str().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mattermost::rest::row_splitter::{RowSplitter, Shape};

    const LIMIT: usize = 64 * 1024;

    fn read_list(body: &str) -> Result<(Vec<Post>, Vec<OddRow>), RestErrorKind> {
        read_list_within(LIMIT, body)
    }

    fn read_list_within(limit: usize, body: &str) -> Result<(Vec<Post>, Vec<OddRow>), RestErrorKind> {
        let mut list = PostList::new(limit);
        let _ = RowSplitter::new(Shape::Object("posts"), 16 * LIMIT).read(body.as_bytes(), &mut list);
        list.finish("/posts").map_err(|error| error.kind)
    }

    /// Returns texts that could be ids, in quotes.
    fn ids(count: usize) -> impl Iterator<Item = String> {
        (0..count).map(|n| format!("\"post{n:022}\""))
    }

    #[test]
    fn a_list_of_more_posts_than_a_server_returns_is_refused() {
        let list = |count| {
            let order: Vec<_> = ids(count).collect();
            read_list(&format!(r#"{{"order":[{}],"posts":{{}}}}"#, order.join(",")))
        };
        assert_eq!(list(MAX_ROWS).map(|(_, odd)| odd.len()), Ok(MAX_ROWS), "each is reported as missing");
        assert_eq!(list(MAX_ROWS + 1).map(|_| ()), Err(RestErrorKind::BadBody));
    }

    #[test]
    fn rows_that_are_not_listed_are_bounded() {
        let list = |count| {
            let rows: Vec<_> = ids(count).map(|id| format!("{id}:1")).collect();
            let body = format!(r#"{{"posts":{{{}}},"order":[]}}"#, rows.join(","));
            read_list_within(1_000 * LIMIT, &body).map(|(posts, _)| posts.len())
        };
        assert_eq!(list(MAX_KEPT), Ok(0));
        assert_eq!(list(MAX_KEPT + 1), Err(RestErrorKind::TooLarge));
    }

    #[test]
    fn a_row_that_holds_another_post_is_odd() {
        let post = r#"{"id":"b","create_at":1,"user_id":"u","channel_id":"c"}"#;
        let (posts, odd) =
            read_list(&format!(r#"{{"order":["a","b"],"posts":{{"a":{post},"b":{post}}}}}"#)).unwrap();
        let id = |id: &str| PostId::from(id);
        assert_eq!(posts.into_iter().map(|post| post.id).collect::<Vec<_>>(), [id("b")]);
        assert_eq!(odd, [OddRow::new("a", "it holds another post")]);
    }

    #[test]
    fn a_row_whose_text_is_none_is_a_post() {
        for text in [r#""message":"\ud800""#, r#""message":1e999"#, r#""message":"a","message":"b""#] {
            let post = format!(r#"{{"id":"a","create_at":1,"user_id":"u","channel_id":"c",{text}}}"#);
            let (posts, odd) = read_list(&format!(r#"{{"order":["a"],"posts":{{"a":{post}}}}}"#)).unwrap();
            assert_eq!((posts.len(), odd), (1, Vec::new()), "{text}");
        }
    }

    #[test]
    fn short_rows_count_with_the_memory_that_they_take() {
        for row in ["1", "{}", "\u{7f}"] {
            let rows: Vec<_> = ids(LIMIT / 100).map(|id| format!("{id}:{row}")).collect();
            let read = read_list(&format!(r#"{{"posts":{{{}}},"order":[]}}"#, rows.join(",")));
            assert_eq!(read.map(|_| ()), Err(RestErrorKind::TooLarge), "{row}");
        }
    }
}
