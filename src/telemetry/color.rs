//! Whether to use colours: for terminals, and for those who have not said no (no-color.org).

use std::{env, io::IsTerminal};

/// Whether what is written there may have colours.
pub fn is_enabled(stream: &impl IsTerminal) -> bool {
    may(stream.is_terminal(), env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()))
}

fn may(terminal: bool, no_color: bool) -> bool {
    terminal && !no_color
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_only() {
        assert!(may(true, false));
        assert!(!may(true, true) && !may(false, false) && !may(false, true));
    }
}
