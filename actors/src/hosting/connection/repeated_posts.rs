//! Posts that several accounts of a thread receive at the same moment: their frames differ only in the number, and are read
//! once.

use std::{cell::RefCell, collections::VecDeque};

use bytestring::ByteString;

use crate::model::{Change, EventBody, UserId};

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

/// Remembers the post of a frame. Other events are not remembered: few accounts receive the same, or they need more than
/// their delivery.
pub(super) fn remember(frame: &ByteString, author: Option<&UserId>, body: &EventBody) {
    let (Some(author), Some(Change::Posted(_))) = (author, &body.change) else { return };
    // As above.
    let _ = POSTS.try_with(|posts| {
        let mut posts = posts.borrow_mut();
        if posts.count()
            && let Some((text, _)) = split_number(frame).filter(|_| frame.len() <= MOST_BYTES)
        {
            let post = ReadPost { author: author.clone(), body: body.clone() };
            posts.read.push_front(ReadFrame { frame: frame.clone(), length: text.len(), post });
        }
    });
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

/// Splits the number off a frame whose last member it is. Digits before the closing brace, behind `,"seq":`, are that member
/// in any frame that is JSON at all; and so is every frame with the same text before them.
fn split_number(frame: &str) -> Option<(&str, u64)> {
    let members = frame.trim_end_matches([' ', '\t', '\r', '\n']).strip_suffix('}')?;
    let before = members.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = members.get(before.len()..).filter(|number| *number == "0" || !number.starts_with('0'))?;
    Some((before.strip_suffix(",\"seq\":")?, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        mattermost::{Incoming, parse_frame},
        model::PostKey,
    };

    /// Parts of frames, some of which look like the last member and are not.
    const PARTS: [&str; 12] =
        [",\"seq\":", "12", "0", "}", "{", "\"", "\\\"", "\"event\":\"posted\"", ",", "\"data\":", "\n", "x"];

    #[test]
    fn the_number_is_the_last_member() {
        assert_eq!(split_number("{\"event\":\"posted\",\"seq\":17}\n"), Some(("{\"event\":\"posted\"", 17)));
        assert_eq!(split_number("{\"event\":\"posted\",\"seq\":0}"), Some(("{\"event\":\"posted\"", 0)));
        for other in [
            "{\"seq\":1,\"event\":\"posted\"}",
            "{\"event\":\"posted\",\"seq\":017}",
            "{\"event\":\"posted\",\"seq\":-1}",
            "{\"event\":\"posted\",\"seq\":99999999999999999999}",
            "{\"event\":\"posted\",\"seq\":}",
            "{\"event\":\"posted\",\"data\":\",\\\"seq\\\":1}",
            "{\"event\":\"posted\",\"seq\":1}\u{c}",
            "17}",
            "",
        ] {
            assert_eq!(split_number(other), None, "{other}");
        }
    }

    /// Returns the frame of a post with a number, and what is read from it.
    fn frame(post: &str, seq: u64) -> (ByteString, EventBody) {
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
        (format!("{{\"event\":\"posted\",\"data\":{data},\"broadcast\":{{}},\"seq\":{seq}}}\n").into(), body)
    }

    #[test]
    fn the_last_posts_are_recalled_with_another_number() {
        let ana = UserId::from("ana");
        for n in 0..=MOST_POSTS {
            let (text, body) = frame(&format!("post-{n}"), 7);
            assert!(recall(&text).is_none());
            remember(&text, Some(&ana), &body);
        }
        assert!(recall(&frame("post-0", 8).0).is_none(), "the oldest is forgotten");
        for n in 1..=MOST_POSTS {
            let (text, body) = frame(&format!("post-{n}"), 8);
            let read = recall(&text).unwrap();
            assert_eq!((read.author, format!("{:?}", read.body)), (ana.clone(), format!("{body:?}")));
        }
    }

    #[test]
    fn a_thread_whose_accounts_share_no_posts_remembers_few_until_they_do() {
        let is_alone = |n: u32| {
            let (text, body) = frame(&format!("post-{n}"), 7);
            remember(&text, Some(&"ana".into()), &body);
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
    fn only_short_posts_of_an_author_are_remembered() {
        let ana = UserId::from("ana");
        let (text, body) = frame(&"x".repeat(MOST_BYTES), 1);
        remember(&text, Some(&ana), &body);
        assert!(recall(&text).is_none());
        let (text, body) = frame("post", 1);
        remember(&text, None, &body);
        remember(&text, Some(&ana), &EventBody { change: None, ..body });
        assert!(recall(&text).is_none());
    }

    proptest! {
        /// A frame whose text was seen with another number is read as if it had been parsed.
        #[test]
        fn frames_of_one_text_differ_only_in_their_number(
            parts in proptest::collection::vec(proptest::sample::select(&PARTS[..]), 0..12),
            numbers in any::<[u64; 2]>(),
        ) {
            let [first, second] = numbers.map(|seq| {
                let members = parts.concat();
                [format!("{{\"event\":\"posted\",\"data\":{{{members},\"seq\":{seq}}}"),
                 format!("{{\"event\":\"posted\"{members},\"seq\":{seq}}}")]
            });
            for (first, second) in first.iter().zip(&second) {
                let (Some((text, _)), Some((again, seq))) = (split_number(first), split_number(second)) else {
                    continue;
                };
                prop_assert_eq!(text, again);
                let event = |frame| match parse_frame(frame) {
                    Ok(Incoming::Event(event)) => Some((event.event, event.data.get(), event.broadcast.get(), event.seq)),
                    _ => None,
                };
                if let Some((name, data, broadcast, _)) = event(first) {
                    prop_assert_eq!(event(second), Some((name, data, broadcast, seq)));
                }
            }
        }
    }
}
