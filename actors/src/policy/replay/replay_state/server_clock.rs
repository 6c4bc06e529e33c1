//! The part of the replay state that follows the server's clock.

use std::time::Instant;

use super::{
    super::clock::{MOST_SKEW_MS, ServerClock},
    ReplayState, mark,
};

impl ReplayState {
    /// Records the `Date` of a response, in server milliseconds. Cursors later than the server's clock go back to it.
    pub(crate) fn read_clock(&mut self, date: Option<i64>, now: Instant) {
        let Some(date) = date else { return self.advance_clock(now) };
        let set_back_to = self.clock.and_then(|clock| clock.set_back_to(date, now));
        let clock = ServerClock::new(date, now);
        self.clock = Some(clock);
        (self.earliest, self.latest) = (clock.earliest(now), clock.latest(now));
        let back = |time: i64| time.saturating_sub(self.settings.overlap_ms);
        let (latest, time) = match set_back_to {
            Some(time) => (back(time), back(time)),
            None => (self.latest.saturating_add(MOST_SKEW_MS), back(date)),
        };
        let account = &mut self.account;
        account.server_time = account.server_time.min(self.earliest);
        account.listed_at =
            account.listed_at.map(|listed_at| if listed_at > latest { time } else { listed_at });
        for (channel, state) in &mut self.channels {
            if state.pull_back(latest, time) {
                mark(&mut self.dirty, channel, state);
            }
        }
    }

    /// Moves the estimate of the server's clock on.
    pub(crate) fn advance_clock(&mut self, now: Instant) {
        if let Some(clock) = self.clock {
            (self.earliest, self.latest) = (clock.earliest(now), clock.latest(now));
        }
    }
}
