//! `[health]`: the checks that detect deaf connections.

use std::time::Duration;

use matterhost_actors::{hosting::HealthSettings, policy::PingSettings};

use super::key_reader::TableReader;

/// More frequent checks would be a large part of a server's load.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);
/// A bot that may be deaf for an hour might as well be off.
const LONGEST_INTERVAL: Duration = Duration::from_secs(3600);
/// No network can be expected to answer sooner.
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(100);
/// Ten seconds between the pings of the only account; `ping_interval` is the longest wait in any case.
const FEWEST_PINGS: f64 = 0.1;
/// A server answers this many small frames without effort; more show nothing sooner.
const MOST_PINGS: f64 = 10_000.0;

pub(super) fn read(mut section: TableReader<'_>) -> HealthSettings {
    let default = HealthSettings::default();
    let health = HealthSettings {
        poll: section.read("poll", default.poll),
        poll_interval: section.within(
            "poll_interval",
            default.poll_interval,
            SHORTEST_INTERVAL..=LONGEST_INTERVAL,
        ),
        ping: section.read("ping", default.ping),
        ping_limits: PingSettings {
            interval: section.within(
                "ping_interval",
                default.ping_limits.interval,
                SHORTEST_INTERVAL..=LONGEST_INTERVAL,
            ),
            per_second: section.within(
                "pings_per_second",
                default.ping_limits.per_second,
                FEWEST_PINGS..=MOST_PINGS,
            ),
            timeout: section.within(
                "ping_timeout",
                default.ping_limits.timeout,
                SHORTEST_TIMEOUT..=LONGEST_INTERVAL,
            ),
        },
        witness: section.read("witness", default.witness),
    };
    if !health.poll && !health.ping {
        let message = "with both poll and ping off, a bot that is disabled and re-enabled may stay deaf";
        section.warn("poll", message, "enable at least one of them");
    }
    section.finish();
    health
}
