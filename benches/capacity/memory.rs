//! This process's resident memory, in KiB.

use std::fs;

use anyhow::Context as _;

/// Returns the resident memory now, counted page by page: the approximation of `statm` may be off by some dozens of pages
/// per thread.
pub(crate) fn resident() -> anyhow::Result<f64> {
    read("/proc/self/smaps_rollup", "Rss:")
}

/// Returns the peak of the resident memory since [`reset_peak`].
pub(crate) fn peak() -> anyhow::Result<f64> {
    read("/proc/self/status", "VmHWM:")
}

/// Resets the peak.
pub(crate) fn reset_peak() -> anyhow::Result<()> {
    fs::write("/proc/self/clear_refs", "5").context("the kernel does not allow resetting the peak")
}

fn read(file: &str, key: &str) -> anyhow::Result<f64> {
    let text = fs::read_to_string(file)?;
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    let word = line.and_then(|line| line.split_whitespace().next());
    word.with_context(|| format!("{file} has no {key}"))?.parse().context("not a number")
}
