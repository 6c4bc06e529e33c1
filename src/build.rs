//! Finds the commit that the program is built from, for `--version` and the log.

use std::{env, fs, process::Command};

/// The digits of a commit that are shown, enough to find it.
const DIGITS: usize = 12;

fn main() {
    println!("cargo::rerun-if-changed=src/build.rs");
    println!("cargo::rerun-if-env-changed=MATTERHOST_COMMIT");
    // A development build does not name a commit: each new one would build the program again.
    let is_release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let commit = env::var("MATTERHOST_COMMIT").ok().filter(|commit| !commit.is_empty());
    let commit = commit.or_else(|| is_release.then(|| packaged().or_else(checked_out)).flatten());
    let shown = match &commit {
        Some(commit) => commit.get(..DIGITS).unwrap_or(commit),
        None if is_release => "unknown commit",
        None => "development build",
    };
    println!("cargo::rustc-env=MATTERHOST_COMMIT={shown}");
}

/// Returns the commit of a package from a registry, which cargo writes into it.
fn packaged() -> Option<String> {
    let info = fs::read_to_string(".cargo_vcs_info.json").ok()?;
    let (_, rest) = info.split_once("\"sha1\": \"")?;
    rest.split('"').next().map(str::to_owned)
}

/// Returns the commit of a checkout.
fn checked_out() -> Option<String> {
    // Written with each commit and each checkout.
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"])?;
    println!("cargo::rerun-if-changed={log}");
    git(&["rev-parse", "HEAD"])
}

fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
