//! `[audit]`: the search for posts that were never received.

use std::time::Duration;

use matterhost_actors::hosting::AuditSettings;

use super::key_reader::TableReader;

/// Each audit lists all channels of an account; more frequent audits would be a large part of a server's load.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(10);
/// A longer interval would find missing posts too late to be useful.
const LONGEST_INTERVAL: Duration = Duration::from_secs(24 * 3600);
/// Posts made around the hello need this long to become visible.
const SHORTEST_GRACE: Duration = Duration::from_secs(1);

pub(super) fn read(mut section: TableReader<'_>) -> AuditSettings {
    let default = AuditSettings::default();
    let audit = AuditSettings {
        enabled: section.read("enabled", default.enabled),
        interval: section.within("interval", default.interval, SHORTEST_INTERVAL..=LONGEST_INTERVAL),
        grace: section.within("grace", default.grace, SHORTEST_GRACE..=LONGEST_INTERVAL),
    };
    section.finish();
    audit
}
