//! The events on which a bot fails, and the consequences.

use std::{collections::HashMap, time::Duration};

use crate::model::ChannelId;

/// The failures of a bot on the same event after which the event is rejected. Two may be a coincidence.
pub(super) const MAX_FAILURES: u32 = 3;

/// The events in a row, without one that the bot handled, that are given up. A bot that fails on more is broken itself: its
/// events wait, and the restart budget keeps it from calling the server without end. A child process may fail as often.
const MAX_GIVEN_UP_IN_A_ROW: u32 = 8;

/// The most channels with a failing event, which bounds memory. Events of further channels are not given up.
const MAX_FAILING_CHANNELS: usize = 10_000;

/// The delay before an event is delivered again, for each failure on it: as long as a restart takes at least.
const DELAY: Duration = Duration::from_secs(1);

/// The failing events of a bot, at most one per channel, because a channel's next event follows its last.
#[derive(Debug, Default)]
pub(super) struct Failures {
    by_channel: HashMap<ChannelId, FailingEvent>,
    /// The record of each handler. One that does nothing succeeds always, and tells nothing about the others.
    handlers: HashMap<&'static str, HandlerRecord>,
}

/// The record of a handler of the bot.
#[derive(Debug, Default)]
struct HandlerRecord {
    /// The events that were given up since the last one that it handled.
    given_up: u32,
    /// True if it has handled an event since its last fault: then its failures are those of their events.
    works: bool,
}

/// An event that the bot has handled or failed on.
#[derive(Debug, Clone, Copy)]
pub(super) struct HandledEvent<'a> {
    pub(super) channel: &'a ChannelId,
    pub(super) id: &'a str,
    /// The name of the handler.
    pub(super) handler: &'static str,
}

/// The consequence of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Consequence {
    /// The bot handles other events: this one is delivered again after a while, and its channel waits.
    Hold(Duration),
    /// The bot itself is broken, as far as is known: its account is charged and restarted.
    Fault,
    /// The event is given up.
    GiveUp,
}

#[derive(Debug)]
struct FailingEvent {
    id: String,
    failures: u32,
}

impl Failures {
    /// Records that the bot handled an event.
    pub(super) fn handled(&mut self, event: HandledEvent<'_>) {
        self.by_channel.remove(event.channel);
        self.handlers.insert(event.handler, HandlerRecord { given_up: 0, works: true });
    }

    /// Records that an event was rejected for another reason than a failure of the bot, which says nothing about the bot.
    pub(super) fn rejected(&mut self, event: HandledEvent<'_>) {
        self.by_channel.remove(event.channel);
    }

    /// Records a failure on an event, and returns its consequence.
    pub(super) fn failed(&mut self, event: HandledEvent<'_>) -> Consequence {
        let failures = self.count(event);
        let handler = self.handlers.entry(event.handler).or_default();
        if handler.given_up >= MAX_GIVEN_UP_IN_A_ROW {
            handler.works = false;
        } else if failures >= MAX_FAILURES {
            self.by_channel.remove(event.channel);
            handler.given_up += 1;
            return Consequence::GiveUp;
        }
        if handler.works {
            Consequence::Hold(DELAY * failures.clamp(1, MAX_FAILURES))
        } else {
            Consequence::Fault
        }
    }

    /// Counts a failure, and returns the number of failures on the event; 0 if there are too many failing events.
    fn count(&mut self, HandledEvent { channel, id, .. }: HandledEvent<'_>) -> u32 {
        if self.by_channel.len() >= MAX_FAILING_CHANNELS && !self.by_channel.contains_key(channel) {
            return 0;
        }
        let fresh = || FailingEvent { id: id.to_owned(), failures: 0 };
        let event = self.by_channel.entry(channel.clone()).or_insert_with(fresh);
        if event.id != id {
            *event = fresh();
        }
        event.failures = event.failures.saturating_add(1);
        event.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handled(failures: &mut Failures, channel: &str, handler: &'static str) {
        failures.handled(HandledEvent { channel: &channel.into(), id: "good", handler });
    }

    fn failed(failures: &mut Failures, channel: &str, id: &str) -> Consequence {
        failures.failed(HandledEvent { channel: &channel.into(), id, handler: "posted" })
    }

    /// Returns the number of failures after which the event is given up, of at most 20.
    fn until_given_up(failures: &mut Failures, id: &str) -> Option<usize> {
        (1..=20).find(|_| failed(failures, "c", id) == Consequence::GiveUp)
    }

    #[test]
    fn an_event_is_given_up_after_three_failures_and_the_next_begins_anew() {
        let mut failures = Failures::default();
        for id in ["a", "a"] {
            assert_eq!(failed(&mut failures, "c", id), Consequence::Fault);
        }
        assert_eq!(failed(&mut failures, "other", "z"), Consequence::Fault);
        assert_eq!(failed(&mut failures, "c", "b"), Consequence::Fault, "another event");
        handled(&mut failures, "c", "posted");
        assert_eq!(until_given_up(&mut failures, "b"), Some(3));
        assert_eq!(until_given_up(&mut failures, "b"), Some(3), "it came again after a restart of the host");
    }

    #[test]
    fn a_bot_that_has_handled_an_event_is_not_blamed_for_those_on_which_it_fails() {
        let mut failures = Failures::default();
        handled(&mut failures, "other", "posted");
        for n in 0..MAX_GIVEN_UP_IN_A_ROW {
            for expected in [Consequence::Hold(DELAY), Consequence::Hold(2 * DELAY), Consequence::GiveUp] {
                assert_eq!(failed(&mut failures, "c", &n.to_string()), expected, "{n}");
            }
        }
        assert_eq!(failed(&mut failures, "c", "one more"), Consequence::Fault);
        handled(&mut failures, "other", "posted");
        assert_eq!(failed(&mut failures, "c", "and more"), Consequence::Hold(DELAY));
    }

    #[test]
    fn a_bot_that_handles_nothing_at_all_loses_few_events() {
        let mut failures = Failures::default();
        let count = |failures: &mut Failures| {
            (0..20).filter(|n| until_given_up(failures, &n.to_string()).is_some()).count()
        };
        assert_eq!(count(&mut failures), 8);
        handled(&mut failures, "other", "edited");
        assert_eq!(until_given_up(&mut failures, "19"), None, "most bots do nothing on an edit");
        handled(&mut failures, "other", "posted");
        assert_eq!(until_given_up(&mut failures, "19"), Some(1), "it has failed often enough by now");
    }
}
