//! Asking REST for channels and posts, with the gate's leave.

use std::{rc::Rc, sync::Arc};

use crate::hosting::connection::connect::rest_close_reason;
use crate::{
    hosting::context::AccountContext,
    mattermost::{
        Channel, PER_PAGE, PageRequest, Post, PostRange, PostsSince, RestError, RestErrorKind, RestResponse,
    },
    model::{ChannelId, CloseReason, PostId},
    policy::RequestClass,
    ports::Api,
};

/// How many posts to ask for, and how many when those are too large together: two of the longest fit any limit. Each
/// is a part of the one before, so that the number of a page can be told in the next.
const SIZES: [usize; 3] = [PER_PAGE, 20, 2];

/// Asks for what one account may read.
#[derive(Clone)]
pub(in crate::hosting) struct CatchUpClient {
    pub(in crate::hosting) context: Arc<AccountContext>,
    pub(in crate::hosting) api: Rc<dyn Api>,
}

/// Why a channel was not read to its end.
pub(in crate::hosting) enum ChannelReadError {
    /// The Connection is to end.
    EndConnection(CloseReason),
    /// The channel refuses to be read.
    Refused(RestError),
}

/// Where a page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hosting) struct PageCursor {
    from: From,
    /// The number of the page: other than 0 only within what shares one time.
    page: usize,
    /// Which of [`SIZES`].
    size: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum From {
    Newest,
    After(PostId),
    Before(PostId),
}

/// One page, the oldest post first, and where the next begins, if there may be one.
pub(in crate::hosting) struct PostPage {
    pub(in crate::hosting) posts: Vec<Post>,
    pub(in crate::hosting) next: Option<PageCursor>,
}

impl CatchUpClient {
    /// All channels of the account.
    pub(in crate::hosting) async fn channels(&self) -> Result<Vec<Channel>, CloseReason> {
        self.acquire_permit().await?;
        self.report_to_gate(self.api.channels(&self.context.token).await)
            .map_err(|error| rest_close_reason(&error))
    }

    /// One channel, which need not be in the list.
    pub(in crate::hosting) async fn channel(&self, id: &ChannelId) -> Result<Channel, ChannelReadError> {
        self.acquire_permit().await?;
        Ok(self.report_to_gate(self.api.channel(&self.context.token, id).await)?)
    }

    /// One page. Where the longest posts make it larger than a body may be, it is asked for in smaller ones.
    pub(in crate::hosting) async fn page(
        &self,
        channel: &ChannelId,
        cursor: &PageCursor,
    ) -> Result<PostPage, ChannelReadError> {
        let mut cursor = cursor.clone();
        loop {
            self.acquire_permit().await?;
            let page_request = PageRequest { page: cursor.page, per_page: SIZES[cursor.size] };
            match self.report_to_gate(
                self.api.posts(&self.context.token, channel, cursor.range(), page_request).await,
            ) {
                Ok(page) => return Ok(PostPage { next: cursor.next(&page.posts), posts: page.posts }),
                Err(error) if error.kind == RestErrorKind::TooLarge => {
                    cursor =
                        cursor.smaller().ok_or_else(|| ChannelReadError::EndConnection(failed(&error)))?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// What was touched since a time. None where it is more than a body may be: it cannot be had in parts.
    pub(in crate::hosting) async fn since(
        &self,
        channel: &ChannelId,
        time: i64,
    ) -> Result<Option<PostsSince>, ChannelReadError> {
        self.acquire_permit().await?;
        match self.report_to_gate(self.api.posts_since(&self.context.token, channel, time).await) {
            Ok(since) => Ok(Some(since)),
            Err(error) if error.kind == RestErrorKind::TooLarge => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn acquire_permit(&self) -> Result<(), CloseReason> {
        let permit = self.context.gate.acquire_permit(RequestClass::CatchUp, &self.context.account).await;
        permit.map(|_| ()).map_err(|error| failed(&error))
    }

    /// Tells the gate what an answer says about the server.
    fn report_to_gate<T>(&self, answer: Result<RestResponse<T>, RestError>) -> Result<T, RestError> {
        match answer {
            Ok(answer) => {
                self.context.gate.report_answer(answer.rate);
                Ok(answer.value)
            }
            Err(error) => {
                self.context.gate.report_failure(&error);
                Err(error)
            }
        }
    }
}

fn failed(error: &dyn std::error::Error) -> CloseReason {
    CloseReason::CatchUpFailed { cause: error.to_string() }
}

impl std::convert::From<CloseReason> for ChannelReadError {
    fn from(reason: CloseReason) -> Self {
        Self::EndConnection(reason)
    }
}

impl std::convert::From<RestError> for ChannelReadError {
    fn from(error: RestError) -> Self {
        match error.kind {
            RestErrorKind::Refused(403) | RestErrorKind::NotFound => Self::Refused(error),
            _ => Self::EndConnection(rest_close_reason(&error)),
        }
    }
}

impl PageCursor {
    pub(in crate::hosting) fn newest() -> Self {
        Self { from: From::Newest, page: 0, size: 0 }
    }

    pub(in crate::hosting) fn after(post: &PostId) -> Self {
        Self { from: From::After(post.clone()), page: 0, size: 0 }
    }

    /// A page of the newest posts that begins about so many posts back.
    pub(in crate::hosting) fn back(posts: usize) -> Self {
        let size = SIZES.iter().position(|size| *size <= posts).unwrap_or(SIZES.len() - 1);
        Self { from: From::Newest, page: (posts / SIZES[size]).max(1), size }
    }

    fn range(&self) -> PostRange<'_> {
        match &self.from {
            From::Newest => PostRange::Newest,
            From::After(post) => PostRange::After(post),
            From::Before(post) => PostRange::Before(post),
        }
    }

    /// Where to go on after this page. A page that is not full is the last.
    ///
    /// It goes on at the last post that is older than the page's newest (towards the past: younger than its oldest), so
    /// that what shares its time is not left out (fact 23). Where one time fills the whole page there is no such post:
    /// there, and only there, it goes on by number.
    fn next(&self, posts: &[Post]) -> Option<Self> {
        if posts.len() < SIZES[self.size] {
            return None;
        }
        let (oldest, newest) = (posts.first()?.create_at, posts.last()?.create_at);
        let from = match self.from {
            From::After(_) => {
                let older = posts.iter().rfind(|post| post.create_at < newest);
                older.map(|post| From::After(post.id.clone()))
            }
            From::Newest | From::Before(_) => {
                let younger = posts.iter().find(|post| post.create_at > oldest);
                younger.map(|post| From::Before(post.id.clone()))
            }
        };
        let size = self.size;
        Some(match from {
            Some(from) => Self { from, page: 0, size },
            None => Self { from: self.from.clone(), page: self.page + 1, size },
        })
    }

    fn smaller(&self) -> Option<Self> {
        let size = self.size + 1;
        let page = self.page * SIZES[self.size] / SIZES.get(size)?;
        Some(Self { from: self.from.clone(), page, size })
    }
}

#[cfg(test)]
mod tests {
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

    fn small(from: From, page: usize) -> PageCursor {
        PageCursor { from, page, size: 2 }
    }

    #[test]
    fn the_next_page_keeps_what_shares_a_time_together() {
        let after = |id: &str| From::After(id.into());
        let before = |id: &str| From::Before(id.into());
        for (cursor, times, next) in [
            (small(after("x"), 0), vec![1, 2], Some(small(after("p0"), 0))),
            (small(after("x"), 0), vec![2, 2], Some(small(after("x"), 1))),
            (small(after("x"), 3), vec![2, 3], Some(small(after("p0"), 0))),
            (small(after("x"), 0), vec![1], None),
            (small(From::Newest, 0), vec![1, 2], Some(small(before("p1"), 0))),
            (small(before("x"), 0), vec![2, 2], Some(small(before("x"), 1))),
        ] {
            assert_eq!(cursor.next(&posts(times)), next, "{cursor:?}");
        }
    }

    #[test]
    fn a_smaller_page_begins_where_the_larger_one_did() {
        let cursor = PageCursor { from: From::Newest, page: 3, size: 0 };
        assert_eq!(cursor.smaller(), Some(PageCursor { from: From::Newest, page: 30, size: 1 }));
        assert_eq!(small(From::Newest, 1).smaller(), None);
    }

    #[test]
    fn a_distance_is_told_in_pages() {
        for (posts, size, page) in [(100_000, 0, 500), (200, 0, 1), (150, 1, 7), (5, 2, 2), (1, 2, 1)] {
            assert_eq!(PageCursor::back(posts), PageCursor { from: From::Newest, page, size }, "{posts}");
        }
    }
}
