//! `[host]`: the process itself.

use std::time::Duration;

use matterhost_actors::hosting::HostSettings;

use super::table::TableReader;

/// An operator who stops the host waits about as long as systemd (90 s) does, and no longer than half of it.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(30);
/// Threads beyond this cost more than they give.
const MOST_ARBITERS: usize = 256;
/// A shorter time is no time at all for a network.
const SHORTEST: Duration = Duration::from_millis(100);
/// Whoever waits longer waits for nothing.
const LONGEST: Duration = Duration::from_secs(600);

/// What `[host]` says.
pub(super) struct Host {
    pub(super) arbiters: usize,
    pub(super) hello_timeout: Duration,
    pub(super) stop_deadline: Duration,
    pub(super) shutdown_deadline: Duration,
}

pub(super) fn read(mut section: TableReader<'_>) -> Host {
    let default = HostSettings::default();
    // 0 stands for one a core: the documentation's default must not depend on the machine.
    let arbiters = match section.within("arbiters", 0, 0..=MOST_ARBITERS) {
        0 => default.arbiters,
        given => given,
    };
    let host = Host {
        arbiters,
        hello_timeout: section.within("hello_timeout", default.hello_timeout, SHORTEST..=LONGEST),
        stop_deadline: section.within("stop_deadline", default.stop_deadline, SHORTEST..=LONGEST),
        shutdown_deadline: section.within("shutdown_deadline", SHUTDOWN_DEADLINE, SHORTEST..=LONGEST),
    };
    section.finish();
    host
}
