//! New posts, which nearly all frames are, read in one pass: to find the end of `data` before it is read, as for other events,
//! would be another pass over the longest part of a frame.

use serde::{Deserialize, de::IgnoredAny};
use serde_json::Deserializer;

use super::post_head::{OutlinedPost, PlainPostInData};

/// The texts before `data` and before `broadcast`, without and with white space (fact 41).
const FORMS: [[&str; 2]; 2] = [
    ["{\"event\":\"posted\",\"data\":", ",\"broadcast\":"],
    ["{\"event\": \"posted\", \"data\": ", ", \"broadcast\": "],
];

/// The texts before the number, in the same forms.
const NUMBER: [&str; 2] = [",\"seq\":", ", \"seq\": "];

/// The parts of the frame of a new post.
#[derive(Debug)]
pub(crate) struct PostedFrame<'a> {
    pub(crate) post: OutlinedPost,
    /// The member `data`, byte for byte.
    pub(crate) data: &'a str,
    /// The member `broadcast`, byte for byte.
    pub(crate) broadcast: &'a str,
    pub(crate) seq: u64,
}

/// Reads the frame of a new post in a form in which servers write it. Another frame, or one that cannot be read, is left to
/// [`super::parse_frame`]; so is a post whose text is none.
pub(crate) fn read_posted(frame: &str) -> Option<PostedFrame<'_>> {
    let (members, seq) = split_number(frame).filter(|(members, _)| has_object(members))?;
    FORMS.iter().find_map(|[before_data, before_broadcast]| {
        let (PlainPostInData { post }, data, rest) = split_object(members.strip_prefix(before_data)?)?;
        let (IgnoredAny, broadcast, rest) = split_object(rest.strip_prefix(before_broadcast)?)?;
        rest.is_empty().then_some(PostedFrame { post, data, broadcast, seq })
    })
}

/// True if the text of a post begins as an object. Another text may be long, and the parser reads it as well.
fn has_object(members: &str) -> bool {
    let post = members.split_once("\"post\":").map(|(_, post)| post.trim_start_matches(' '));
    post.is_some_and(|post| post.starts_with("\"{"))
}

/// Splits the number off a frame whose last member it is. Digits before the closing brace, behind `,"seq":`, are that member
/// in any frame that is JSON at all; and so is every frame with the same text before them.
pub(crate) fn split_number(frame: &str) -> Option<(&str, u64)> {
    let members = frame.trim_end_matches([' ', '\t', '\r', '\n']).strip_suffix('}')?;
    let before = members.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = members.get(before.len()..).filter(|number| *number == "0" || !number.starts_with('0'))?;
    let members = NUMBER.iter().find_map(|name| before.strip_suffix(name))?;
    Some((members, number.parse().ok()?))
}

/// Reads the object at the start of a text, and returns it with its own text and the rest.
fn split_object<'a, T: Deserialize<'a>>(text: &'a str) -> Option<(T, &'a str, &'a str)> {
    // A text in the place of an object may be long: see [`super::raw`].
    if !text.starts_with('{') {
        return None;
    }
    let mut values = Deserializer::from_str(text).into_iter();
    let value = values.next()?.ok()?;
    let (object, rest) = text.split_at_checked(values.byte_offset())?;
    Some((value, object, rest))
}

#[cfg(test)]
mod tests;
