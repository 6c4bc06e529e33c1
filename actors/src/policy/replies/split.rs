//! The splitting of a text into posts, between paragraphs, lines or words and without breaking code fences.

use super::fence::{Fence, is_fence, open_after};

/// The maximum number of parts: a longer text is a document that would flood the channel.
pub const MOST_PARTS: usize = 10;

/// The error for a text that is too long even for several posts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TextTooLong {
    /// The length, in characters.
    pub(crate) characters: usize,
    /// The maximum length, in characters. With code fences, a slightly shorter text may be too long.
    pub(crate) limit: usize,
}

/// Splits a text into parts of at most `limit` characters.
///
/// A part ends at a paragraph's end in the last quarter of what fits, otherwise at a line end in its second half,
/// otherwise between words, otherwise anywhere; white space at the cut is dropped. A code fence that is open at a cut is
/// closed there and opened again in the next part.
///
/// # Errors
/// If it takes too many parts.
pub(crate) fn split_text(text: &str, limit: usize) -> Result<Vec<String>, TextTooLong> {
    let limit = limit.max(1);
    let mut parts = split_at(text, limit);
    if parts.len() > MOST_PARTS {
        return Err(TextTooLong {
            characters: text.chars().count(),
            limit: limit.saturating_mul(MOST_PARTS),
        });
    }
    if parts.len() > 1 {
        // The server refuses an empty post.
        parts.retain(|part| !part.trim().is_empty());
    }
    Ok(parts)
}

fn split_at(text: &str, limit: usize) -> Vec<String> {
    let mut parts = Vec::new();
    let (mut rest, mut fence): (&str, Option<Fence>) = (text, None);
    // One part too many shows that the text is too long; the rest need not be split.
    while parts.len() <= MOST_PARTS {
        // A fence that would take up most of each part is not repeated.
        let repeated = fence.take().filter(|fence| fence.chars() <= limit / 2);
        let head = repeated.as_ref().map(|fence| format!("{}\n", fence.line)).unwrap_or_default();
        let room = limit - head.chars().count();
        if fits(rest, room) {
            parts.push(head + rest);
            break;
        }
        let (head_text, open) = longest_head(rest, room, repeated.as_ref());
        let tail = open.as_ref().map(|fence| format!("\n{}", fence.marks)).unwrap_or_default();
        let shown = if open.is_some() { head_text.trim_end_matches('\n') } else { head_text.trim_end() };
        parts.push(format!("{head}{shown}{tail}"));
        rest = rest_after(rest, head_text, open.is_some());
        fence = open;
    }
    parts
}

/// Returns the longest head that fits together with the marks that close its open fence, and that fence.
fn longest_head<'a>(rest: &'a str, limit: usize, fence: Option<&Fence>) -> (&'a str, Option<Fence>) {
    let mut room = limit;
    loop {
        let head_text = &rest[..cut_offset(rest, room)];
        let open = open_after(head_text, fence.cloned()).filter(|open| open.chars() <= limit / 2);
        let tail = open.as_ref().map_or(0, |fence| 1 + fence.marks.chars().count());
        let over = (head_text.chars().count() + tail).saturating_sub(limit);
        if over == 0 || room == 1 {
            return (head_text, open);
        }
        room = (room - over.min(room - 1)).max(1);
    }
}

/// Returns the byte offset of a cut with at most `room` characters before it, and at least one.
fn cut_offset(text: &str, room: usize) -> usize {
    let end = text.char_indices().nth(room.max(1)).map_or(text.len(), |(at, _)| at);
    let window = &text[..end];
    let half = text.char_indices().nth(room / 2).map_or(0, |(at, _)| at);
    let ends_word = text[end..].starts_with(char::is_whitespace);
    let late = text.char_indices().nth(room - room / 4).map_or(0, |(at, _)| at);
    let paragraph = window.rfind("\n\n").map(|at| at + 2).filter(|at| *at >= late);
    let line = || window.rfind('\n').map(|at| at + 1).filter(|at| *at > half);
    let word = || window.rfind(char::is_whitespace).filter(|at| *at > half && !ends_word);
    let at = paragraph.or_else(line).or_else(word).unwrap_or(end);
    // Never within a fence's line: its end would become code, or its marks text.
    let begin = text[..at].rfind('\n').map_or(0, |at| at + 1);
    let whole = text[begin..].lines().next().unwrap_or_default();
    if begin > 0 && begin < at && is_fence(whole) { begin } else { at }
}

/// Returns the text after a cut: code continues after the line end, other text at the next word.
fn rest_after<'a>(rest: &'a str, head_text: &str, code: bool) -> &'a str {
    let rest = &rest[head_text.len()..];
    if code || head_text.ends_with('\n') { rest } else { rest.trim_start_matches([' ', '\t', '\n', '\r']) }
}

fn fits(text: &str, room: usize) -> bool {
    text.len() <= room || text.chars().count() <= room
}

#[cfg(test)]
mod tests;
