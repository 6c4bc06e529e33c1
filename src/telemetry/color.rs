//! Detection of color terminals.

use std::{env, io::IsTerminal};

/// Returns true if the stream is a terminal and `NO_COLOR` is not set (no-color.org).
pub fn is_enabled(stream: &impl IsTerminal) -> bool {
    is_allowed(stream.is_terminal(), env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()))
}

fn is_allowed(terminal: bool, no_color: bool) -> bool {
    terminal && !no_color
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_only() {
        assert!(is_allowed(true, false));
        assert!(!is_allowed(true, true) && !is_allowed(false, false) && !is_allowed(false, true));
    }
}
