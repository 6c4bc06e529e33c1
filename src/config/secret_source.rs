//! What nobody may see: from a file, a variable, or the configuration itself. It is never part of a message.

use std::path::{Path, PathBuf};

use super::{servers::ReadContext, sources::read_text, table::TableReader};

/// A token has 26 characters, a secret at most 94; a file as large as this holds something else.
pub(super) const LARGEST_FILE: u64 = 4096;

/// What is sought, and under which keys.
#[derive(Debug, Clone, Copy)]
pub(super) struct SecretSource {
    /// What it is called.
    pub(super) noun: &'static str,
    /// Whose it is.
    pub(super) of: &'static str,
    /// The keys for a file, a variable and the thing itself, of which exactly one is given.
    pub(super) keys: [&'static str; 3],
}

impl SecretSource {
    /// Whether it is given, well or badly.
    pub(super) fn is_set(self, section: &TableReader<'_>) -> bool {
        self.keys.into_iter().any(|key| section.has(key))
    }

    /// The same as [`read`](Self::read), for what may be left out.
    pub(super) fn read_optional(
        self,
        section: &mut TableReader<'_>,
        context: &ReadContext<'_>,
    ) -> Option<(&'static str, String)> {
        if self.is_set(section) {
            return self.read(section, context);
        }
        // Asked for, so that they are known keys.
        self.given(section, context);
        None
    }

    /// The file that is given, if one is, as a whole path.
    pub(super) fn file(self, section: &TableReader<'_>, context: &ReadContext<'_>) -> Option<PathBuf> {
        section.peek::<PathBuf>(self.keys[0]).map(|file| context.directory.join(file))
    }

    /// The text, and the key that it came by.
    pub(super) fn read(
        self,
        section: &mut TableReader<'_>,
        context: &ReadContext<'_>,
    ) -> Option<(&'static str, String)> {
        let found = self.given(section, context);
        let given: Vec<_> = self.keys.into_iter().filter(|key| section.has(key)).collect();
        match given[..] {
            [key] => Some((key, self.take(section, found?, context)?)),
            [] => {
                let [by_file, by_variable, by_itself] = self.keys;
                let remedy = format!("give {by_file}, {by_variable} or {by_itself}");
                section.refuse_table(format!("there is no {}", self.noun), remedy);
                None
            }
            [..] => {
                section
                    .refuse_table(format!("{} are given together", given.join(" and ")), "keep one of them");
                None
            }
        }
    }

    /// What stands under one of the keys.
    fn given(self, section: &mut TableReader<'_>, context: &ReadContext<'_>) -> Option<Given> {
        let [by_file, by_variable, by_itself] = self.keys;
        let file = section.optional::<PathBuf>(by_file);
        let file = file.map(|file| Given::File(context.directory.join(&file), file));
        let variable = section.optional::<String>(by_variable).map(Given::Variable);
        let here = section.optional::<String>(by_itself).map(Given::Here);
        file.or(variable).or(here)
    }

    fn take(self, section: &mut TableReader<'_>, given: Given, context: &ReadContext<'_>) -> Option<String> {
        match given {
            Given::File(path, as_given) => self.in_file(section, &path, &as_given),
            Given::Variable(name) => self.in_variable(section, &name, context),
            Given::Here(text) => Some(text),
        }
    }

    fn in_file(self, section: &mut TableReader<'_>, path: &Path, as_given: &Path) -> Option<String> {
        let (key, noun) = (self.keys[0], self.noun);
        match read_text(path, LARGEST_FILE) {
            Ok(text) => {
                if is_open_to_all(path) {
                    let what = format!("{} can be read by every user of this machine", path.display());
                    section.warn(key, what, format!("chmod 600 {}", path.display()));
                }
                Some(text)
            }
            // Somebody may have put the thing itself here.
            Err(_) if looks_secret(as_given) => {
                let what = format!("there is no such file, and this looks like a {noun} rather than a path");
                let remedy =
                    format!("put a {noun} under the key {}, or into a file named here", self.keys[2]);
                section.refuse(key, what, remedy);
                None
            }
            Err(what) => {
                let remedy = format!("name a file that holds the {noun} and nothing else");
                section.refuse(key, format!("{}: {what}", path.display()), remedy);
                None
            }
        }
    }

    fn in_variable(
        self,
        section: &mut TableReader<'_>,
        name: &str,
        context: &ReadContext<'_>,
    ) -> Option<String> {
        if let Some(value) = context.environment.get(name) {
            return Some(value.clone());
        }
        // A token in the wrong place has small letters, a variable's name as a rule has none.
        let telling = !name.is_empty() && !name.chars().any(|c| c.is_ascii_lowercase());
        let what = if telling {
            format!("the variable {name} is not set")
        } else {
            "this variable is not set".into()
        };
        let remedy = format!("set it to the {} {}, or use {}", self.of, self.noun, self.keys[0]);
        section.refuse(self.keys[1], what, remedy);
        None
    }
}

enum Given {
    /// The path, whole and as it was given.
    File(PathBuf, PathBuf),
    Variable(String),
    Here(String),
}

fn looks_secret(path: &Path) -> bool {
    const SHORTEST: usize = 16;
    let text = path.to_string_lossy();
    text.starts_with("whsec_") || (text.len() >= SHORTEST && text.chars().all(|c| c.is_ascii_alphanumeric()))
}

#[cfg(unix)]
fn is_open_to_all(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    const READ_BY_OTHERS: u32 = 0o004;
    path.metadata().is_ok_and(|about| about.permissions().mode() & READ_BY_OTHERS != 0)
}

#[cfg(not(unix))]
fn is_open_to_all(_path: &Path) -> bool {
    false
}
