//! `[catch_up]`: fetching what was posted while an account was away.

use std::time::Duration;

use matterhost_actors::actors::CatchUpSettings;

use super::section::Section;

/// Beyond this each catch-up would fetch most of a busy day again.
const LONGEST_OVERLAP: Duration = Duration::from_secs(3600);
/// What is paged back by time is in memory until it is handed over: some gigabytes of the longest posts.
const MOST_POSTS: usize = 1_000_000;

pub(super) fn read(mut section: Section<'_>) -> CatchUpSettings {
    let default = CatchUpSettings::default();
    let catch_up = CatchUpSettings {
        overlap: section.within("overlap", default.overlap, Duration::ZERO..=LONGEST_OVERLAP),
        max_posts_per_channel: section.within(
            "max_posts_per_channel",
            default.max_posts_per_channel,
            1..=MOST_POSTS,
        ),
    };
    section.finish();
    catch_up
}
