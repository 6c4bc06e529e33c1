//! The configuration files: those that are named, and those that they include.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use config::{Value, ValueKind};
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    directory::{Directory, NamePattern},
    document::{Document, identity},
    places::Place,
};
use crate::config::{
    problem::Problem,
    value::{ConfigValue as _, StringList},
};

/// The key that names other files.
pub(in crate::config) const INCLUDE: &str = "include";
/// The key that names directories of tokens.
pub(in crate::config) const TOKEN_DIR: &str = "token_dir";

/// The longest chain of files that include each other: a tree of teams and their bots has three levels.
const MAX_DEPTH: usize = 8;
/// The most files: a file for each of ten thousand accounts, twice.
const MAX_FILES: usize = 20_000;
/// The most bytes of all files together: four of the largest ones.
const MAX_TOTAL_BYTES: usize = 64 * 1024 * 1024;

/// The texts of the files that are named, not found by a pattern, by their paths as named. They may hold tokens.
pub(in crate::config) type NamedTexts = HashMap<PathBuf, Arc<SecretString>>;

/// The parsed files, in the order in which they were read.
#[derive(Default)]
pub(super) struct Files {
    pub(super) documents: Vec<Document>,
    pub(super) token_dirs: Vec<(Directory, Place)>,
    /// The directories whose matching files are included.
    pub(super) included: Vec<Directory>,
    pub(super) named_texts: NamedTexts,
    /// True if a file that is named could not be read or parsed.
    pub(super) named_unreadable: bool,
    /// True if a file that a pattern found could not be read or parsed.
    pub(super) found_unreadable: bool,
    pub(super) problems: Vec<Problem>,
}

/// The reason why a file is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Named,
    Found,
}

struct Reader<'a> {
    files: Files,
    pinned: &'a NamedTexts,
    /// The files from the first one to the one that is being read.
    chain: Vec<PathBuf>,
    seen: HashSet<PathBuf>,
    total_bytes: usize,
}

impl Files {
    /// Reads these files and those that they include. The text of a file in `pinned` is used instead of its content.
    pub(super) fn read(paths: &[PathBuf], pinned: &NamedTexts) -> Self {
        let mut reader = Reader {
            files: Self::default(),
            pinned,
            chain: Vec::new(),
            seen: HashSet::new(),
            total_bytes: 0,
        };
        for path in paths {
            reader.add(path, Origin::Named, None);
        }
        reader.files
    }
}

impl Reader<'_> {
    /// Reads one file and those that it includes. `by` is the place that names it.
    fn add(&mut self, path: &Path, origin: Origin, by: Option<&Place>) {
        let id = identity(path);
        if !self.seen.insert(id.clone()) {
            // A pattern may match the file that contains it.
            if origin == Origin::Named {
                let message =
                    if self.chain.contains(&id) { "it includes itself" } else { "it is read twice" };
                self.refuse(&Place { file: path.into(), line: None }, message, "name it once", by);
            }
            return;
        }
        if self.chain.len() >= MAX_DEPTH || self.files.documents.len() >= MAX_FILES {
            let message = format!(
                "there are more than {MAX_DEPTH} files in a chain of includes, or {MAX_FILES} altogether"
            );
            self.refuse(&Place { file: path.into(), line: None }, &message, "include fewer files", by);
            return;
        }
        match Document::read(path, id, self.pinned) {
            Ok(document) => self.add_document(document, origin),
            Err(problem) => {
                let unreadable = match origin {
                    Origin::Named => &mut self.files.named_unreadable,
                    Origin::Found => &mut self.files.found_unreadable,
                };
                *unreadable = true;
                let place = problem.place.clone().unwrap_or_else(|| path.display().to_string());
                let message = match by {
                    Some(by) => format!("{} (included by {})", problem.message, by.describe()),
                    None => problem.message,
                };
                self.files.problems.push(Problem { place: Some(place), message, ..problem });
            }
        }
    }

    fn add_document(&mut self, mut document: Document, origin: Origin) {
        self.total_bytes += document.text.expose_secret().len();
        if self.total_bytes > MAX_TOTAL_BYTES {
            let place = Place { file: Arc::clone(&document.path), line: None };
            let message = format!("the files have more than {MAX_TOTAL_BYTES} bytes altogether");
            self.refuse(&place, &message, "include fewer files", None);
            return;
        }
        if origin == Origin::Named {
            self.files.named_texts.insert(document.path.to_path_buf(), Arc::clone(&document.text));
        }
        let includes = self.take_list(&mut document, INCLUDE);
        let token_dirs = self.take_list(&mut document, TOKEN_DIR);
        self.chain.push(document.id.clone());
        self.files.documents.push(document);
        for (text, place) in includes {
            self.include(&text, &place);
        }
        self.chain.pop();
        for (text, place) in token_dirs {
            match Directory::of_tokens(&place.resolve(Path::new(&text))) {
                Ok(directory) => self.files.token_dirs.push((directory, place)),
                Err((message, remedy)) => self.refuse_key(TOKEN_DIR, &message, remedy, &place),
            }
        }
    }

    fn include(&mut self, text: &str, place: &Place) {
        let path = place.resolve(Path::new(text));
        match NamePattern::of(&path) {
            Ok(None) => self.add(&path, Origin::Named, Some(place)),
            Ok(Some(pattern)) => self.include_pattern(pattern, place),
            Err((message, remedy)) => self.refuse_key(INCLUDE, &message, remedy, place),
        }
    }

    fn include_pattern(&mut self, pattern: NamePattern, place: &Place) {
        let directory = Directory::of_files(pattern);
        let listed = directory.list();
        self.files.included.push(directory);
        match listed {
            Ok(entries) => {
                let files = entries
                    .into_iter()
                    .filter(|entry| !fs::metadata(&entry.path).is_ok_and(|it| it.is_dir()));
                for entry in files {
                    self.add(&entry.path, Origin::Found, Some(place));
                }
            }
            Err(message) => {
                self.refuse_key(INCLUDE, &message, "create the directory, or fix its name", place);
            }
        }
    }

    /// Takes a text or a list of texts out of a file, each with its place.
    fn take_list(&mut self, document: &mut Document, key: &'static str) -> Vec<(String, Place)> {
        let Some(value) = document.table.remove(key) else { return Vec::new() };
        let no_line = Place { file: Arc::clone(&document.path), line: None };
        let place = document.places.get(key).cloned().unwrap_or(no_line);
        let Some(texts) = list(&value) else {
            self.refuse_key(key, &format!("expected {}", StringList::KIND), StringList::HINT, &place);
            return Vec::new();
        };
        texts.into_iter().map(|text| (text, place.clone())).collect()
    }

    fn refuse(&mut self, place: &Place, message: &str, remedy: &str, by: Option<&Place>) {
        let at = by.unwrap_or(place).describe();
        let message = format!("{}: {message}", place.file.display());
        let key = if by.is_some() { INCLUDE } else { "" };
        self.files.problems.push(Problem { place: Some(at), ..Problem::new(key, message, remedy) });
    }

    fn refuse_key(&mut self, key: &str, message: &str, remedy: &str, place: &Place) {
        let problem = Problem::new(key, message, remedy);
        self.files.problems.push(Problem { place: Some(place.describe()), ..problem });
    }
}

/// Reads a list whose items may contain commas.
fn list(value: &Value) -> Option<Vec<String>> {
    match &value.kind {
        ValueKind::String(text) => Some(vec![text.clone()]),
        kind => StringList::read(kind).map(|StringList(texts)| texts),
    }
}
