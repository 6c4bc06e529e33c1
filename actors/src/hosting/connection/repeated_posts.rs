//! Posts that several accounts of a thread receive at the same moment: their frames differ only in the number, and are read
//! once.

use std::{cell::RefCell, collections::VecDeque, sync::Arc};

use bytestring::ByteString;

use super::post_change::event_name;
use crate::{
    mattermost::{OutlinedPost, PostedFrame, split_number},
    model::{Change, EventBody, PostKey, UserId},
};

/// The most posts that a thread remembers: as many as one socket brings in a turn before the next socket brings the same.
const MOST_POSTS: usize = 8;

/// The longest frame that is remembered, in bytes. Almost all posts are shorter, and a thread's memory stays small.
const MOST_BYTES: usize = 16 * 1024;

/// The posts in a row that no other account received after which a thread remembers fewer: its accounts share no channel, or
/// only quiet ones.
const UNSHARED_POSTS: u32 = 64;

/// The number of posts of which a thread still remembers one, to notice that accounts share them again.
const SAMPLE_OF: u32 = 16;

thread_local! {
    static POSTS: RefCell<RecentPosts> = RefCell::default();
}

/// The last posts of a thread, the newest first.
#[derive(Default)]
struct RecentPosts {
    read: VecDeque<ReadFrame>,
    /// The posts since the last one that was recalled.
    unshared: u32,
}

/// A post that was read from a frame. Its texts and ids are shared by the accounts that receive it.
#[derive(Debug, Clone)]
pub(super) struct ReadPost {
    pub(super) author: UserId,
    pub(super) body: EventBody,
}

/// A frame and the post in it.
struct ReadFrame {
    frame: ByteString,
    /// The bytes before its number.
    length: usize,
    post: ReadPost,
}

/// Returns the post of a frame that equals an earlier one of this thread, apart from the number.
pub(super) fn recall(frame: &str) -> Option<ReadPost> {
    let (text, seq) = split_number(frame)?;
    // The access fails only while the thread is ending.
    let mut post = POSTS.try_with(|posts| posts.borrow_mut().find(text)).ok().flatten()?;
    post.body.seq = seq;
    Some(post)
}

/// Remembers a post and its frame. Other events are not remembered: few accounts receive the same, or they need more than
/// their delivery.
pub(super) fn remember(frame: &ByteString, post: &ReadPost) {
    // As above.
    let _ = POSTS.try_with(|posts| {
        let mut posts = posts.borrow_mut();
        if posts.count()
            && let Some((text, _)) = split_number(frame).filter(|_| frame.len() <= MOST_BYTES)
        {
            posts.read.push_front(ReadFrame { frame: frame.clone(), length: text.len(), post: post.clone() });
        }
    });
}

impl From<PostedFrame<'_>> for ReadPost {
    fn from(frame: PostedFrame<'_>) -> Self {
        let OutlinedPost { channel, outline } = frame.post;
        let body = EventBody {
            event: event_name("posted"),
            channel_id: channel,
            change: Some(Change::Posted(PostKey { create_at: outline.create_at, id: outline.id.clone() })),
            seq: frame.seq,
            data: frame.data.into(),
            broadcast: frame.broadcast.into(),
            post: None,
        };
        Self { author: outline.author.clone(), body: EventBody { post: Some(Arc::new(outline)), ..body } }
    }
}

impl RecentPosts {
    fn find(&mut self, text: &str) -> Option<ReadPost> {
        let post = self.read.iter().find(|read| read.text() == text).map(|read| read.post.clone())?;
        self.unshared = 0;
        Some(post)
    }

    /// Counts a post, makes room for it, and returns true if it is to be remembered.
    fn count(&mut self) -> bool {
        self.unshared = self.unshared.wrapping_add(1);
        if self.unshared < UNSHARED_POSTS {
            self.read.truncate(MOST_POSTS - 1);
            return true;
        }
        // Each that is left would be compared with all that come.
        let is_sample = self.unshared.is_multiple_of(SAMPLE_OF);
        if is_sample {
            self.read.clear();
        }
        is_sample
    }
}

impl ReadFrame {
    /// Returns the frame up to its number.
    fn text(&self) -> &str {
        self.frame.get(..self.length).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::PostKey;

    /// Returns the frame of a post with a number, and what is read from it.
    fn frame(post: &str, seq: u64) -> (ByteString, ReadPost) {
        let data = format!("{{\"post\":\"{post}\"}}");
        let body = EventBody {
            event: "posted".into(),
            channel_id: "c".into(),
            change: Some(Change::Posted(PostKey { create_at: 1, id: post.into() })),
            post: None,
            seq,
            data: data.as_str().into(),
            broadcast: "{}".into(),
        };
        let text = format!("{{\"event\":\"posted\",\"data\":{data},\"broadcast\":{{}},\"seq\":{seq}}}\n");
        (text.into(), ReadPost { author: "ana".into(), body })
    }

    #[test]
    fn the_last_posts_are_recalled_with_another_number() {
        for n in 0..=MOST_POSTS {
            let (text, post) = frame(&format!("post-{n}"), 7);
            assert!(recall(&text).is_none());
            remember(&text, &post);
        }
        assert!(recall(&frame("post-0", 8).0).is_none(), "the oldest is forgotten");
        for n in 1..=MOST_POSTS {
            let (text, post) = frame(&format!("post-{n}"), 8);
            assert_eq!(format!("{:?}", recall(&text).unwrap()), format!("{post:?}"));
        }
    }

    #[test]
    fn a_thread_whose_accounts_share_no_posts_remembers_few_until_they_do() {
        let is_alone = |n: u32| {
            let (text, post) = frame(&format!("post-{n}"), 7);
            remember(&text, &post);
            POSTS.with_borrow(|posts| posts.read.len() == 1 && posts.read[0].frame == text)
        };
        let check = move || {
            let alone: Vec<u32> = (1..=112).filter(|n| is_alone(*n)).collect();
            assert_eq!(alone, [1, 64, 80, 96, 112], "the first, and later one of sixteen");
            assert!(recall(&frame("post-112", 8).0).is_some());
            for n in 200..203 {
                is_alone(n);
                assert!(recall(&frame(&format!("post-{n}"), 8).0).is_some(), "they share posts again");
            }
        };
        // A thread that has heard nothing.
        std::thread::spawn(check).join().unwrap();
    }

    #[test]
    fn only_short_posts_are_remembered() {
        let (text, post) = frame(&"x".repeat(MOST_BYTES), 1);
        remember(&text, &post);
        assert!(recall(&text).is_none());
    }

    #[test]
    fn a_post_of_a_current_server_is_recalled() {
        let (text, post) = frame("post", 1);
        let spaced = |seq: u64| ByteString::from(text.replace(",\"seq\":1", &format!(", \"seq\": {seq}")));
        remember(&spaced(1), &post);
        assert_eq!(recall(&spaced(2)).map(|post| post.body.seq), Some(2));
    }
}
