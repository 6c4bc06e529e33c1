//! Lists of posts: by `since`, by `after` and `before`, and by page.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::world::post::Post;
use crate::world::store::PostStore;

/// Most rows that `since` answers, in no order that helps (fact 25).
const SINCE_LIMIT: usize = 1_000;

/// The answer to every list of posts.
#[derive(Debug, Default, Serialize)]
pub(crate) struct PostList {
    pub(crate) order: Vec<String>,
    pub(crate) posts: BTreeMap<String, Post>,
    pub(crate) next_post_id: String,
    pub(crate) prev_post_id: String,
}

/// Which posts a list is of.
#[derive(Debug, Clone, Copy)]
pub(crate) enum PostRange<'a> {
    /// The newest.
    Latest,
    /// Strictly later than a post's `create_at`.
    After(&'a str),
    /// Strictly earlier than a post's `create_at`.
    Before(&'a str),
}

/// Rows with a later `update_at`: edits, deletions and history rows too, at most 1,000 of them, any.
pub(crate) fn since(store: &PostStore, channel: &str, time: i64) -> PostList {
    let mut ids: Vec<&Post> = store.rows(channel).filter(|post| post.update_at > time).collect();
    if ids.len() > SINCE_LIMIT {
        // Ids are random, so the smallest ids are an arbitrary choice that is the same each time.
        ids.sort_by(|a, b| a.id.cmp(&b.id));
        ids.truncate(SINCE_LIMIT);
    }
    ids.sort_by(|a, b| b.create_at.cmp(&a.create_at).then_with(|| a.id.cmp(&b.id)));
    collect(store, &ids)
}

/// One page of posts that are not deleted, `order` newest first (fact 11).
pub(crate) fn page(
    store: &PostStore,
    channel: &str,
    span: PostRange<'_>,
    page: usize,
    per_page: usize,
) -> PostList {
    let skip = page.saturating_mul(per_page);
    let mut rows: Vec<&Post> = match span {
        PostRange::Latest => store.earlier_than(channel, i64::MAX).skip(skip).take(per_page).collect(),
        PostRange::After(id) => match store.get(id) {
            Some(post) => store.later_than(channel, post.create_at).skip(skip).take(per_page).collect(),
            None => Vec::new(),
        },
        PostRange::Before(id) => match store.get(id) {
            Some(post) => store.earlier_than(channel, post.create_at).skip(skip).take(per_page).collect(),
            None => Vec::new(),
        },
    };
    if matches!(span, PostRange::After(_)) {
        rows.reverse();
    }
    let mut list = collect(store, &rows);
    add_neighbours(store, channel, span, page, per_page, &mut list);
    list
}

/// `order` names the rows; thread roots come along in `posts` only (fact 11).
fn collect(store: &PostStore, rows: &[&Post]) -> PostList {
    let mut list = PostList::default();
    for row in rows {
        list.order.push(row.id.clone());
        for id in [&row.id, &row.root_id] {
            if let Some(post) = store.get(id).and_then(|_| store.rendered(id)) {
                list.posts.insert(id.clone(), post.listed());
            }
        }
    }
    list
}

/// The ids before and after the page, as the server works them out: from creation times alone.
fn add_neighbours(
    store: &PostStore,
    channel: &str,
    span: PostRange<'_>,
    page: usize,
    per_page: usize,
    list: &mut PostList,
) {
    let full = list.order.len() >= per_page;
    let create_at = |id: Option<&String>| id.and_then(|id| store.get(id)).map(|p| p.create_at);
    let newer = |list: &PostList| {
        let time = create_at(list.order.first())?;
        store.later_than(channel, time).next().map(|post| post.id.clone())
    };
    let older = |list: &PostList| {
        let time = create_at(list.order.last())?;
        store.earlier_than(channel, time).next().map(|post| post.id.clone())
    };
    let (next, prev) = match span {
        PostRange::After(id) => {
            (full.then(|| newer(list)).flatten(), if page == 0 { Some(id.to_owned()) } else { older(list) })
        }
        PostRange::Before(id) => {
            (if page == 0 { Some(id.to_owned()) } else { newer(list) }, full.then(|| older(list)).flatten())
        }
        PostRange::Latest => {
            (if page == 0 { None } else { newer(list) }, full.then(|| older(list)).flatten())
        }
    };
    list.next_post_id = next.unwrap_or_default();
    list.prev_post_id = prev.unwrap_or_default();
}
