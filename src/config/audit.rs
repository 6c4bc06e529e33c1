//! `[audit]`: looking for posts that were never received.

use std::time::Duration;

use matterhost_actors::hosting::AuditSettings;

use super::table::TableReader;

/// Each audit lists all channels of an account: more often would be most of a server's work.
const OFTEN: Duration = Duration::from_secs(10);
/// Beyond this nobody would call it a watch.
const SELDOM: Duration = Duration::from_secs(24 * 3600);
/// What was made around the hello needs this long to settle.
const SOON: Duration = Duration::from_secs(1);

pub(super) fn read(mut section: TableReader<'_>) -> AuditSettings {
    let default = AuditSettings::default();
    let audit = AuditSettings {
        enabled: section.read("enabled", default.enabled),
        interval: section.within("interval", default.interval, OFTEN..=SELDOM),
        grace: section.within("grace", default.grace, SOON..=SELDOM),
    };
    section.finish();
    audit
}
