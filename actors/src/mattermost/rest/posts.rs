//! A channel's posts.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{client::RawResponse, post_list::PostList};
use crate::mattermost::{
    Client, PostHead, RateHeaders, RestError, RestErrorKind, RestResponse, transport::url::percent_encode,
};
use crate::model::{ChannelId, PostId, Token, UserId};

/// The most posts on one page: the server gives no more (fact 11), and a request costs more than what it
/// brings. A page of long posts can be [`RestErrorKind::TooLarge`]: a smaller one fits.
pub const PER_PAGE: usize = 200;

/// The most rows that `since` brings; whatever else there is it leaves out (fact 25).
pub const SINCE_LIMIT: usize = 1_000;

/// What errors name.
const ROUTE: &str = "/channels/{channel_id}/posts";

/// A post, or a row of a post's history (fact 25). Times are milliseconds of server time.
#[derive(Debug, Clone)]
pub struct Post {
    /// The post.
    pub id: PostId,
    /// When it was made. Posts become visible in another order (fact 23).
    pub create_at: i64,
    /// When it was last touched; a reply or a reaction moves it too (fact 25).
    pub update_at: i64,
    /// When its text was last edited, or 0.
    pub edit_at: i64,
    /// When it was deleted, or 0. A row of history has it as well.
    pub delete_at: i64,
    /// Who made it.
    pub user_id: UserId,
    /// Where it is.
    pub channel_id: ChannelId,
    /// The beginning of its thread, if it is a reply.
    pub root_id: Option<PostId>,
    /// The post that this row is history of. **With it, `delete_at` means no deletion** (fact 25).
    pub original_id: Option<PostId>,
    /// Empty for what a person or a bot wrote, `system_…` for what the server did (fact 18).
    pub kind: Box<str>,
    /// The post's own JSON text, as the server wrote it.
    pub json: Box<RawValue>,
}

/// Which posts of a channel a page is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PostRange<'a> {
    /// Those strictly later than one, by `create_at` alone: posts of its own `create_at` are missing (fact 23).
    /// The named post may be deleted. **One that does not exist gives an empty page**, as if there were nothing new
    /// (fact 11).
    After(&'a PostId),
    /// Those strictly earlier than one, likewise; the newest of them first.
    Before(&'a PostId),
    /// The newest.
    Newest,
}

/// Which part of a [`PostRange`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest {
    /// The number of the page, from 0. **What a number means shifts when a post comes or goes** (fact 23): another than
    /// 0 is for what shares one `create_at`, which `after` cannot tell apart.
    pub page: usize,
    /// The most posts on it; held between 1 and [`PER_PAGE`].
    pub per_page: usize,
}

impl PageRequest {
    /// The first so many.
    pub fn first(per_page: usize) -> Self {
        Self { page: 0, per_page }
    }
}

/// One page of a channel: its posts that are not deleted, by (`create_at`, id), **the oldest first**.
///
/// It has only what the server listed: thread roots that come along are left out (fact 11).
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The posts.
    pub posts: Vec<Post>,
    /// The next later post; `None` where there is none. **Posts of the page's newest `create_at` may lie
    /// before it and not be on the page** (fact 23).
    pub next_post_id: Option<PostId>,
    /// The next earlier post, or on the first page the one that was named; `None` where there is none.
    /// What holds of `next_post_id` holds of it as well.
    pub prev_post_id: Option<PostId>,
}

/// What was touched since a time: new, edited and deleted posts, and rows of history (fact 25), by
/// (`create_at`, id), the oldest first.
#[derive(Debug, Clone, Default)]
pub struct PostsSince {
    /// The posts and the rows.
    pub posts: Vec<Post>,
    /// Whether the server reached [`SINCE_LIMIT`]: then these are **any, not the newest or oldest**.
    pub truncated: bool,
}

impl Post {
    /// Reads a post's JSON text, and keeps it.
    ///
    /// # Errors
    ///
    /// When it is no post.
    pub fn read(json: Box<RawValue>) -> serde_json::Result<Self> {
        let head: PostHead<'_> = serde_json::from_str(json.get())?;
        let named = |id: &str| (!id.is_empty()).then(|| PostId::from(id));
        Ok(Self {
            id: PostId::from(&*head.id),
            create_at: head.create_at,
            update_at: head.update_at,
            edit_at: head.edit_at,
            delete_at: head.delete_at,
            user_id: UserId::from(&*head.user_id),
            channel_id: ChannelId::from(&*head.channel_id),
            root_id: named(&head.root_id),
            original_id: named(&head.original_id),
            kind: (&*head.kind).into(),
            json,
        })
    }
}

impl Post {
    /// A property of the post that is a text, such as one that its author set to find it again (fact 19).
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
    /// One page of a channel's posts that are not deleted.
    ///
    /// # Errors
    ///
    /// A channel that cannot be read is [`RestErrorKind::Refused`] with 403; a span that names no post is refused
    /// with 400, unasked.
    pub async fn posts(
        &self,
        token: &Token,
        channel: &ChannelId,
        range: PostRange<'_>,
        page_request: PageRequest,
    ) -> Result<RestResponse<Page>, RestError> {
        let from = match range {
            PostRange::After(post) => from("after", post)?,
            PostRange::Before(post) => from("before", post)?,
            PostRange::Newest => String::new(),
        };
        let query =
            format!("{from}page={}&per_page={}", page_request.page, page_request.per_page.clamp(1, PER_PAGE));
        let (answer, mut list) = self.post_list(token, channel, &query).await?;
        let (next_post_id, prev_post_id) = (list.next_post_id.take(), list.prev_post_id.take());
        let value = Page { posts: list.posts(ROUTE)?, next_post_id, prev_post_id };
        Ok(RestResponse { value, rate: RateHeaders::read(&answer.headers) })
    }

    /// What was touched in a channel after a time, by `update_at`: edits and deletions too (fact 11).
    ///
    /// # Errors
    ///
    /// As with [`posts`](Self::posts). It cannot be had in parts: rows that are
    /// [`RestErrorKind::TooLarge`] together stay so.
    pub async fn posts_since(
        &self,
        token: &Token,
        channel: &ChannelId,
        since_ms: i64,
    ) -> Result<RestResponse<PostsSince>, RestError> {
        // Asked for what is after 0, the server answers with the newest page instead.
        let (answer, list) = self.post_list(token, channel, &format!("since={}", since_ms.max(1))).await?;
        let truncated = list.len() >= SINCE_LIMIT;
        let value = PostsSince { posts: list.posts(ROUTE)?, truncated };
        Ok(RestResponse { value, rate: RateHeaders::read(&answer.headers) })
    }

    async fn post_list(
        &self,
        token: &Token,
        channel: &ChannelId,
        query: &str,
    ) -> Result<(RawResponse, PostList), RestError> {
        let path = format!("/channels/{}/posts?{query}", percent_encode(channel.as_str()));
        let answer = self.get_path(ROUTE, &path, Some(token), None).await?;
        let list = answer.json(ROUTE)?;
        Ok((answer, list))
    }
}

/// The part of the query that names a post. An empty one would be passed over by the server, and the
/// newest page taken for what is new: it is refused as the server refuses other ids that are none.
fn from(side: &str, post: &PostId) -> Result<String, RestError> {
    if post.as_str().is_empty() {
        return Err(RestError::new(RestErrorKind::Refused(400), ROUTE, format!("{side} names no post")));
    }
    Ok(format!("{side}={}&", percent_encode(post.as_str())))
}
