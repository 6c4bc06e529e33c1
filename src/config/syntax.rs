//! Tells where a file cannot be parsed, without quoting it: the line may hold a token.

use config::ConfigError;

use super::problem::Problem;

/// Words shorter than this say nothing: a token is never so short.
const SHORTEST_HIDDEN: usize = 5;

/// Words that stay although the file has them too.
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

/// What is wrong with the text, and where.
pub(super) fn explain(error: &ConfigError, text: &str) -> Problem {
    let said = match error {
        ConfigError::FileParse { cause, .. } => cause.to_string(),
        other => other.to_string(),
    };
    let told: Vec<String> =
        said.lines().filter(|line| !is_snippet(line)).map(|line| hide(line, text)).collect();
    let what = format!("the text cannot be parsed: {}", told.join(": "));
    Problem::new("", what, "mend it there; texts need quotes, and each key may stand once")
}

/// Parsers quote the source as `3 | token = …`, with a line of marks beneath.
fn is_snippet(line: &str) -> bool {
    let line = line.trim_start();
    line.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start().starts_with('|') || line.is_empty()
}

/// Leaves out every word that stands in the file: whatever a parser quotes, it cannot quote a secret.
fn hide(line: &str, text: &str) -> String {
    let mut told = String::new();
    for piece in line.split_inclusive(|c: char| !c.is_alphanumeric()) {
        let word = piece.trim_end_matches(|c: char| !c.is_alphanumeric());
        let secret = word.len() >= SHORTEST_HIDDEN && !GRAMMAR.contains(&word) && text.contains(word);
        told.push_str(if secret { "…" } else { word });
        told.push_str(&piece[word.len()..]);
    }
    told
}

#[cfg(test)]
mod tests {
    use config::{Config, File, FileFormat};
    use proptest::prelude::*;

    use super::*;

    fn told(text: &str, format: FileFormat) -> String {
        let error = Config::builder().add_source(File::from_str(text, format)).build().unwrap_err();
        explain(&error, text).to_string()
    }

    #[test]
    fn the_place_is_told_and_the_line_is_not() {
        let broken = "[accounts.a]\ntoken = \"hidden\n";
        assert!(broken.lines().count() == 2 && told(broken, FileFormat::Toml).contains("line 2"));
        for text in
            [broken, "[accounts.a]\ntoken = hidden\n", "token = 'hidden'\ntoken = 'hidden'\n", "hidden"]
        {
            let told = told(text, FileFormat::Toml);
            assert!(!told.contains("hidden") && told.contains("line"), "{told}");
            assert!(!told.contains('|'), "a snippet: {told}");
        }
        // These parsers quote the value itself.
        for (text, format) in [("\"hidden\"", FileFormat::Json), ("hidden", FileFormat::Yaml)] {
            let told = told(text, format);
            assert!(!told.contains("hidden") && told.contains("expected a map"), "{told}");
        }
    }

    proptest! {
        #[test]
        fn no_broken_file_shows_its_token(token in "[a-z0-9]{16,26}", which in 0usize..9) {
            let text = [
                "token = \"T", "token = T", "[T", "token = \"T\"\ntoken = \"T\"",
                "{\"token\": \"T\"", "{\"token\": T}", "{T}",
                "token: \"T", "- T: [",
            ][which].replace('T', &token);
            let format = [FileFormat::Toml, FileFormat::Json, FileFormat::Yaml][[0, 0, 0, 0, 1, 1, 1, 2, 2][which]];
            prop_assert!(!told(&text, format).contains(&token));
        }
    }
}
