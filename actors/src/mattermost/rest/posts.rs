//! The posts of a channel.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{
    json,
    value::{RawValue, to_raw_value},
};

use super::{client::RawResponse, odd_row::OddRow, post_list::PostList, row_splitter::Shape};
use crate::{
    mattermost::{
        Client, PostHead, RateHeaders, RestError, RestErrorKind, RestResponse, transport::url::percent_encode,
    },
    model::{ChannelId, PostId, Token, UserId},
};

/// The most posts on a page, which is the server's maximum (fact 11): a request costs more than its content. If a page
/// of long posts is [`RestErrorKind::TooLarge`], a smaller one fits.
pub const PER_PAGE: usize = 200;

/// The most rows that the server returns for `since`; it leaves out the rest (fact 25).
pub const SINCE_LIMIT: usize = 1_000;

/// The route as errors show it.
const ROUTE: &str = "/channels/{channel_id}/posts";

/// A post, or a row of a post's history (fact 25). Times are milliseconds of server time.
#[derive(Debug, Clone)]
pub struct Post {
    /// The post's id.
    pub id: PostId,
    /// Its creation time. Posts may become visible in a different order (fact 23).
    pub create_at: i64,
    /// The time of the last change, which may also be a reply or a reaction (fact 25).
    pub update_at: i64,
    /// The time of the last edit of its text, or 0.
    pub edit_at: i64,
    /// The time of its deletion, or 0. A history row has one as well.
    pub delete_at: i64,
    /// The author.
    pub user_id: UserId,
    /// The channel it is in.
    pub channel_id: ChannelId,
    /// The first post of its thread, if it is a reply.
    pub root_id: Option<PostId>,
    /// The post whose history this row belongs to. **If set, `delete_at` is not a deletion** (fact 25).
    pub original_id: Option<PostId>,
    /// The type: empty for a post by a person or a bot, `system_…` for one by the server (fact 18).
    pub kind: Box<str>,
    /// The post's JSON text as the server wrote it.
    pub json: Box<RawValue>,
}

/// The posts of a channel that a page is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PostRange<'a> {
    /// The posts strictly later than this one, by `create_at` alone: posts with the same `create_at` are missing
    /// (fact 23). This post may be deleted. **If it does not exist the page is empty**, as if there were nothing new
    /// (fact 11).
    After(&'a PostId),
    /// The posts strictly earlier than this one, with the same restrictions, from the newest on.
    Before(&'a PostId),
    /// The newest posts.
    Newest,
}

/// A page number and size within a [`PostRange`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest {
    /// The number of the page, from 0. **Pages shift when a post is added or deleted** (fact 23): use numbers above 0
    /// only for posts that share one `create_at`, which `after` cannot separate.
    pub page: usize,
    /// The most posts on the page; clamped to 1 up to [`PER_PAGE`].
    pub per_page: usize,
}

impl PageRequest {
    /// Requests the first page with this many posts.
    pub fn first(per_page: usize) -> Self {
        Self { page: 0, per_page }
    }
}

/// A page of a channel's posts that are not deleted, sorted by (`create_at`, id), **the oldest first**.
///
/// It contains the listed posts only, without the thread roots that the server adds (fact 11).
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The posts.
    pub posts: Vec<Post>,
    /// The next later post, if any. **Posts with the page's newest `create_at` may precede it and yet be
    /// missing from the page** (fact 23).
    pub next_post_id: Option<PostId>,
    /// The next earlier post, or on the first page the post that the range names, if any. The restriction
    /// of `next_post_id` applies to it as well.
    pub prev_post_id: Option<PostId>,
    /// The rows that cannot be used.
    pub odd: Vec<OddRow>,
    /// The time of the latest post that the server's plan hides, if the page would have one. The page is shorter by
    /// those posts (fact 34).
    pub first_inaccessible: Option<i64>,
}

/// The posts that changed since a time: new, edited and deleted ones, and history rows (fact 25), sorted by
/// (`create_at`, id), the oldest first.
#[derive(Debug, Clone, Default)]
pub struct PostsSince {
    /// The posts and history rows.
    pub posts: Vec<Post>,
    /// The rows that cannot be used.
    pub odd: Vec<OddRow>,
    /// True if the server reached [`SINCE_LIMIT`]: then these are **arbitrary rows, not the newest or oldest**.
    pub truncated: bool,
}

impl Post {
    /// Parses a post and keeps its JSON text.
    ///
    /// # Errors
    ///
    /// Fails if the text is not a post.
    pub fn read(json: Box<RawValue>) -> serde_json::Result<Self> {
        let head: PostHead<'_> = serde_json::from_str(json.get())?;
        let non_empty = |id: &str| (!id.is_empty()).then(|| PostId::from(id));
        Ok(Self {
            id: PostId::from(&*head.id),
            create_at: head.create_at,
            update_at: head.update_at,
            edit_at: head.edit_at,
            delete_at: head.delete_at,
            user_id: UserId::from(&*head.user_id),
            channel_id: ChannelId::from(&*head.channel_id),
            root_id: non_empty(&head.root_id),
            original_id: non_empty(&head.original_id),
            kind: (&*head.kind).into(),
            json,
        })
    }
}

impl Post {
    /// Returns a post of which only the deletion is known. Its author and its text are empty.
    pub(crate) fn deleted(id: &PostId, channel: &ChannelId, at: i64) -> serde_json::Result<Self> {
        let post = json!({
            "id": id.as_str(), "channel_id": channel.as_str(), "user_id": "",
            "create_at": 0, "update_at": at, "delete_at": at,
        });
        Self::read(to_raw_value(&post)?)
    }

    /// Returns the text; possibly empty if the post is deleted.
    pub fn message(&self) -> Box<str> {
        let head = serde_json::from_str::<PostHead<'_>>(self.json.get());
        head.map(|head| head.message.into()).unwrap_or_default()
    }

    /// Returns a property of the post if it is a string, such as a key that its author set to find it again (fact 19).
    pub fn prop(&self, name: &str) -> Option<String> {
        #[derive(Deserialize)]
        struct Props {
            #[serde(default)]
            props: Option<HashMap<String, serde_json::Value>>,
        }
        let mut props = serde_json::from_str::<Props>(self.json.get()).ok()?.props?;
        match props.remove(name)? {
            serde_json::Value::String(text) => Some(text),
            _ => None,
        }
    }
}

impl Client {
    /// Returns a page of a channel's posts that are not deleted.
    ///
    /// # Errors
    ///
    /// A channel that the account cannot read is [`RestErrorKind::Refused`] with 403. A range with an empty post id is
    /// refused with 400 without a request.
    pub async fn posts(
        &self,
        token: &Token,
        channel: &ChannelId,
        range: PostRange<'_>,
        page_request: PageRequest,
    ) -> Result<RestResponse<Page>, RestError> {
        let anchor = match range {
            PostRange::After(post) => anchor_query("after", post)?,
            PostRange::Before(post) => anchor_query("before", post)?,
            PostRange::Newest => String::new(),
        };
        let query = format!(
            "{anchor}page={}&per_page={}",
            page_request.page,
            page_request.per_page.clamp(1, PER_PAGE)
        );
        let (response, mut list) = self.post_list(token, channel, &query).await?;
        let (next_post_id, prev_post_id) = (list.next_post_id.take(), list.prev_post_id.take());
        let first_inaccessible = list.first_inaccessible;
        let (posts, odd) = list.finish(ROUTE).map_err(|error| error.redact(Some(token)))?;
        let value = Page { posts, next_post_id, prev_post_id, odd, first_inaccessible };
        Ok(RestResponse { value, rate: RateHeaders::read(&response.headers) })
    }

    /// Returns the posts of a channel that changed after a time, by `update_at`, including edits and
    /// deletions (fact 11).
    ///
    /// # Errors
    ///
    /// As [`posts`](Self::posts). The result cannot be paged: if all rows together are
    /// [`RestErrorKind::TooLarge`], a retry does not help.
    pub async fn posts_since(
        &self,
        token: &Token,
        channel: &ChannelId,
        since_ms: i64,
    ) -> Result<RestResponse<PostsSince>, RestError> {
        // For `since=0` the server returns the newest page instead.
        let (response, list) = self.post_list(token, channel, &format!("since={}", since_ms.max(1))).await?;
        let truncated = list.len() >= SINCE_LIMIT;
        let (posts, odd) = list.finish(ROUTE).map_err(|error| error.redact(Some(token)))?;
        let value = PostsSince { posts, odd, truncated };
        Ok(RestResponse { value, rate: RateHeaders::read(&response.headers) })
    }

    async fn post_list(
        &self,
        token: &Token,
        channel: &ChannelId,
        query: &str,
    ) -> Result<(RawResponse, PostList), RestError> {
        // Without this a page brings the whole thread of each of its posts along (fact 35).
        let path =
            format!("/channels/{}/posts?{query}&skipFetchThreads=true", percent_encode(channel.as_str()));
        let mut list = PostList::new(self.limits().max_body_bytes);
        let response = self.get_rows(ROUTE, &path, token, Shape::Object("posts"), &mut list).await?;
        Ok((response, list))
    }
}

/// Returns the part of the query that names a post. The server ignores an empty id, and its newest page
/// would pass for the new posts; an empty id is therefore refused, as the server refuses other invalid ids.
fn anchor_query(side: &str, post: &PostId) -> Result<String, RestError> {
    if post.as_str().is_empty() {
        return Err(RestError::new(
            RestErrorKind::Refused(400),
            ROUTE,
            format!("the post id of {side} is empty"),
        ));
    }
    Ok(format!("{side}={}&", percent_encode(post.as_str())))
}
