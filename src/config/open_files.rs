//! Check that the process may open as many files as the accounts need.

use matterhost_actors::mattermost::CONNECTIONS_PER_ARBITER;
use rlimit::Resource;

use super::{Config, SinkKind, problem::Problem, sinks::SinkConfig};

/// Files that are always open: the standard streams, those of the runtimes and resolvers, and some spare.
const BASE: u64 = 64;

/// Returns the number of files that must be open at once: a socket per account, REST connections, the sinks' and the
/// admin API's files, and the base.
pub fn needed(accounts: usize, servers: usize, arbiters: usize, sinks: usize) -> u64 {
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let rest =
        count(servers).saturating_mul(count(arbiters.max(1))).saturating_mul(count(CONNECTIONS_PER_ARBITER));
    BASE.saturating_add(count(accounts)).saturating_add(rest).saturating_add(count(sinks))
}

/// Raises the soft limit to the hard one and returns the resulting limit; `None` if it cannot be read.
pub fn raise() -> Option<u64> {
    let (soft, hard) = Resource::NOFILE.get().ok()?;
    if soft < hard && Resource::NOFILE.set(hard, hard).is_ok() {
        return Some(hard);
    }
    Some(soft)
}

impl Config {
    /// Returns a problem if the limit of open files is too low for this configuration.
    pub(super) fn check_open_files(&self, limit: Option<u64>) -> Option<Problem> {
        let files = self.sinks.iter().map(SinkConfig::open_files).sum::<usize>() + self.admin.open_files();
        let webhooks = self.sinks.iter().filter(|sink| matches!(sink.kind, SinkKind::Webhook(_))).count();
        let files = files + self.hooks.as_ref().map_or(0, |hooks| hooks.open_files(webhooks));
        let accounts = self.accounts.len();
        check(needed(accounts, self.servers.len(), self.arbiters_in_use(), files), accounts, limit)
    }

    /// Returns the number of Arbiters that have accounts: each is used once the others have enough.
    fn arbiters_in_use(&self) -> usize {
        self.host.arbiters.min(self.accounts.len().div_ceil(self.host.accounts_per_arbiter.max(1)))
    }
}

/// Returns a problem if the limit is lower than the number needed.
fn check(needed: u64, accounts: usize, limit: Option<u64>) -> Option<Problem> {
    let limit = limit.filter(|limit| *limit < needed)?;
    Some(Problem::new(
        "accounts",
        format!("{accounts} accounts need {needed} open files, and this process may open {limit}"),
        format!(
            "raise the limit (ulimit -n {needed}, or LimitNOFILE={needed} in a systemd unit), or host fewer accounts"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_one_below_the_need_is_refused() {
        let needed = needed(1_000, 2, 4, 0);
        assert_eq!(needed, 64 + 1_000 + 8 * 40);
        assert_eq!(check(needed, 1_000, Some(needed)), None);
        assert_eq!(check(needed, 1_000, None), None);
        let message = check(needed, 1_000, Some(needed - 1)).unwrap().to_string();
        assert!(
            message.contains("1000 accounts need 1384 open files") && message.contains("ulimit -n 1384"),
            "{message}"
        );
    }

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        assert_eq!(raise(), Some(Resource::NOFILE.get_hard().unwrap()));
        assert_eq!(Resource::NOFILE.get_soft().unwrap(), Resource::NOFILE.get_hard().unwrap());
    }
}
