use std::{
    fmt::{self, Write as _},
    ops::Deref,
    sync::Arc,
};

use super::secrets;

/// The longest excerpt, in characters: a sentence of a server, and a line of a terminal or two.
pub const MAX_EXCERPT_CHARS: usize = 200;

/// The characters that are read of a text. A token that the end of the excerpt would cut is found in whole.
const MAX_READ_CHARS: usize = MAX_EXCERPT_CHARS + secrets::MAX_SECRET_BYTES;

/// A short excerpt of a text that a server, a handler or a client wrote.
///
/// It has at most [`MAX_EXCERPT_CHARS`] characters on one line. Control, escape and bidirectional characters are replaced, and
/// the tokens of this process are removed. The rest of the text is not kept. Every fact, close reason and error that
/// repeats foreign text contains this type.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Excerpt(Arc<str>);

impl Excerpt {
    /// Creates the excerpt of what a value displays. Not more of it is formatted than needed.
    pub fn of(text: &(impl fmt::Display + ?Sized)) -> Self {
        let mut read = BoundedText { text: String::new(), left: MAX_READ_CHARS };
        // An error means that the limit was reached.
        let is_whole = write!(read, "{text}").is_ok();
        let redacted = secrets::redact(&read.text);
        Self(shorten(redacted.trim(), is_whole).into())
    }

    /// Creates the excerpt of a text with a short note in brackets, such as the id of an event, that is kept whole.
    pub fn with_note(text: &(impl fmt::Display + ?Sized), note: &(impl fmt::Display + ?Sized)) -> Self {
        let (text, note) = (Self::of(text), Self::of(&format_args!("({note})")));
        let room = MAX_EXCERPT_CHARS.saturating_sub(note.chars().count() + 1);
        let kept = if text.chars().count() <= room { text.to_string() } else { cut(&text, room) };
        Self::of(&format_args!("{kept} {}", &*note))
    }

    /// Returns the excerpt as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Replaces what a terminal would take for a command in a text of several lines. Nothing is cut.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c == '\n' { c } else { replace(c) }).collect()
}

/// A writer that keeps the beginning of what is written.
struct BoundedText {
    text: String,
    left: usize,
}

impl fmt::Write for BoundedText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            self.left = self.left.checked_sub(1).ok_or(fmt::Error)?;
            self.text.push(c);
        }
        Ok(())
    }
}

fn shorten(text: &str, is_whole: bool) -> String {
    let shown: String = text.chars().map(replace).take(MAX_EXCERPT_CHARS + 1).collect();
    if is_whole && shown.chars().count() <= MAX_EXCERPT_CHARS {
        shown
    } else {
        cut(&shown, MAX_EXCERPT_CHARS)
    }
}

/// Returns the first characters of a text, of which the last marks the cut.
fn cut(text: &str, chars: usize) -> String {
    let kept = text.chars().take(chars.saturating_sub(1));
    kept.chain((chars > 0).then_some('…')).collect()
}

/// Replaces a character that a terminal, a log or a page would not show as what it is.
fn replace(c: char) -> char {
    match c {
        '\n' | '\r' | '\t' | '\u{0b}' | '\u{0c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => ' ',
        c if c.is_control() || is_invisible(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

/// True for characters that change the direction of text, or that are not seen at all (Unicode, UAX #9 and general category
/// Cf).
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

impl From<&str> for Excerpt {
    fn from(text: &str) -> Self {
        Self::of(text)
    }
}

impl From<String> for Excerpt {
    fn from(text: String) -> Self {
        Self::of(&text)
    }
}

impl From<Excerpt> for String {
    fn from(excerpt: Excerpt) -> Self {
        excerpt.0.as_ref().into()
    }
}

impl Deref for Excerpt {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Token;

    #[test]
    fn escapes_and_what_turns_or_splits_a_line_are_replaced() {
        for (text, shown) in [
            ("so", "so"),
            (" so\r\n", "so"),
            ("\u{1b}]0;title\u{7}", "\u{fffd}]0;title\u{fffd}"),
            ("a\nERROR b\u{2028}c\u{85}d", "a ERROR b c d"),
            ("\u{202e}gpj.exe\u{2066}\u{200f}x", "\u{fffd}gpj.exe\u{fffd}\u{fffd}x"),
            ("\u{9b}31m", "\u{fffd}31m"),
            ("Überfällig 期限 🦀", "Überfällig 期限 🦀"),
        ] {
            assert_eq!(Excerpt::from(text).as_str(), shown);
        }
    }

    #[test]
    fn a_long_text_is_cut_and_not_kept() {
        let whole = "x".repeat(MAX_EXCERPT_CHARS);
        assert_eq!(Excerpt::of(&whole).as_str(), whole);
        let cut = Excerpt::of(&format_args!("{whole}{whole}"));
        assert_eq!((cut.chars().count(), cut.chars().last()), (MAX_EXCERPT_CHARS, Some('…')));
        let noted = Excerpt::with_note(&whole, "event 1");
        assert_eq!(noted.chars().count(), MAX_EXCERPT_CHARS);
        assert!(noted.ends_with("x… (event 1)"), "{noted}");
        assert_eq!(Excerpt::with_note("so", "event 1").as_str(), "so (event 1)");
    }

    #[test]
    fn no_more_is_formatted_than_is_shown() {
        struct Endless;
        impl fmt::Display for Endless {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                loop {
                    f.write_str("babble ")?;
                }
            }
        }
        assert_eq!(Excerpt::of(&Endless).chars().count(), MAX_EXCERPT_CHARS);
    }

    #[test]
    fn tokens_of_this_process_are_removed_also_where_the_text_is_cut() {
        let secret = "aaaabbbbccccddddeeeeffff01";
        let token = Token::new(secret).unwrap();
        for before in [0, 10, 180, 199] {
            let text = format!("{}{secret}x{secret} end", "-".repeat(before));
            let shown = Excerpt::of(&text);
            assert!(!shown.contains("aaaa") && !shown.contains("ffff"), "{shown}");
        }
        let other = token.clone();
        drop(token);
        assert_eq!(Excerpt::from(secret).as_str(), "…");
        drop(other);
        assert_eq!(Excerpt::from(secret).as_str(), secret, "forgotten with its last copy");
    }

    proptest! {
        #[test]
        fn an_excerpt_is_short_visible_and_stable(text in "(?s).{0,600}") {
            let excerpt = Excerpt::of(&text);
            prop_assert!(excerpt.chars().count() <= MAX_EXCERPT_CHARS);
            prop_assert!(excerpt.chars().all(|c| !c.is_control() && !is_invisible(c)));
            prop_assert_eq!(Excerpt::of(&excerpt), excerpt);
        }
    }
}
