//! Reports the position of a syntax error without quoting the file: the line may hold a token.

use config::ConfigError;

use super::problem::Problem;

/// Shorter words are not hidden; no token is so short.
const SHORTEST_HIDDEN: usize = 5;

/// Words of the parsers' messages that are shown even if the file contains them.
const GRAMMAR: [&str; 12] = [
    "column",
    "duplicate",
    "expected",
    "invalid",
    "parse",
    "error",
    "quoted",
    "string",
    "table",
    "value",
    "TOML",
    "missing",
];

/// Describes a syntax error and its position.
pub(super) fn explain(error: &ConfigError, text: &str) -> Problem {
    let message = match error {
        ConfigError::FileParse { cause, .. } => cause.to_string(),
        other => other.to_string(),
    };
    let lines: Vec<String> =
        message.lines().filter(|line| !is_snippet(line)).map(|line| hide(line, text)).collect();
    let message = format!("the file cannot be parsed: {}", lines.join(": "));
    Problem::new("", message, "fix it there; put texts in quotes, and set each key once")
}

/// Returns true for a line that quotes the source, such as `3 | token = …`, or marks a position below it.
fn is_snippet(line: &str) -> bool {
    let line = line.trim_start();
    line.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start().starts_with('|') || line.is_empty()
}

/// Hides every word that occurs in the file, so that a message cannot quote a secret.
fn hide(line: &str, text: &str) -> String {
    let mut hidden = String::new();
    for piece in line.split_inclusive(|c: char| !c.is_alphanumeric()) {
        let word = piece.trim_end_matches(|c: char| !c.is_alphanumeric());
        let secret = word.len() >= SHORTEST_HIDDEN && !GRAMMAR.contains(&word) && text.contains(word);
        hidden.push_str(if secret { "…" } else { word });
        hidden.push_str(&piece[word.len()..]);
    }
    hidden
}

#[cfg(test)]
mod tests {
    use config::{Config, File, FileFormat};
    use proptest::prelude::*;

    use super::*;

    fn explained(text: &str, format: FileFormat) -> String {
        let error = Config::builder().add_source(File::from_str(text, format)).build().unwrap_err();
        explain(&error, text).to_string()
    }

    #[test]
    fn a_syntax_error_has_its_position_but_not_the_line() {
        let broken = "[accounts.a]\ntoken = \"hidden\n";
        assert!(broken.lines().count() == 2 && explained(broken, FileFormat::Toml).contains("line 2"));
        for text in
            [broken, "[accounts.a]\ntoken = hidden\n", "token = 'hidden'\ntoken = 'hidden'\n", "hidden"]
        {
            let message = explained(text, FileFormat::Toml);
            assert!(!message.contains("hidden") && message.contains("line"), "{message}");
            assert!(!message.contains('|'), "a snippet: {message}");
        }
        // These parsers quote the value itself.
        for (text, format) in [("\"hidden\"", FileFormat::Json), ("hidden", FileFormat::Yaml)] {
            let message = explained(text, format);
            assert!(!message.contains("hidden") && message.contains("expected a map"), "{message}");
        }
    }

    proptest! {
        #[test]
        fn no_broken_file_shows_its_token(token in "[a-z0-9]{16,26}", form in 0usize..9) {
            let text = [
                "token = \"T", "token = T", "[T", "token = \"T\"\ntoken = \"T\"",
                "{\"token\": \"T\"", "{\"token\": T}", "{T}",
                "token: \"T", "- T: [",
            ][form].replace('T', &token);
            let format = [FileFormat::Toml, FileFormat::Json, FileFormat::Yaml][[0, 0, 0, 0, 1, 1, 1, 2, 2][form]];
            prop_assert!(!explained(&text, format).contains(&token));
        }
    }
}
