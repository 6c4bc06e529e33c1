//! The part of the replay state that follows the server's clock.

use std::time::Instant;

use super::{
    super::clock::{MOST_SKEW_MS, ServerClock},
    ReplayState, mark,
};

impl ReplayState {
    /// Records an estimate of the server's clock, if there is one. Cursors later than the clock go back to it.
    pub(crate) fn read_clock(&mut self, clock: Option<ServerClock>, now: Instant) {
        let Some(clock) = clock else { return self.advance_clock(now) };
        let set_back_to = self.clock.and_then(|earlier| earlier.set_back_to(&clock));
        self.clock = Some(clock);
        (self.earliest, self.latest) = (clock.earliest(now), clock.latest(now));
        let back = |time: i64| time.saturating_sub(self.settings.overlap_ms);
        let (latest, time) = match set_back_to {
            Some(time) => (back(time), back(time)),
            None => (self.latest.saturating_add(MOST_SKEW_MS), back(clock.date())),
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
