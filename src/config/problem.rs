//! What is wrong with a configuration: all of it at once, each with its key and how to mend it.

use std::{fmt, path::PathBuf};

use serde::{Deserialize, Serialize};

/// One thing that is wrong, or unwise.
///
/// No value that could be a token is ever part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The key, such as `accounts.helpdesk.token_file`; empty when it is about the whole.
    pub key: String,
    /// Where the value came from, when that was not the file.
    pub origin: Option<String>,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub remedy: String,
}

/// Why a configuration was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// The file, when one was found.
    pub file: Option<PathBuf>,
    /// All that is wrong; at least one.
    pub problems: Vec<Problem>,
}

impl Problem {
    /// A problem of the key's value.
    pub fn new(key: impl Into<String>, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { key: key.into(), origin: None, message: message.into(), remedy: remedy.into() }
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
        write!(f, "{}; {}", self.message, self.remedy)
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

/// A value as it may be shown in a message: short ones only, so that a secret in the wrong place stays one.
pub(super) fn shown(value: &str) -> String {
    const LONGEST_SHOWN: usize = 20;
    if value.chars().count() > LONGEST_SHOWN { "this".to_owned() } else { format!("{value:?}") }
}

/// The nearest of some names, when one is near enough to be meant.
pub(super) fn did_you_mean<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const NEAR_ENOUGH: f64 = 0.8;
    names
        .into_iter()
        .map(|name| (name, strsim::jaro_winkler(&word.to_lowercase(), name)))
        .filter(|(_, likeness)| *likeness >= NEAR_ENOUGH)
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
        assert_eq!(shown("30x"), "\"30x\"");
        assert_eq!(shown("mustnotshow7dqm4q6zj3h5s9e"), "this");
    }
}
