//! A text in parts that fit in a post: cut between words, with code that stays code.

use super::fence::{Fence, is_fence, open_after};

/// The longest text of a post, in characters (fact 13).
pub const MAX_POST_CHARS: usize = 16_383;

/// The most parts of one text: what is longer than this is a document, and drowns a channel.
const MOST_PARTS: usize = 10;

/// The longest text that is posted at all, in characters. With code fences in it a little less may be too long.
pub const MAX_TEXT_CHARS: usize = MAX_POST_CHARS * MOST_PARTS;

/// A text is too long, also in parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TextTooLong {
    /// How long it is, in characters.
    pub(crate) characters: usize,
}

/// Cuts a text into parts that fit in a post.
///
/// It is cut at a line's end if there is one in the later half of what fits, else between words, else anywhere; the
/// white space at the cut is left out. A code fence that is open at a cut is closed there and opened again in the next
/// part.
///
/// # Errors
/// When it takes too many parts.
pub(crate) fn split_text(text: &str) -> Result<Vec<String>, TextTooLong> {
    let mut parts = split_at(text, MAX_POST_CHARS);
    if parts.len() > MOST_PARTS {
        return Err(TextTooLong { characters: text.chars().count() });
    }
    if parts.len() > 1 {
        // The server takes no post without anything in it.
        parts.retain(|part| !part.trim().is_empty());
    }
    Ok(parts)
}

fn split_at(text: &str, limit: usize) -> Vec<String> {
    let mut parts = Vec::new();
    let (mut rest, mut fence): (&str, Option<Fence>) = (text, None);
    // One more than fit says that it is too long; the rest of a book need not be cut.
    while parts.len() <= MOST_PARTS {
        let head = fence.as_ref().map(|fence| format!("{}\n", fence.line)).unwrap_or_default();
        let room = limit - head.chars().count();
        if fits(rest, room) {
            parts.push(head + rest);
            break;
        }
        let (taken, open) = take(rest, room, fence.as_ref());
        let tail = open.as_ref().map(|fence| format!("\n{}", fence.marks)).unwrap_or_default();
        let shown = if open.is_some() { taken.trim_end_matches('\n') } else { taken.trim_end() };
        parts.push(format!("{head}{shown}{tail}"));
        rest = behind(rest, taken, open.is_some());
        fence = open;
    }
    parts
}

/// Takes what fits, with a fence that is open after it closed.
fn take<'a>(rest: &'a str, limit: usize, fence: Option<&Fence>) -> (&'a str, Option<Fence>) {
    let mut room = limit;
    loop {
        let taken = &rest[..cut(rest, room)];
        let open = open_after(taken, fence.cloned());
        let tail = open.as_ref().map_or(0, |fence| 1 + fence.marks.chars().count());
        let over = (taken.chars().count() + tail).saturating_sub(limit);
        if over == 0 || room == 1 {
            return (taken, open);
        }
        room = (room - over.min(room - 1)).max(1);
    }
}

/// Where to cut so that at most `room` characters are before: always behind the first.
fn cut(text: &str, room: usize) -> usize {
    let end = text.char_indices().nth(room.max(1)).map_or(text.len(), |(at, _)| at);
    let window = &text[..end];
    let half = text.char_indices().nth(room / 2).map_or(0, |(at, _)| at);
    let ends_word = text[end..].starts_with(char::is_whitespace);
    let line = window.rfind('\n').map(|at| at + 1).filter(|at| *at > half);
    let word = || window.rfind(char::is_whitespace).filter(|at| *at > half && !ends_word);
    let at = line.or_else(word).unwrap_or(end);
    // Not within a fence's own line: its end would become code, or its marks text.
    let begin = text[..at].rfind('\n').map_or(0, |at| at + 1);
    let whole = text[begin..].lines().next().unwrap_or_default();
    if begin > 0 && begin < at && is_fence(whole) { begin } else { at }
}

/// What follows a cut: in code as it stands but for the line's end, in text from the next word on.
fn behind<'a>(rest: &'a str, taken: &str, code: bool) -> &'a str {
    let rest = &rest[taken.len()..];
    if code || taken.ends_with('\n') { rest } else { rest.trim_start_matches([' ', '\t', '\n', '\r']) }
}

fn fits(text: &str, room: usize) -> bool {
    text.len() <= room || text.chars().count() <= room
}

#[cfg(test)]
mod tests;
