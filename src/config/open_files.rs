//! Whether as many files may be open as the accounts need.

use rlimit::Resource;

use super::problem::Problem;

/// Files that are open whatever is hosted: the standard streams, the runtimes' own, resolvers, one to spare for
/// each.
const BASE: u64 = 64;

/// Files that are open for each server on each Arbiter: its REST connections.
const REST_CONNECTIONS: u64 = 6;

/// How many files must be open at once: a socket an account, REST connections, what the sinks have open, and the
/// base.
pub fn needed(accounts: usize, servers: usize, arbiters: usize, sinks: usize) -> u64 {
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let rest = count(servers).saturating_mul(count(arbiters.max(1))).saturating_mul(REST_CONNECTIONS);
    BASE.saturating_add(count(accounts)).saturating_add(rest).saturating_add(count(sinks))
}

/// Raises the soft limit to the hard one and gives back what holds then. `None` when the system does not tell.
pub fn raise() -> Option<u64> {
    let (soft, hard) = Resource::NOFILE.get().ok()?;
    if soft < hard && Resource::NOFILE.set(hard, hard).is_ok() {
        return Some(hard);
    }
    Some(soft)
}

/// Compares what is needed with the limit.
pub(super) fn check(needed: u64, accounts: usize, limit: Option<u64>) -> Option<Problem> {
    let limit = limit.filter(|limit| *limit < needed)?;
    Some(Problem::new(
        "accounts",
        format!("{accounts} accounts need {needed} open files, and this process may open {limit}"),
        format!(
            "raise the limit (ulimit -n {needed}, or LimitNOFILE={needed} in a systemd unit), or host fewer"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_refused_one_below_what_is_needed() {
        let needed = needed(1_000, 2, 4, 0);
        assert_eq!(needed, 64 + 1_000 + 48);
        assert_eq!(check(needed, 1_000, Some(needed)), None);
        assert_eq!(check(needed, 1_000, None), None);
        let told = check(needed, 1_000, Some(needed - 1)).unwrap().to_string();
        assert!(
            told.contains("1000 accounts need 1112 open files") && told.contains("ulimit -n 1112"),
            "{told}"
        );
    }

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        assert_eq!(raise(), Some(Resource::NOFILE.get_hard().unwrap()));
        assert_eq!(Resource::NOFILE.get_soft().unwrap(), Resource::NOFILE.get_hard().unwrap());
    }
}
