//! The lint levels and the bans on actix's traps stay as they are.

use std::fs;

use crate::{assert_none, sources::repository_root};

/// The maximum length of a function: a page of an editor.
const LINES_A_FUNCTION: usize = 60;

/// Functions of actix and awc that we do not use; clippy.toml gives the reasons.
const BANNED: [&str; 3] = [
    "awc::ClientBuilder::max_http_version",
    "actix::AsyncContext::run_interval",
    "actix::AsyncContext::wait",
];

fn read(name: &str) -> String {
    fs::read_to_string(repository_root().join(name)).unwrap()
}

/// Returns the value of `key = value`.
fn value<'a>(file: &'a str, key: &str) -> Option<&'a str> {
    file.lines().find_map(|line| Some(line.strip_prefix(key)?.trim_start().strip_prefix('=')?.trim()))
}

#[test]
fn clippy_keeps_functions_short() {
    let threshold: usize = value(&read("clippy.toml"), "too-many-lines-threshold").unwrap().parse().unwrap();
    assert!(threshold <= LINES_A_FUNCTION, "clippy.toml: too-many-lines-threshold is {threshold}");
    let level = value(&read("Cargo.toml"), "too_many_lines").unwrap().to_owned();
    assert!(matches!(level.as_str(), "\"warn\"" | "\"deny\""), "Cargo.toml: too_many_lines = {level}");
}

#[test]
fn every_package_takes_the_lints_of_the_workspace() {
    let manifests = ["Cargo.toml", "actors/Cargo.toml", "tests/simulator/Cargo.toml"];
    let lax = manifests.into_iter().filter(|manifest| !read(manifest).contains("[lints]\nworkspace = true"));
    let violations: Vec<String> =
        lax.map(|manifest| format!("{manifest}: no [lints] workspace = true")).collect();
    assert_none(&violations, "Each package must inherit the lints of the workspace.");
}

#[test]
fn what_actix_surprises_with_stays_banned() {
    let clippy = read("clippy.toml");
    let gone = BANNED.into_iter().filter(|path| !clippy.contains(&format!("path = \"{path}\"")));
    let violations: Vec<String> = gone.map(|path| format!("clippy.toml: {path} is allowed")).collect();
    assert_none(&violations, "Put it back into disallowed-methods, with its reason.");
}
