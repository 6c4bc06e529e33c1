//! `[host]`: the process itself.

use std::time::Duration;

use matterhost_actors::hosting::HostSettings;

use super::key_reader::TableReader;

/// A third of systemd's default stop timeout (90 s), so that the host ends by itself before it is killed.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(30);
/// More threads cost more than they bring.
const MOST_ARBITERS: usize = 256;
/// The accounts that a thread takes before the next one is used, unless the number of threads is given: few enough that
/// a busy account delays few others, and enough that a small host, whose accounts share channels, wakes one thread for each
/// post. An account runs no code of others here, and one whose thread hangs is moved.
const ACCOUNTS_PER_ARBITER: usize = 50;
/// Too short for any network.
const SHORTEST: Duration = Duration::from_millis(100);
/// Longer waits have no prospect of success.
const LONGEST: Duration = Duration::from_secs(600);

/// The values of `[host]`.
pub(super) struct Host {
    pub(super) arbiters: usize,
    pub(super) accounts_per_arbiter: usize,
    pub(super) hello_timeout: Duration,
    pub(super) stop_deadline: Duration,
    pub(super) shutdown_deadline: Duration,
}

pub(super) fn read(mut section: TableReader<'_>) -> Host {
    let default = HostSettings::default();
    // 0 means up to one per core: the documented default must not depend on the machine.
    let (arbiters, accounts_per_arbiter) = match section.within("arbiters", 0, 0..=MOST_ARBITERS) {
        0 => (default.arbiters, ACCOUNTS_PER_ARBITER),
        given => (given, 0),
    };
    let host = Host {
        arbiters,
        accounts_per_arbiter,
        hello_timeout: section.within("hello_timeout", default.hello_timeout, SHORTEST..=LONGEST),
        stop_deadline: section.within("stop_deadline", default.stop_deadline, SHORTEST..=LONGEST),
        shutdown_deadline: section.within("shutdown_deadline", SHUTDOWN_DEADLINE, SHORTEST..=LONGEST),
    };
    section.finish();
    host
}
