//! `[metrics]`: what is counted and measured.

use super::table::TableReader;

/// Whether each account has series of its own.
///
/// Some fifteen of them are cheap for hundreds of accounts, and what tells which bot is ill.
const PER_ACCOUNT: bool = true;

/// What is counted and measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricsConfig {
    /// Whether each account has series of its own; else those of a server share theirs.
    pub per_account: bool,
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self { per_account: PER_ACCOUNT }
    }
}

pub(super) fn read(mut section: TableReader<'_>) -> MetricsConfig {
    let per_account = section.read("per_account", PER_ACCOUNT);
    section.finish();
    MetricsConfig { per_account }
}
