use std::time::{Duration, Instant};

use crate::model::ServerLimits;

/// The time for which connecting accounts share what one of them has read, and the least time between two readings.
const SHARED_FOR: Duration = Duration::from_secs(60);

/// The time after which a post that depends on the limits reads them again: an administrator may have changed them while
/// every account stayed connected.
const LIFETIME: Duration = Duration::from_secs(600);

/// The longest text of a post, in characters, that every Mattermost server has taken since its first version.
const ALWAYS_TAKEN_CHARS: usize = 4_000;

/// The occasion on which the limits are needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LimitsUse {
    /// An account has connected: the server may have been restarted with others.
    Connect,
    /// A post depends on them.
    Post,
}

/// The limits of one server as last read, and the time for reading them again.
#[derive(Debug, Default)]
pub(crate) struct KnownLimits {
    limits: ServerLimits,
    /// The time of the last reading, successful or not.
    read_at: Option<Instant>,
    /// True if the last reading succeeded, and nothing has shown since that it is out of date.
    is_valid: bool,
}

impl KnownLimits {
    /// Returns the limits: the last ones that were read, else Mattermost's defaults.
    pub(crate) fn limits(&self) -> ServerLimits {
        self.limits
    }

    /// True if the limits should be read first.
    pub(crate) fn is_due(&self, now: Instant, occasion: LimitsUse) -> bool {
        let lifetime = match occasion {
            LimitsUse::Post if self.is_valid => LIFETIME,
            LimitsUse::Post | LimitsUse::Connect => SHARED_FOR,
        };
        self.read_at.is_none_or(|at| now.saturating_duration_since(at) >= lifetime)
    }

    /// Records the result of a reading: the limits, or `None` if the server refused them. The last ones then stay.
    pub(crate) fn record(&mut self, now: Instant, limits: Option<ServerLimits>) {
        (self.read_at, self.is_valid) = (Some(now), limits.is_some());
        self.limits = limits.unwrap_or(self.limits);
    }

    /// Records that the server refused a post that may have been too large.
    pub(crate) fn doubt(&mut self) {
        self.is_valid = false;
    }
}

/// True if a text fits into a post of any server.
pub(crate) fn always_fits(text: &str) -> bool {
    text.len() <= ALWAYS_TAKEN_CHARS || text.chars().count() <= ALWAYS_TAKEN_CHARS
}

#[cfg(test)]
mod tests {
    use super::*;

    const OTHER: Option<ServerLimits> =
        Some(ServerLimits { post_chars: 4_000, file_bytes: 10, takes_files: true });

    #[test]
    fn a_reading_serves_all_who_connect_within_a_minute_and_posts_for_ten() {
        let start = Instant::now();
        let mut known = KnownLimits::default();
        assert!(known.is_due(start, LimitsUse::Connect) && known.is_due(start, LimitsUse::Post));
        known.record(start, OTHER);
        assert_eq!(known.limits().post_chars, 4_000);
        for (seconds, connect, post) in
            [(0, false, false), (59, false, false), (60, true, false), (599, true, false), (600, true, true)]
        {
            let now = start + Duration::from_secs(seconds);
            assert_eq!(
                (known.is_due(now, LimitsUse::Connect), known.is_due(now, LimitsUse::Post)),
                (connect, post),
                "after {seconds} s"
            );
        }
    }

    #[test]
    fn a_refusal_keeps_the_last_limits_and_is_asked_about_a_minute_later() {
        let start = Instant::now();
        let mut known = KnownLimits::default();
        known.record(start, None);
        assert_eq!(known.limits(), ServerLimits::default());
        assert!(!known.is_due(start + SHARED_FOR / 2, LimitsUse::Post));
        assert!(known.is_due(start + SHARED_FOR, LimitsUse::Post));
        known.record(start, OTHER);
        known.record(start, None);
        assert_eq!(Some(known.limits()), OTHER);
    }

    #[test]
    fn a_doubt_shortens_the_lifetime_but_causes_no_flood() {
        let start = Instant::now();
        let mut known = KnownLimits::default();
        known.record(start, OTHER);
        known.doubt();
        assert!(!known.is_due(start + SHARED_FOR / 2, LimitsUse::Post));
        assert!(known.is_due(start + SHARED_FOR, LimitsUse::Post));
    }
}
