//! The Rust files of the repository.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::code::Code;

/// A file with its path relative to the repository's root.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Source {
    /// True if the file is compiled for tests only: `tests.rs`, or any file below a folder `tests`.
    pub(crate) fn is_test(&self) -> bool {
        self.path.split('/').any(|part| matches!(part, "tests" | "tests.rs"))
    }

    /// Returns the lines that name a package.
    pub(crate) fn names(&self, package: &str) -> Vec<String> {
        let code = Code::without_tests(&self.text);
        let named = code.words().into_iter().filter(|word| word.text == package);
        named.map(|word| format!("{}:{}: names `{package}`", self.path, word.line)).collect()
    }
}

/// Returns the repository's root.
pub(crate) fn repository_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns every Rust file of the repository.
pub(crate) fn all_sources() -> Vec<Source> {
    ["src", "actors", "tests", "benches"]
        .into_iter()
        .filter(|root| repository_root().join(root).exists())
        .flat_map(below)
        .collect()
}

/// Returns the Rust files below a folder, sorted.
pub(crate) fn below(root: &str) -> Vec<Source> {
    let mut paths = Vec::new();
    walk(&repository_root().join(root), &mut paths);
    paths.sort();
    assert!(!paths.is_empty(), "there is no Rust file below {root}");
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> Source {
    let relative = path.strip_prefix(repository_root()).unwrap().to_str().unwrap();
    Source { path: relative.replace('\\', "/"), text: fs::read_to_string(path).unwrap() }
}

fn walk(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_none_or(|name| name != "target") {
            walk(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}
