//! This process's resident memory, in KiB.

use std::fs;

use anyhow::Context as _;

/// What is resident now. Counted page by page: the quick figure of `statm` may be off by some dozens of pages for
/// each thread.
pub(crate) fn resident() -> anyhow::Result<f64> {
    read("/proc/self/smaps_rollup", "Rss:")
}

/// The most that was resident since [`forget_peak`].
pub(crate) fn peak() -> anyhow::Result<f64> {
    read("/proc/self/status", "VmHWM:")
}

/// The peak is counted anew.
pub(crate) fn forget_peak() -> anyhow::Result<()> {
    fs::write("/proc/self/clear_refs", "5").context("the kernel does not let the peak be reset")
}

fn read(file: &str, key: &str) -> anyhow::Result<f64> {
    let text = fs::read_to_string(file)?;
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    let word = line.and_then(|line| line.split_whitespace().next());
    word.with_context(|| format!("{file} says no {key}"))?.parse().context("not a number")
}
