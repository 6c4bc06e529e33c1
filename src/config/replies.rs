//! `[replies]`: limits of the bots' posts.

use std::time::Duration;

use matterhost_actors::hosting::ReplySettings;

use super::key_reader::TableReader;

/// Covers an upgrade of the server. A handler has long answered by then and need not wait for it, unlike a bot in Rust.
const DEADLINE: Duration = Duration::from_secs(900);
/// Too short for a single request.
const SHORTEST: Duration = Duration::from_secs(1);
/// A reply that takes longer is of no use.
const LONGEST: Duration = Duration::from_secs(3_600);
/// More than the connections shared by all accounts of a thread has no effect.
const MOST_IN_FLIGHT: usize = 64;
/// A higher limit would never stop a loop.
const HIGHEST_LOOP: u32 = 10_000;

pub(super) fn read(mut section: TableReader<'_>) -> ReplySettings {
    let default = ReplySettings::default();
    let replies = ReplySettings {
        deadline: section.within("deadline", DEADLINE, SHORTEST..=LONGEST),
        in_flight: section.within("in_flight", default.in_flight, 1..=MOST_IN_FLIGHT),
        loop_limit: section.within("loop_limit", default.loop_limit, 0..=HIGHEST_LOOP),
        whisper_fallback: section.read("whisper_fallback", default.whisper_fallback),
    };
    section.finish();
    replies
}
