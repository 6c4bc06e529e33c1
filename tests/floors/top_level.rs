//! The entries of the repository's root, which newcomers see first.

use std::{collections::BTreeSet, fs, process::Command};

use crate::{assert_none, sources::repository_root};

const ENTRIES: [&str; 15] = [
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "actors",
    "benches",
    "clippy.toml",
    "deny.toml",
    "docs",
    "rustfmt.toml",
    "src",
    "tests",
];

/// Returns the committed entries or, without git, all entries except build output.
fn entries() -> BTreeSet<String> {
    let git = Command::new("git").args(["ls-files", "--cached"]).current_dir(repository_root()).output();
    let listed = git.ok().filter(|output| output.status.success() && !output.stdout.is_empty());
    let Some(listed) = listed else {
        let names = fs::read_dir(repository_root()).unwrap().map(|entry| entry.unwrap().file_name());
        return names.filter_map(|name| name.into_string().ok()).filter(|name| name != "target").collect();
    };
    let paths = String::from_utf8(listed.stdout).unwrap();
    paths.lines().filter_map(|path| path.split('/').next()).map(str::to_owned).collect()
}

#[test]
fn the_top_folder_has_only_the_agreed_entries() {
    let strange = |name: &String| !name.starts_with('.') && !ENTRIES.contains(&name.as_str());
    let violations: Vec<String> = entries().into_iter().filter(strange).collect();
    assert_none(
        &violations,
        "Move it below src, actors, tests, docs or benches, or add it to tests/floors/top_level.rs.",
    );
}
