//! Lists of posts: by `since`, by `after` and `before`, and by page.

use std::collections::{BTreeMap, BTreeSet};

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
    /// On 11.1: not 0 where the plan hides posts of this page (fact 34).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first_inaccessible_post_time: Option<i64>,
    /// On 11.1: false for a thread, which comes as a whole here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) has_next: Option<bool>,
}

/// The range of posts that a list is of.
#[derive(Debug, Clone, Copy)]
pub(crate) enum PostRange<'a> {
    /// The newest.
    Latest,
    /// Strictly later than a post's `create_at`.
    After(&'a str),
    /// Strictly earlier than a post's `create_at`.
    Before(&'a str),
}

/// A page of a range, and the part of its threads that comes along.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page<'a> {
    pub(crate) range: PostRange<'a>,
    pub(crate) number: usize,
    pub(crate) size: usize,
    /// Rows that are really given: fewer than asked for, although there are more (fact 34).
    pub(crate) rows: usize,
    pub(crate) threads: Threads,
}

/// How much of a thread comes along with a post of it, in `posts` only (facts 11 and 35).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Threads {
    /// All replies that are not deleted.
    Whole,
    /// The root alone: `skipFetchThreads=true`.
    Root,
}

/// Rows with a later `update_at`: edits, deletions and history rows too, at most 1,000 of them, any.
pub(crate) fn since(store: &PostStore, channel: &str, time: i64, threads: Threads) -> PostList {
    let mut ids: Vec<&Post> = store.rows(channel).filter(|post| post.update_at > time).collect();
    if ids.len() > SINCE_LIMIT {
        // Ids are random, so the smallest ids are an arbitrary choice that is the same each time.
        ids.sort_by(|a, b| a.id.cmp(&b.id));
        ids.truncate(SINCE_LIMIT);
    }
    ids.sort_by(|a, b| b.create_at.cmp(&a.create_at).then_with(|| a.id.cmp(&b.id)));
    collect(store, &ids, threads)
}

/// One page of posts that are not deleted, `order` newest first (fact 11).
pub(crate) fn page(store: &PostStore, channel: &str, page: Page<'_>) -> PostList {
    let take = page.size.min(page.rows);
    let mut rows: Vec<&Post> = from_first_row(store, channel, page).take(take).collect();
    if matches!(page.range, PostRange::After(_)) {
        rows.reverse();
    }
    let mut list = collect(store, &rows, page.threads);
    add_neighbours(store, channel, page, &mut list);
    list
}

/// The posts from the first of the page on, in the direction of its range. Nothing is beyond a post that does not exist
/// (fact 11).
fn from_first_row<'a>(
    store: &'a PostStore,
    channel: &str,
    page: Page<'_>,
) -> Box<dyn Iterator<Item = &'a Post> + 'a> {
    let skip = page.number.saturating_mul(page.size);
    let time = |id: &str| store.get(id).map(|post| post.create_at);
    match page.range {
        PostRange::Latest => Box::new(store.earlier_than(channel, i64::MAX).skip(skip)),
        PostRange::After(id) => Box::new(store.later_than(channel, time(id).unwrap_or(i64::MAX)).skip(skip)),
        PostRange::Before(id) => {
            Box::new(store.earlier_than(channel, time(id).unwrap_or(i64::MIN)).skip(skip))
        }
    }
}

/// Leaves out what is older than a plan shows, after the page was made: the page gets shorter, and the ids of its neighbours
/// stay (fact 34).
pub(crate) fn hide(list: &mut PostList, before: i64) {
    let is_hidden = |post: &Post| post.create_at < before;
    let first = list.posts.values().filter(|post| is_hidden(post)).map(|post| post.create_at).max();
    let posts = &list.posts;
    list.order.retain(|id| posts.get(id).is_some_and(|post| !is_hidden(post)));
    list.posts.retain(|_, post| !is_hidden(post));
    list.first_inaccessible_post_time = first.or(list.first_inaccessible_post_time);
}

/// `order` names the rows; their threads come along in `posts` only (facts 11 and 35).
fn collect(store: &PostStore, rows: &[&Post], threads: Threads) -> PostList {
    let mut list = PostList::default();
    let mut roots = BTreeSet::new();
    for row in rows {
        list.order.push(row.id.clone());
        roots.insert(if row.root_id.is_empty() { &row.id } else { &row.root_id });
        add(store, &mut list, &row.id);
    }
    for root in roots {
        add(store, &mut list, root);
        if threads == Threads::Whole {
            let replies = store.replies(root).into_iter();
            let alive = replies.filter(|id| store.get(id).is_some_and(|reply| reply.delete_at == 0));
            alive.for_each(|id| add(store, &mut list, &id));
        }
    }
    list
}

fn add(store: &PostStore, list: &mut PostList, id: &str) {
    if list.posts.contains_key(id) {
        return;
    }
    if let Some(post) = store.get(id).and_then(|_| store.rendered(id)) {
        list.posts.insert(id.to_owned(), post.listed());
    }
}

/// The ids before and after the page, as the server works them out: from creation times alone. A page whose rows are all left
/// out has the first of them ahead.
fn add_neighbours(store: &PostStore, channel: &str, page: Page<'_>, list: &mut PostList) {
    let full = list.order.len() >= page.size.min(page.rows);
    let create_at = |id: Option<&String>| id.and_then(|id| store.get(id)).map(|p| p.create_at);
    let later = |time: i64| store.later_than(channel, time).next().map(|post| post.id.clone());
    let earlier = |time: i64| store.earlier_than(channel, time).next().map(|post| post.id.clone());
    let newer = |list: &PostList| create_at(list.order.first()).and_then(later);
    let older = |list: &PostList| create_at(list.order.last()).and_then(earlier);
    let ahead = full.then(|| match page.range {
        _ if list.order.is_empty() => from_first_row(store, channel, page).next().map(|post| post.id.clone()),
        PostRange::After(_) => newer(list),
        PostRange::Latest | PostRange::Before(_) => older(list),
    });
    let (ahead, is_first) = (ahead.flatten(), page.number == 0);
    let (next, prev) = match page.range {
        PostRange::After(id) => (ahead, if is_first { Some(id.to_owned()) } else { older(list) }),
        PostRange::Before(id) => (if is_first { Some(id.to_owned()) } else { newer(list) }, ahead),
        PostRange::Latest => (if is_first { None } else { newer(list) }, ahead),
    };
    list.next_post_id = next.unwrap_or_default();
    list.prev_post_id = prev.unwrap_or_default();
}
