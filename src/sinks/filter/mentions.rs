//! Mentions of an account in the text of a post.

use std::borrow::Cow;

use matterhost_actors::model::AccountUser;

/// Names that address everyone in a channel.
const EVERYONE: [&str; 3] = ["all", "channel", "here"];

/// The mentions in a text, outside of code.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Mentions {
    /// The user's name or a keyword of the user.
    pub(super) user: bool,
    /// A name that addresses everyone in the channel.
    pub(super) everyone: bool,
}

impl Mentions {
    /// Finds the mentions of a user in several texts.
    pub(super) fn find<'a>(texts: impl Iterator<Item = &'a str>, user: &AccountUser) -> Self {
        texts.fold(Self::default(), |found, text| {
            let text = without_code(text);
            let keyword = || user.keywords.iter().any(|keyword| contains_word(&text, keyword));
            Self {
                user: found.user || names(&text, |name| name.eq_ignore_ascii_case(&user.name)) || keyword(),
                everyone: found.everyone
                    || names(&text, |name| EVERYONE.iter().any(|all| name.eq_ignore_ascii_case(all))),
            }
        })
    }
}

/// Returns true if the text has an `@` and a wanted name.
fn names(text: &str, is_wanted: impl Fn(&str) -> bool) -> bool {
    let in_name = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    let is_mention = |word: &str| {
        let end = word.find(|c| !in_name(c)).unwrap_or(word.len());
        let word = &word[..end];
        // A full stop may end the name or the sentence.
        [word, word.trim_end_matches(['.', '-', '_'])].iter().any(|word| !word.is_empty() && is_wanted(word))
    };
    text.match_indices('@').any(|(at, _)| {
        let before = text[..at].chars().next_back();
        // In an email address a name precedes the `@`.
        !before.is_some_and(in_name) && is_mention(&text[at + 1..])
    })
}

/// Returns true if the text contains a word, in any case.
fn contains_word(text: &str, word: &str) -> bool {
    let (text, word) = (text.to_lowercase(), word.to_lowercase());
    let in_word = |c: char| c.is_alphanumeric() || c == '_';
    !word.is_empty()
        && text.match_indices(&word).any(|(at, _)| {
            let before = text[..at].chars().next_back();
            let after = text[at + word.len()..].chars().next();
            !before.is_some_and(in_word) && !after.is_some_and(in_word)
        })
}

/// Returns a text without its code, in which the server sees no mentions.
fn without_code(text: &str) -> Cow<'_, str> {
    let has_blocks =
        text.contains("```") || text.contains("~~~") || text.contains("    ") || text.contains('\t');
    let text = if has_blocks { Cow::Owned(without_blocks(text)) } else { Cow::Borrowed(text) };
    if text.contains('`') { Cow::Owned(without_spans(&text)) } else { text }
}

/// Removes fenced and indented blocks.
fn without_blocks(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut fence: Option<&str> = None;
    let mut follows_text = false;
    for line in text.lines() {
        let content = line.trim_start_matches(' ');
        let is_indented = line.len() - content.len() >= 4 || line.starts_with('\t');
        let marks = marks(content).filter(|_| !is_indented);
        match (fence, marks) {
            (Some(open), Some(close)) if close.starts_with(open) && content.trim_end() == close => {
                fence = None;
            }
            (Some(_), _) => {}
            (None, Some(open)) => fence = Some(open),
            (None, None) if is_indented && !follows_text => {}
            (None, None) => {
                kept.push_str(line);
                kept.push('\n');
                follows_text = !line.trim().is_empty();
                continue;
            }
        }
        follows_text = false;
    }
    kept
}

/// Returns the marks with which a line opens or closes a fence.
fn marks(line: &str) -> Option<&str> {
    let mark = line.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let rest = line.trim_start_matches(mark);
    let marks = &line[..line.len() - rest.len()];
    // With another backtick in the line it is a span of code.
    (marks.len() >= 3 && !(mark == '`' && rest.contains('`'))).then_some(marks)
}

/// Removes spans between equal numbers of backticks.
fn without_spans(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('`') {
        let ticks = rest[start..].len() - rest[start..].trim_start_matches('`').len();
        let inside = &rest[start + ticks..];
        kept.push_str(&rest[..start]);
        if let Some(end) = closing(inside, ticks) {
            kept.push(' ');
            rest = &inside[end + ticks..];
        } else {
            kept.push_str(&rest[start..start + ticks]);
            rest = inside;
        }
    }
    kept.push_str(rest);
    kept
}

/// Returns the place of the next run of exactly so many backticks.
fn closing(text: &str, ticks: usize) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = text[from..].find('`').map(|at| from + at) {
        let run = text[at..].len() - text[at..].trim_start_matches('`').len();
        if run == ticks {
            return Some(at);
        }
        from = at + run;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user() -> AccountUser {
        AccountUser {
            id: "bot".into(),
            name: "helper.bot".into(),
            keywords: ["deploy".into(), "Jürgen".into()].into(),
        }
    }

    fn find(text: &str) -> (bool, bool) {
        let Mentions { user, everyone } = Mentions::find([text].into_iter(), &self::user());
        (user, everyone)
    }

    #[test]
    fn code_mentions_nobody() {
        for text in [
            "`@helper.bot`",
            "``a ` @helper.bot``",
            "```\n@helper.bot\n```",
            "text\n~~~ruby\n@here\n~~~~\nmore",
            "```\n@helper.bot and @all",
            "    @helper.bot",
            "text\n\n\t@all deploy",
            "see `deploy` there",
        ] {
            assert_eq!(find(text), (false, false), "{text:?}");
        }
        for text in [
            "` @helper.bot",
            "`a` @helper.bot `b`",
            "```\ncode\n```\n@helper.bot",
            "```in a line``` @helper.bot",
            "text\n    @helper.bot goes on",
            "``` @helper.bot ``",
        ] {
            assert_eq!(find(text), (true, false), "{text:?}");
        }
    }

    #[test]
    fn keywords_are_whole_words_in_any_case() {
        for (text, expected) in [
            ("please DEPLOY it", true),
            ("(deploy)", true),
            ("jürgen!", true),
            ("redeploy", false),
            ("deploy_now", false),
            ("deployed", false),
        ] {
            assert_eq!(find(text).0, expected, "{text}");
        }
    }

    proptest::proptest! {
        /// No text panics, and code only ever hides mentions.
        #[test]
        fn any_text_is_read(text in "[`~@a \t\n.]{0,60}") {
            let _ = without_code(&text);
            let hidden = find(&text);
            let all = names(&text, |name| name.eq_ignore_ascii_case("all"));
            proptest::prop_assert!(all || !hidden.1);
        }
    }
}
