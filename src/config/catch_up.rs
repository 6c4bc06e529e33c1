//! `[catch_up]`: fetching posts made while an account was away.

use std::time::Duration;

use matterhost_actors::{hosting::CatchUpSettings, mattermost::MAX_CHANNELS};

use super::key_reader::TableReader;

/// A longer overlap would fetch most of a busy day again at each catch-up.
const LONGEST_OVERLAP: Duration = Duration::from_secs(3600);
/// Five thousand requests for one channel.
const MOST_POSTS: usize = 1_000_000;
/// Less would be hardly more than the overlap.
const SHORTEST_AGE: Duration = Duration::from_secs(60);
/// A bot has no use for older posts.
const LONGEST_AGE: Duration = Duration::from_secs(365 * 24 * 3600);

pub(super) fn read(mut section: TableReader<'_>) -> CatchUpSettings {
    let default = CatchUpSettings::default();
    let catch_up = CatchUpSettings {
        overlap: section.within("overlap", default.overlap, Duration::ZERO..=LONGEST_OVERLAP),
        max_posts_per_channel: section.within(
            "max_posts_per_channel",
            default.max_posts_per_channel,
            1..=MOST_POSTS,
        ),
        max_channels: section.within("max_channels", default.max_channels, 1..=MAX_CHANNELS),
        max_age: section.optional_within("max_age", SHORTEST_AGE..=LONGEST_AGE),
        from: section.read("from", default.from),
    };
    section.finish();
    catch_up
}
