//! The modules of a package that a piece of code names.

use crate::code::{Code, Word};

/// A named module, with its line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Import {
    pub(crate) line: usize,
    pub(crate) module: String,
}

/// Returns the modules named below `root` (`crate` or a package), alone or in braces: `crate::a::B`, `use crate::{a::B,
/// c}`, `pub(in crate::a)`.
pub(crate) fn from_root(root: &str, code: &Code) -> Vec<Import> {
    let words = code.words();
    let starts =
        words.windows(2).enumerate().filter(|(_, pair)| pair[0].text == root && pair[1].text == "::");
    starts.flat_map(|(at, _)| firsts(&words[at + 2..])).collect()
}

/// Returns the top modules named through `super`, from a module `depth` steps below the top.
pub(crate) fn from_super(depth: usize, code: &Code) -> Vec<Import> {
    let words = code.words();
    let mut found = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let steps = words[at..].chunks(2).take_while(|pair| is_step(pair)).count();
        if steps > 0 && steps >= depth {
            found.extend(firsts(&words[at + 2 * steps..]));
        }
        at += (2 * steps).max(1);
    }
    found
}

fn is_step(pair: &[Word<'_>]) -> bool {
    matches!(pair, [first, second] if first.text == "super" && second.text == "::")
}

/// Returns the first segment of a path, or of each path in braces.
fn firsts(words: &[Word<'_>]) -> Vec<Import> {
    let import = |word: &Word<'_>| Import { line: word.line, module: word.text.to_owned() };
    let Some(first) = words.first().filter(|first| first.text == "{") else {
        return words.first().map(import).into_iter().collect();
    };
    let mut found = Vec::new();
    let mut depth = 0;
    let mut before = first.text;
    for word in words {
        depth += match word.text {
            "{" => 1,
            "}" => -1,
            _ if depth == 1 && matches!(before, "{" | ",") => {
                found.push(import(word));
                0
            }
            _ => 0,
        };
        if depth == 0 {
            break;
        }
        before = word.text;
    }
    found
}
