//! `[health]`: the witnesses of deafness.

use std::time::Duration;

use matterhost_actors::{hosting::HealthSettings, policy::PingSettings};

use super::table::TableReader;

/// More often than once a second would be most of a server's work.
const OFTEN: Duration = Duration::from_secs(1);
/// A bot that is deaf for an hour might as well be off.
const SELDOM: Duration = Duration::from_secs(3600);
/// No answer over a network can be expected sooner.
const SOON: Duration = Duration::from_millis(100);

pub(super) fn read(mut section: TableReader<'_>) -> HealthSettings {
    let default = HealthSettings::default();
    let health = HealthSettings {
        poll: section.read("poll", default.poll),
        poll_interval: section.within("poll_interval", default.poll_interval, OFTEN..=SELDOM),
        ping: section.read("ping", default.ping),
        ping_limits: PingSettings {
            interval: section.within("ping_interval", default.ping_limits.interval, OFTEN..=SELDOM),
            timeout: section.within("ping_timeout", default.ping_limits.timeout, SOON..=SELDOM),
        },
        witness: section.read("witness", default.witness),
    };
    if !health.poll && !health.ping {
        let what = "with both poll and ping off, a bot that is disabled and enabled again may stay deaf";
        section.warn("poll", what, "leave one of them on");
    }
    section.finish();
    health
}
