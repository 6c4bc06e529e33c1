//! The words of a text, of which some are in quotes.

use std::borrow::Cow;

/// The quotes that may surround a word, with their closing ones. Telephones write the curly ones by themselves.
const QUOTES: [(char, &str); 5] = [('"', "\""), ('\'', "'"), ('“', "”“\""), ('„', "“”\""), ('«', "»")];

/// A word of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Word<'a> {
    /// The word, without its quotes.
    pub(super) text: Cow<'a, str>,
    /// The text from the word on, with its quotes.
    pub(super) rest: &'a str,
}

/// Returns the words of a text. In quotes a word may contain spaces, and `\"` stands for a quote. A quote that is never closed
/// is part of its word.
pub(super) fn words(text: &str) -> impl Iterator<Item = Word<'_>> {
    let mut left = text;
    std::iter::from_fn(move || {
        let rest = left.trim_start();
        let first = rest.chars().next()?;
        let (word, after) = quoted_word(rest, first).unwrap_or_else(|| plain_word(rest));
        left = after;
        Some(Word { text: word, rest })
    })
}

fn plain_word(text: &str) -> (Cow<'_, str>, &str) {
    let (word, after) = text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()));
    (Cow::Borrowed(word), after)
}

/// Returns the word in the quotes that the text begins with, and the text behind it. A quote within a word closes nothing.
fn quoted_word(text: &str, open: char) -> Option<(Cow<'_, str>, &str)> {
    let (_, closing) = QUOTES.iter().find(|(quote, _)| *quote == open)?;
    let inside = &text[open.len_utf8()..];
    let mut escaped = false;
    for (at, c) in inside.char_indices() {
        let after = &inside[at + c.len_utf8()..];
        let ends = after.is_empty() || after.starts_with(char::is_whitespace);
        if !escaped && ends && closing.contains(c) {
            return Some((without_escapes(&inside[..at], closing), after));
        }
        escaped = !escaped && c == '\\';
    }
    None
}

/// Removes the backslashes before quotes.
fn without_escapes<'a>(text: &'a str, closing: &str) -> Cow<'a, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut kept = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let escapes = c == '\\' && chars.peek().is_some_and(|next| closing.contains(*next) || *next == '\\');
        kept.extend(if escapes { chars.next() } else { Some(c) });
    }
    Cow::Owned(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        words(text).map(|word| word.text.into_owned()).collect()
    }

    #[test]
    fn words_are_separated_by_white_space_unless_quoted() {
        for (text, expected) in [
            ("", &[][..]),
            (" \n\t", &[]),
            ("a  b\nc", &["a", "b", "c"]),
            (r#"say "two words" x"#, &["say", "two words", "x"]),
            ("say 'two words'", &["say", "two words"]),
            ("say “two words” „zwei Worte“ «deux mots»", &["say", "two words", "zwei Worte", "deux mots"]),
            (r#""" x"#, &["", "x"]),
            (r#""a \"b\" c""#, &[r#"a "b" c"#]),
            (r#""C:\dir" "C:\dir\\" d"#, &[r"C:\dir", r"C:\dir\", "d"]),
            ("don't it's", &["don't", "it's"]),
            (r#"size 5" x"#, &["size", "5\"", "x"]),
            (r#""a"b c""#, &["a\"b c"]),
            ("'tis open", &["'tis", "open"]),
            (r#"never "closed word"#, &["never", "\"closed", "word"]),
        ] {
            assert_eq!(texts(text), expected, "{text:?}");
        }
    }

    #[test]
    fn the_rest_of_a_text_is_unchanged() {
        let rest = words("a \"b  c\"\n d").nth(1).unwrap().rest;
        assert_eq!(rest, "\"b  c\"\n d");
    }

    proptest::proptest! {
        /// Any text is read, without a panic; words that were quoted come back.
        #[test]
        fn quoted_words_come_back(
            text in r#"["'“” \\a\n]{0,40}"#,
            wanted in proptest::collection::vec(r#"[a-z "\\']{0,8}"#, 0..5),
        ) {
            let _ = texts(&text);
            let quote = |word: &String| format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""));
            let quoted: Vec<String> = wanted.iter().map(quote).collect();
            proptest::prop_assert_eq!(texts(&quoted.join(" ")), wanted);
        }
    }
}
