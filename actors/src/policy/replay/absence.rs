//! The presence of a channel in the listings of its account.

/// The time after which the state of a channel that the account has left is forgotten, in milliseconds of server time:
/// longer than anybody is away from a channel by mistake.
pub(super) const FORGOTTEN_AFTER_MS: i64 = 30 * 24 * 60 * 60 * 1_000;

/// The listings in a row, since the start of the process, that must have lacked a channel: one that a server left out by
/// mistake comes back before.
const LACKED_LISTINGS: u32 = 5;

/// The absence of a channel from its account's listings.
#[derive(Debug, Default)]
pub(super) struct Absence {
    /// True if the last complete listing had the channel, as far as it is known.
    is_listed: bool,
    /// The complete listings in a row that lacked it.
    listings: u32,
    /// The time of the first one that lacked it, in server milliseconds.
    since: Option<i64>,
}

impl Absence {
    /// Restores the absence from the time of the first listing that lacked the channel.
    pub(super) fn restore(since: Option<i64>) -> Self {
        Self { is_listed: since.is_none(), listings: 0, since }
    }

    /// Records a complete listing. Returns true if the absence began or ended with it.
    pub(super) fn update(&mut self, is_listed: bool, listing_at: i64) -> bool {
        let was_absent = self.since.is_some();
        self.is_listed = is_listed;
        if is_listed {
            (self.listings, self.since) = (0, None);
        } else {
            self.listings = self.listings.saturating_add(1);
            self.since.get_or_insert(listing_at);
        }
        was_absent == is_listed
    }

    /// Returns the time of the first listing that lacked the channel.
    pub(super) fn since(&self) -> Option<i64> {
        self.since
    }

    /// True if the last complete listing lacked the channel, or it is newer.
    pub(super) fn is_unlisted(&self) -> bool {
        !self.is_listed
    }

    /// True if enough listings have lacked the channel for long enough.
    pub(super) fn is_over(&self, now: i64) -> bool {
        self.listings >= LACKED_LISTINGS
            && self.since.is_some_and(|since| now.saturating_sub(since) >= FORGOTTEN_AFTER_MS)
    }

    /// Moves the beginning back to a time that is not later than the server's clock.
    pub(super) fn pull_back(&mut self, time: i64) {
        self.since = self.since.map(|since| since.min(time));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absence_is_over_after_a_time_and_several_listings() {
        let end = FORGOTTEN_AFTER_MS;
        for (listings, now, is_over) in [(4, end, false), (5, end - 1, false), (5, end, true)] {
            let mut absence = Absence::restore(Some(0));
            (0..listings).for_each(|_| assert!(!absence.update(false, now)));
            assert_eq!(absence.is_over(now), is_over, "{listings} listings at {now}");
            assert!(absence.update(true, now));
            assert!(!absence.is_unlisted() && !absence.is_over(2 * end));
            assert!(absence.update(false, now) && absence.since() == Some(now));
        }
    }
}
