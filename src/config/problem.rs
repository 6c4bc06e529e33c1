use std::{fmt, path::PathBuf};

use serde::{Deserialize, Serialize};

/// An error or a warning about a configuration. It never contains a value that could be a token.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Problem {
    /// The key, such as `accounts.helpdesk.token_file`; empty if the problem concerns the whole file.
    pub key: String,
    /// The source of the value, if it is not a file.
    pub origin: Option<String>,
    /// The file, and the line if it is known, as `FILE:LINE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// The problem.
    pub message: String,
    /// The remedy.
    pub remedy: String,
}

/// The reasons why a configuration was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// The file, if one was found.
    pub file: Option<PathBuf>,
    /// All problems; at least one.
    pub problems: Vec<Problem>,
}

impl Problem {
    /// Creates a problem with the key's value.
    pub fn new(key: impl Into<String>, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { key: key.into(), origin: None, place: None, message: message.into(), remedy: remedy.into() }
    }
}

impl Problem {
    /// Adds what follows from a problem that refuses nothing.
    pub(super) fn with_consequence(self, consequence: &str) -> Self {
        Self { message: format!("{}; {consequence}", self.message), ..self }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&*self.key, &self.origin) {
            ("", None) => {}
            ("", Some(origin)) => write!(f, "{origin}: ")?,
            (key, None) => write!(f, "{key}: ")?,
            (key, Some(origin)) => write!(f, "{key} (from {origin}): ")?,
        }
        write!(f, "{}; {}", self.message, self.remedy)?;
        match &self.place {
            Some(place) => write!(f, " ({place})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.problems.len()) {
            (None, 1) => f.write_str("the configuration cannot be used:")?,
            (None, n) => write!(f, "the configuration has {n} errors:")?,
            (Some(file), 1) => write!(f, "{} has an error:", file.display())?,
            (Some(file), n) => write!(f, "{} has {n} errors:", file.display())?,
        }
        for problem in &self.problems {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

/// Returns a value as messages may show it. Long values are hidden, since they may be misplaced secrets.
pub(super) fn display_value(value: &str) -> String {
    const LONGEST_SHOWN: usize = 20;
    if value.chars().count() > LONGEST_SHOWN { "<value not shown>".to_owned() } else { format!("{value:?}") }
}

/// Returns the most similar of the names, if it is similar enough.
pub fn did_you_mean<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const MIN_SIMILARITY: f64 = 0.8;
    names
        .into_iter()
        .map(|name| (name, strsim::jaro_winkler(&word.to_lowercase(), name)))
        .filter(|(_, similarity)| *similarity >= MIN_SIMILARITY)
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_listed_with_key_and_remedy() {
        let mut second = Problem::new("log.level", "it is empty", "write info");
        second.origin = Some("MATTERHOST__LOG__LEVEL".into());
        let error = ConfigError {
            file: Some("a.toml".into()),
            problems: vec![Problem::new("", "there are no accounts", "add one"), second],
        };
        assert_eq!(
            error.to_string(),
            "a.toml has 2 errors:\n  there are no accounts; add one\n  \
             log.level (from MATTERHOST__LOG__LEVEL): it is empty; write info"
        );
    }

    #[test]
    fn the_nearest_name_is_suggested() {
        let names = ["max_restarts", "within", "min_backoff", "max_backoff"];
        assert_eq!(did_you_mean("max_restart", names), Some("max_restarts"));
        assert_eq!(did_you_mean("witin", names), Some("within"));
        assert_eq!(did_you_mean("colour", names), None);
    }

    #[test]
    fn a_long_value_is_not_shown() {
        assert_eq!(display_value("30x"), "\"30x\"");
        assert_eq!(display_value("mustnotshow7dqm4q6zj3h5s9e"), "<value not shown>");
    }
}
