//! Rust source as text, with comments and strings blanked; line numbers stay the same.

/// A piece of Rust source that contains only code.
#[derive(Debug)]
pub(crate) struct Code(String);

/// A word or symbol of the code, with its line number from 1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Word<'a> {
    pub(crate) text: &'a str,
    pub(crate) line: usize,
}

impl Code {
    /// Returns the source with comments, strings and characters blanked.
    pub(crate) fn blanked(text: &str) -> Self {
        let mut code = String::with_capacity(text.len());
        let mut rest = text;
        let mut in_word = false;
        while let Some(first) = rest.chars().next() {
            let blank = not_code(rest, in_word);
            if blank == 0 {
                code.push(first);
                rest = &rest[first.len_utf8()..];
                in_word = first.is_alphanumeric() || first == '_';
            } else {
                code.extend(rest[..blank].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
                rest = &rest[blank..];
                in_word = false;
            }
        }
        Self(code)
    }

    /// Returns the source unchanged.
    pub(crate) fn raw(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Like [`Self::blanked`], with code that is compiled only for tests blanked, too.
    pub(crate) fn without_tests(text: &str) -> Self {
        let Self(mut code) = Self::blanked(text);
        while let Some(start) = code.find("#[cfg(test)]") {
            let end = start + item(&code[start..]);
            let blank: String = code[start..end].chars().filter(|c| *c == '\n').collect();
            code.replace_range(start..end, &blank);
        }
        Self(code)
    }

    /// Returns the lines that contain a needle, with the needle.
    pub(crate) fn lines_with<'a>(&self, needles: &[&'a str]) -> Vec<(usize, &'a str)> {
        let lines = self.0.lines().enumerate();
        lines
            .flat_map(|(at, line)| {
                needles
                    .iter()
                    .filter(move |needle| line.contains(**needle))
                    .map(move |needle| (at + 1, *needle))
            })
            .collect()
    }

    /// Splits the code into words, `::`, and single symbols.
    pub(crate) fn words(&self) -> Vec<Word<'_>> {
        let lines = self.0.lines().enumerate();
        lines
            .flat_map(|(at, line)| words(line).into_iter().map(move |text| Word { text, line: at + 1 }))
            .collect()
    }
}

fn words(mut rest: &str) -> Vec<&str> {
    let mut words = Vec::new();
    while let Some(first) = rest.chars().next() {
        let length = match rest.find(|c: char| !c.is_alphanumeric() && c != '_') {
            Some(0) if rest.starts_with("::") => 2,
            Some(0) => first.len_utf8(),
            Some(length) => length,
            None => rest.len(),
        };
        let (word, after) = rest.split_at(length);
        if !word.trim().is_empty() {
            words.push(word);
        }
        rest = after;
    }
    words
}

/// Returns the length of the comment, string or character that begins here, or 0. A string prefix cannot begin within
/// a word.
fn not_code(rest: &str, in_word: bool) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return comment(rest);
    }
    if let Some(after) = rest.strip_prefix('\'') {
        return character(after);
    }
    let prefixes: &[&str] = if in_word { &[] } else { &["br", "cr", "b", "c", "r"] };
    let prefix = prefixes.iter().find(|prefix| rest.starts_with(**prefix)).unwrap_or(&"");
    let after = &rest[prefix.len()..];
    if prefix.ends_with('r') {
        return raw(after).map_or(0, |length| prefix.len() + length);
    }
    after.strip_prefix('"').map_or(0, |inner| prefix.len() + quoted(inner))
}

/// Returns the length of a block comment. Comments nest.
fn comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let step = match &rest[at..] {
            here if here.starts_with("/*") => (1, 2),
            here if here.starts_with("*/") => (-1, 2),
            here => (0, here.chars().next().map_or(1, char::len_utf8)),
        };
        depth += step.0;
        at += step.1;
        if depth == 0 {
            break;
        }
    }
    at
}

/// Returns the length of a character literal, or 0 for a lifetime, which has no second quote.
fn character(after: &str) -> usize {
    let mut chars = after.char_indices();
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some((at, escaped))) => {
            let from = at + escaped.len_utf8();
            after[from..].find('\'').map_or(0, |end| from + end + 2)
        }
        (Some(_), Some((end, '\''))) => end + 2,
        _ => 0,
    }
}

/// Returns the length of a string, including the first quote, from the text after that quote.
fn quoted(inner: &str) -> usize {
    let mut escaped = false;
    let end = inner.char_indices().find(|(_, c)| {
        let ends = *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    });
    end.map_or(inner.len() + 1, |(at, _)| at + 2)
}

/// Returns the length of a raw string from the text after its `r`.
fn raw(after: &str) -> Option<usize> {
    let hashes = after.len() - after.trim_start_matches('#').len();
    let inner = after[hashes..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let end = inner.find(&close).map_or(inner.len(), |at| at + close.len());
    Some(hashes + 1 + end)
}

/// Returns the length of an item with its attributes, up to its semicolon or closing brace.
fn item(code: &str) -> usize {
    let is_use = code.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    let is_use = is_use.is_some_and(|line| line.split(' ').any(|word| word == "use"));
    let mut depth = 0_i32;
    let end = code.char_indices().find(|(_, c)| {
        depth += match c {
            '{' | '(' | '[' => 1,
            '}' | ')' | ']' => -1,
            _ => 0,
        };
        depth == 0 && (*c == ';' || (*c == '}' && !is_use))
    });
    end.map_or(code.len(), |(at, _)| at + 1)
}
