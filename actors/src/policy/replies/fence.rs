//! Code fences: the text between them must stay code when it is split.

/// The maximum lengths of a fence's marks and of its opening line: both are repeated in every part.
const LONGEST_MARKS: usize = 32;
const LONGEST_LINE: usize = 200;

/// An open fence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fence {
    /// The opening line, without its line end.
    pub(super) line: String,
    /// The marks that close it.
    pub(super) marks: String,
}

impl Fence {
    /// Returns the characters that it takes in a part that it opens and closes.
    pub(super) fn chars(&self) -> usize {
        self.line.chars().count() + self.marks.chars().count() + "\n\n".len()
    }
}

/// Splits a line into a fence's marks and the rest; none if it is not a fence.
fn marks(line: &str) -> Option<(&str, &str)> {
    let text = line.trim_start_matches(' ');
    let mark = text.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let rest = text.trim_start_matches(mark);
    let marks = &text[..text.len() - rest.len()];
    let fits = (3..=LONGEST_MARKS).contains(&marks.len()) && line.len() - text.len() <= 3;
    (fits && line.len() <= LONGEST_LINE).then_some((marks, rest))
}

/// True if the line opens or closes a fence.
pub(super) fn is_fence(line: &str) -> bool {
    marks(line).is_some()
}

/// Returns the fence that is open after a text, given the one open before it.
pub(super) fn open_after(text: &str, mut open: Option<Fence>) -> Option<Fence> {
    for line in text.lines() {
        let Some((found, rest)) = marks(line) else { continue };
        match &open {
            Some(fence) => {
                let closes = found.starts_with(&fence.marks) && rest.trim().is_empty();
                open = open.filter(|_| !closes);
            }
            // A line with more backticks after the marks is inline code, not a fence.
            None if found.starts_with('`') && rest.contains('`') => {}
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
