//! Reader of secrets from a file, a variable or the configuration itself. Messages never contain them.

use std::path::{Path, PathBuf};

use super::{key_reader::TableReader, servers::ReadContext, sources::read_text};

/// A token has 26 characters and a secret at most 94; a larger file holds something else.
pub(super) const LARGEST_FILE: u64 = 4096;

/// Reads a file that holds a secret and nothing else.
///
/// # Errors
/// Fails with a description if it cannot be read, is too large, or is not text.
pub fn read_secret(path: &Path) -> Result<String, String> {
    read_text(path, LARGEST_FILE)
}

/// The keys of a secret and the words that describe it in messages.
#[derive(Debug, Clone, Copy)]
pub(super) struct SecretSource {
    /// The kind of secret.
    pub(super) noun: &'static str,
    /// The owner of the secret.
    pub(super) owner: &'static str,
    /// The keys for a file, a variable and the secret itself; exactly one must be set.
    pub(super) keys: [&'static str; 3],
}

impl SecretSource {
    /// Returns true if any of the keys is set, even to an invalid value.
    pub(super) fn is_set(self, section: &TableReader<'_>) -> bool {
        self.keys.into_iter().any(|key| section.has(key))
    }

    /// Reads the secret like [`read`](Self::read), but allows it to be absent.
    pub(super) fn read_optional(
        self,
        section: &mut TableReader<'_>,
        context: &ReadContext<'_>,
    ) -> Option<(&'static str, String)> {
        if self.is_set(section) {
            return self.read(section, context);
        }
        // Reading registers the keys as known.
        self.source(section, context);
        None
    }

    /// Returns the full path of the secret's file, if it is in a file.
    pub(super) fn file(self, section: &TableReader<'_>, context: &ReadContext<'_>) -> Option<PathBuf> {
        let path = section.peek::<PathBuf>(self.keys[0])?;
        Some(section.resolve(self.keys[0], &path, context))
    }

    /// Reads the secret. Returns it with the key that set it.
    pub(super) fn read(
        self,
        section: &mut TableReader<'_>,
        context: &ReadContext<'_>,
    ) -> Option<(&'static str, String)> {
        let found = self.source(section, context);
        let keys: Vec<_> = self.keys.into_iter().filter(|key| section.has(key)).collect();
        match keys[..] {
            [key] => Some((key, self.take(section, found?, context)?)),
            [] => {
                let [by_file, by_variable, by_value] = self.keys;
                let remedy = format!("set {by_file}, {by_variable} or {by_value}");
                section.refuse_table(format!("there is no {}", self.noun), remedy);
                None
            }
            [..] => {
                section.refuse_table(format!("{} are set together", keys.join(" and ")), "keep one of them");
                None
            }
        }
    }

    /// Returns the source that one of the keys gives.
    fn source(self, section: &mut TableReader<'_>, context: &ReadContext<'_>) -> Option<Source> {
        let [by_file, by_variable, by_value] = self.keys;
        let file = section.optional::<PathBuf>(by_file);
        let file = file.map(|file| Source::File(section.resolve(by_file, &file, context), file));
        let variable = section.optional::<String>(by_variable).map(Source::Variable);
        let here = section.optional::<String>(by_value).map(Source::Value);
        file.or(variable).or(here)
    }

    fn take(
        self,
        section: &mut TableReader<'_>,
        source: Source,
        context: &ReadContext<'_>,
    ) -> Option<String> {
        match source {
            Source::File(path, as_written) => self.read_file(section, &path, &as_written),
            Source::Variable(name) => self.read_variable(section, &name, context),
            Source::Value(text) => Some(text),
        }
    }

    fn read_file(self, section: &mut TableReader<'_>, path: &Path, as_written: &Path) -> Option<String> {
        let (key, noun) = (self.keys[0], self.noun);
        match read_text(path, LARGEST_FILE) {
            Ok(text) => {
                section.warn_if_readable(key, path);
                Some(text)
            }
            // The value may be the secret itself instead of a path.
            Err(_) if looks_secret(as_written) => {
                let message =
                    format!("there is no such file, and this looks like a {noun} rather than a path");
                let remedy =
                    format!("set {} instead, or store the {noun} in a file and give its path", self.keys[2]);
                section.refuse(key, message, remedy);
                None
            }
            Err(message) => {
                let remedy = format!("give the path of a file that holds the {noun} and nothing else");
                section.refuse(key, format!("{}: {message}", path.display()), remedy);
                None
            }
        }
    }

    fn read_variable(
        self,
        section: &mut TableReader<'_>,
        name: &str,
        context: &ReadContext<'_>,
    ) -> Option<String> {
        if let Some(value) = context.environment.get(name) {
            return Some(value.clone());
        }
        // A misplaced token contains lowercase letters; variable names rarely do.
        let is_name = !name.is_empty() && !name.chars().any(|c| c.is_ascii_lowercase());
        let message = if is_name {
            format!("the variable {name} is not set")
        } else {
            "this variable is not set".into()
        };
        let remedy = format!("set it to the {} {}, or use {}", self.owner, self.noun, self.keys[0]);
        section.refuse(self.keys[1], message, remedy);
        None
    }
}

enum Source {
    /// The full path and the path as written.
    File(PathBuf, PathBuf),
    Variable(String),
    Value(String),
}

fn looks_secret(path: &Path) -> bool {
    const SHORTEST: usize = 16;
    let text = path.to_string_lossy();
    text.starts_with("whsec_") || (text.len() >= SHORTEST && text.chars().all(|c| c.is_ascii_alphanumeric()))
}
