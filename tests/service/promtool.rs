//! Prometheus' own checker, from Debian's package `prometheus`.

use std::{
    io::{ErrorKind, Write as _},
    path::Path,
    process::{Command, Output, Stdio},
};

/// Runs promtool in a directory, with a text as its standard input.
pub(crate) fn promtool(args: &[&str], dir: &Path, text: &str) -> Output {
    let child = Command::new("promtool")
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.unwrap_or_else(|error| match error.kind() {
        ErrorKind::NotFound => panic!("promtool is missing. On Debian: apt-get install prometheus."),
        _ => panic!("cannot run promtool: {error}"),
    });
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}
