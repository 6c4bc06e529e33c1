//! The events on which a bot fails again and again, and the decision to give one up.

use std::collections::HashMap;

use crate::model::ChannelId;

/// The failures of a bot on the same event after which the event is rejected. Two may be a coincidence.
pub(super) const MAX_FAILURES: u32 = 3;

/// The events in a row, without one that the bot handled, that are given up. A bot that fails on more is broken itself: its
/// events wait, and the restart budget keeps it from calling the server without end.
const MAX_GIVEN_UP_IN_A_ROW: u32 = 8;

/// The most channels with a failing event, which bounds memory. Events of further channels are not given up.
const MAX_FAILING_CHANNELS: usize = 10_000;

/// The failing events of a bot, at most one per channel, because a channel's next event follows its last.
#[derive(Debug, Default)]
pub(super) struct Failures {
    by_channel: HashMap<ChannelId, FailingEvent>,
    /// The events that were given up since the last one that the bot handled.
    given_up: u32,
}

#[derive(Debug)]
struct FailingEvent {
    id: String,
    failures: u32,
}

impl Failures {
    /// Records that the bot handled an event of the channel.
    pub(super) fn handled(&mut self, channel: &ChannelId) {
        self.by_channel.remove(channel);
        self.given_up = 0;
    }

    /// Records a failure on an event. Returns true if the event is to be given up.
    pub(super) fn failed(&mut self, channel: &ChannelId, id: &str) -> bool {
        if self.by_channel.len() >= MAX_FAILING_CHANNELS && !self.by_channel.contains_key(channel) {
            return false;
        }
        let fresh = || FailingEvent { id: id.to_owned(), failures: 0 };
        let event = self.by_channel.entry(channel.clone()).or_insert_with(fresh);
        if event.id != id {
            *event = fresh();
        }
        event.failures += 1;
        let gives_up = event.failures >= MAX_FAILURES && self.given_up < MAX_GIVEN_UP_IN_A_ROW;
        if gives_up {
            self.by_channel.remove(channel);
            self.given_up += 1;
        }
        gives_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the number of failures after which the event is given up, of at most 20.
    fn until_given_up(failures: &mut Failures, id: &str) -> Option<usize> {
        (1..=20).find(|_| failures.failed(&"c".into(), id))
    }

    #[test]
    fn an_event_is_given_up_after_three_failures_and_the_next_begins_anew() {
        let (mut failures, channel) = (Failures::default(), ChannelId::from("c"));
        assert!(!failures.failed(&channel, "a") && !failures.failed(&channel, "a"));
        assert!(!failures.failed(&"other".into(), "z"));
        assert!(!failures.failed(&channel, "b"), "another event");
        failures.handled(&channel);
        assert_eq!(until_given_up(&mut failures, "b"), Some(3));
        assert_eq!(until_given_up(&mut failures, "b"), Some(3), "it came again after a restart of the host");
    }

    #[test]
    fn a_bot_that_handles_nothing_at_all_loses_few_events() {
        let mut failures = Failures::default();
        let given_up = (0..20).filter(|n| until_given_up(&mut failures, &n.to_string()).is_some()).count();
        assert_eq!(given_up, 8);
        failures.handled(&"other".into());
        assert_eq!(until_given_up(&mut failures, "19"), Some(1), "it has failed often enough by now");
    }
}
