//! Directories whose files belong to the configuration.

use std::{
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::{Path, PathBuf},
};

use glob::{MatchOptions, Pattern};

use super::read_text;
use crate::config::secret_source::LARGEST_FILE as LARGEST_TOKEN_FILE;

/// The ending of the files in a directory of tokens.
const TOKEN_ENDING: &str = ".token";

/// Names are matched as in a shell: `*` finds no name that begins with a dot.
const OPTIONS: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// A message and a remedy.
type Refused = (String, &'static str);

/// A directory, and the names in it that count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    pattern: NamePattern,
    /// The parts of a name before and after an account's name, for a directory of tokens.
    affixes: Option<(String, String)>,
}

/// A path whose last component has wildcards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NamePattern {
    directory: PathBuf,
    names: Pattern,
}

/// A file that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) struct Entry {
    pub(in crate::config) path: PathBuf,
    /// The part of its name that stands for the wildcard, for a directory of tokens.
    pub(in crate::config) account: String,
}

impl NamePattern {
    /// Parses a path with wildcards; `None` if it has none.
    pub(super) fn of(path: &Path) -> Result<Option<Self>, Refused> {
        const REMEDY: &str = "write wildcards only in the file's name, such as \"accounts.d/*.toml\"";
        let has_wildcard = |text: &str| text.contains(['*', '?', '[']);
        let (directory, name) = (path.parent().unwrap_or(Path::new("")), path.file_name());
        let name = name.and_then(|name| name.to_str()).unwrap_or_default();
        if has_wildcard(&directory.to_string_lossy()) && !directory.is_dir() {
            return Err((format!("{} has a wildcard in a directory", path.display()), REMEDY));
        }
        if !has_wildcard(name) || path.exists() {
            return Ok(None);
        }
        match Pattern::new(name) {
            Ok(names) => Ok(Some(Self { directory: directory.to_owned(), names })),
            Err(error) => Err((format!("{}: {}", path.display(), error.msg), REMEDY)),
        }
    }
}

impl Directory {
    pub(super) fn of_files(pattern: NamePattern) -> Self {
        Self { pattern, affixes: None }
    }

    /// Creates a directory of tokens from its path, or from a pattern with one `*` in place of the account's name.
    pub(super) fn of_tokens(path: &Path) -> Result<Self, Refused> {
        const REMEDY: &str = "name a directory, or write one * for the account's name: \"tokens/*.token\"";
        let (directory, name) = match path.file_name().and_then(|name| name.to_str()) {
            Some(name) if name.contains('*') && !path.is_dir() => {
                (path.parent().unwrap_or(Path::new("")).to_owned(), name.to_owned())
            }
            _ => (path.to_owned(), format!("*{TOKEN_ENDING}")),
        };
        let affixes = match name.split('*').collect::<Vec<_>>()[..] {
            [before, after] => (before.to_owned(), after.to_owned()),
            _ => return Err((format!("{} has several wildcards", path.display()), REMEDY)),
        };
        let names = format!("{}*{}", Pattern::escape(&affixes.0), Pattern::escape(&affixes.1));
        let names = Pattern::new(&names).map_err(|error| (error.msg.to_owned(), REMEDY))?;
        Ok(Self { pattern: NamePattern { directory, names }, affixes: Some(affixes) })
    }

    /// Returns the path of the directory.
    pub fn path(&self) -> &Path {
        &self.pattern.directory
    }

    /// Returns the file of an account's token in a directory of tokens.
    pub fn token_file(&self, account: &str) -> PathBuf {
        let (before, after) =
            self.affixes.as_ref().map_or(("", TOKEN_ENDING), |(before, after)| (before, after));
        self.path().join(format!("{before}{account}{after}"))
    }

    /// Returns true if the files are tokens.
    pub fn has_tokens(&self) -> bool {
        self.affixes.is_some()
    }

    /// Returns true if a file with this name belongs to the configuration.
    pub fn matches(&self, name: &str) -> bool {
        self.pattern.names.matches_with(name, OPTIONS)
    }

    /// Returns the paths of the files, as far as they can be listed.
    pub fn files(&self) -> Vec<PathBuf> {
        let entries = self.list().unwrap_or_default();
        entries.into_iter().map(|entry| entry.path).collect()
    }

    /// Returns the files, sorted by name.
    pub(in crate::config) fn list(&self) -> Result<Vec<Entry>, String> {
        let directory = if self.path().as_os_str().is_empty() { Path::new(".") } else { self.path() };
        let unreadable = |error| format!("the directory {} cannot be read ({error})", directory.display());
        let mut entries = Vec::new();
        for entry in fs::read_dir(directory).map_err(unreadable)? {
            let name = entry.map_err(unreadable)?.file_name();
            let Some(name) = name.to_str().filter(|name| self.matches(name)) else { continue };
            entries.push(Entry { path: self.path().join(name), account: self.account(name).to_owned() });
        }
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    }

    fn account<'a>(&self, name: &'a str) -> &'a str {
        let Some((before, after)) = &self.affixes else { return name };
        name.strip_prefix(before.as_str()).and_then(|name| name.strip_suffix(after.as_str())).unwrap_or(name)
    }
}

/// Returns a number that changes with the names and the content of the files.
pub(in crate::config) fn fingerprint(directories: &[Directory]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for directory in directories {
        let Ok(entries) = directory.list() else {
            "unreadable".hash(&mut hasher);
            continue;
        };
        for entry in entries {
            entry.path.hash(&mut hasher);
            let largest = if directory.has_tokens() { LARGEST_TOKEN_FILE } else { super::LARGEST_FILE };
            read_text(&entry.path, largest).ok().hash(&mut hasher);
        }
    }
    hasher.finish()
}
