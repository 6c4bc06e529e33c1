//! Code fences: what is between them must stay code when a text is cut.

/// The longest marks and the longest opening line that count as a fence: both are written again in every part.
const LONGEST_MARKS: usize = 32;
const LONGEST_LINE: usize = 200;

/// An open fence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fence {
    /// The line that opened it, without its end.
    pub(super) line: String,
    /// What closes it.
    pub(super) marks: String,
}

/// The marks that a line begins with, and what is behind them; none when it is no fence.
fn marks(line: &str) -> Option<(&str, &str)> {
    let text = line.trim_start_matches(' ');
    let mark = text.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let behind = text.trim_start_matches(mark);
    let marks = &text[..text.len() - behind.len()];
    let fits = (3..=LONGEST_MARKS).contains(&marks.len()) && line.len() - text.len() <= 3;
    (fits && line.len() <= LONGEST_LINE).then_some((marks, behind))
}

/// Whether a line opens or closes a fence.
pub(super) fn is_fence(line: &str) -> bool {
    marks(line).is_some()
}

/// The fence that is open after a text that began with this one open.
pub(super) fn open_after(text: &str, mut open: Option<Fence>) -> Option<Fence> {
    for line in text.lines() {
        let Some((found, behind)) = marks(line) else { continue };
        match &open {
            Some(fence) => {
                let closes = found.starts_with(&fence.marks) && behind.trim().is_empty();
                open = open.filter(|_| !closes);
            }
            // Behind backticks there is none, or it is code within a line.
            None if found.starts_with('`') && behind.contains('`') => {}
            None => open = Some(Fence { line: line.to_owned(), marks: found.to_owned() }),
        }
    }
    open
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_is_closed_by_as_many_of_its_own_marks() {
        for (text, open) in [
            ("```rust\nfn", Some("```")),
            ("```rust\nfn\n```", None),
            ("````\n```\n", Some("````")),
            ("```\n````", None),
            ("~~~\n```", Some("~~~")),
            ("``` code ``` in a line", None),
            ("    ```\nindented", None),
            ("``\nno", None),
            ("```\ncode\n``` not the end", Some("```")),
        ] {
            let marks = open_after(text, None).map(|fence| fence.marks);
            assert_eq!(marks.as_deref(), open, "{text:?}");
        }
    }
}
