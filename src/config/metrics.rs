use super::key_reader::TableReader;

/// True if each account has its own series. About fifteen per account are cheap for hundreds of accounts and show
/// which bot has a problem.
const PER_ACCOUNT: bool = true;

/// The settings of the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricsConfig {
    /// True if each account has its own series; otherwise the accounts of a server share theirs.
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
