//! The events of an account that a sink did not accept, and what that means for the account.

use std::{collections::HashMap, time::SystemTime};

use crate::model::{ChannelId, Excerpt, WaitingChannels, WaitingEvent};

/// The most events in a list for people; their number is shown, too.
const MAX_SHOWN: usize = 20;

/// The events that a sink did not accept: the first of each waiting channel.
///
/// The account is stalled from the first event that is refused for a trouble of the whole sink until the sink accepts an
/// event. A channel whose event is refused alone waits, and the account is not stalled.
#[derive(Debug, Default)]
pub(crate) struct RefusedEvents {
    by_channel: HashMap<ChannelId, RefusedEvent>,
    is_stalled: bool,
}

#[derive(Debug)]
struct RefusedEvent {
    waiting: WaitingEvent,
    scope: RefusalScope,
}

/// A refusal of an event.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    /// The id of the event.
    pub(crate) event: Excerpt,
    pub(crate) scope: RefusalScope,
    pub(crate) cause: Excerpt,
    /// The time of the next attempt.
    pub(crate) next: SystemTime,
    /// True if the sink took the event and answered; false if it did not even try it.
    pub(crate) is_answer: bool,
}

/// The events to which a refusal applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefusalScope {
    /// The sink accepts no event.
    Sink,
    /// The sink does not accept this event; its channel waits.
    Channel,
}

impl RefusedEvents {
    /// Records a refusal of a channel's first event.
    pub(crate) fn refuse(&mut self, channel: &ChannelId, refusal: Refusal, now: SystemTime) {
        let Refusal { event, scope, cause, next, is_answer } = refusal;
        let before = self.by_channel.remove(channel).filter(|before| before.waiting.event == event);
        let (since, attempts) =
            before.map_or((now, 0), |before| (before.waiting.since, before.waiting.attempts));
        let channel = channel.clone();
        let attempts = attempts + u32::from(is_answer);
        let waiting = WaitingEvent { channel: channel.clone(), event, since, attempts, next, cause };
        self.by_channel.insert(channel, RefusedEvent { waiting, scope });
        self.is_stalled = match scope {
            RefusalScope::Sink => true,
            // The event that seemed to show a trouble of the sink may have been this one.
            RefusalScope::Channel => self.is_stalled && self.refused_by_sink().next().is_some(),
        };
    }

    /// Records that a channel's first event is done. `by_sink` is true if the sink itself has accepted it, and not a filter
    /// before it.
    pub(crate) fn finish(&mut self, channel: &ChannelId, by_sink: bool) {
        let was_refused = self.by_channel.remove(channel).is_some_and(|it| it.scope == RefusalScope::Sink);
        if by_sink || was_refused || self.by_channel.is_empty() {
            self.is_stalled = false;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_channel.is_empty()
    }

    /// Returns the cause of the stall; `None` if events can be handed over.
    pub(crate) fn stall_cause(&self) -> Option<&Excerpt> {
        let refused = self.refused_by_sink().filter(|_| self.is_stalled);
        refused.map(|it| &it.waiting).min_by_key(|waiting| waiting.since).map(|waiting| &waiting.cause)
    }

    fn refused_by_sink(&self) -> impl Iterator<Item = &RefusedEvent> {
        self.by_channel.values().filter(|it| it.scope == RefusalScope::Sink)
    }

    /// Returns the number of waiting channels, and the event that has waited longest.
    pub(crate) fn summary(&self) -> Option<WaitingChannels> {
        let oldest = self.by_channel.values().map(|it| &it.waiting).min_by_key(|waiting| waiting.since)?;
        Some(WaitingChannels { count: self.by_channel.len(), oldest: oldest.clone() })
    }

    /// Returns the events that have waited longest.
    pub(crate) fn longest_waiting(&self) -> Vec<WaitingEvent> {
        let mut waiting: Vec<_> = self.by_channel.values().map(|it| &it.waiting).collect();
        waiting.sort_by_key(|waiting| waiting.since);
        waiting.into_iter().take(MAX_SHOWN).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn refusal(event: &str, scope: RefusalScope) -> Refusal {
        let (cause, next) = ("sink hook: busy".into(), SystemTime::UNIX_EPOCH);
        Refusal { event: event.into(), scope, cause, next, is_answer: true }
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn channel(name: &str) -> ChannelId {
        ChannelId::from(name)
    }

    #[test]
    fn an_event_that_is_refused_alone_stalls_nothing_and_is_shown() {
        let mut refused = RefusedEvents::default();
        refused.refuse(&channel("c1"), refusal("p1", RefusalScope::Channel), at(1));
        refused.refuse(&channel("c1"), refusal("p1", RefusalScope::Channel), at(5));
        assert_eq!(refused.stall_cause(), None);
        let WaitingChannels { count: 1, oldest } = refused.summary().unwrap() else { panic!() };
        assert_eq!((&*oldest.event, oldest.attempts, oldest.since), ("p1", 2, at(1)));
        refused.refuse(&channel("c1"), refusal("p2", RefusalScope::Channel), at(9));
        let next = refused.summary().unwrap().oldest;
        assert_eq!((next.attempts, next.since), (1, at(9)), "another event begins anew");
        refused.finish(&channel("c1"), true);
        assert_eq!(refused.summary(), None);
    }

    #[test]
    fn a_trouble_of_the_sink_stalls_until_it_accepts_an_event() {
        let (c1, c2, c3) = (channel("c1"), channel("c2"), channel("c3"));
        let stalled = || {
            let mut refused = RefusedEvents::default();
            refused.refuse(&c1, refusal("p1", RefusalScope::Sink), at(1));
            refused.refuse(&c2, refusal("p2", RefusalScope::Sink), at(2));
            assert_eq!(refused.stall_cause().map(|cause| &**cause), Some("sink hook: busy"));
            refused
        };
        let mut filtered = stalled();
        filtered.finish(&c3, false);
        assert!(filtered.stall_cause().is_some(), "an event that a filter left out proves nothing");
        for (done, by_sink) in [(&c1, false), (&c3, true)] {
            let mut accepted = stalled();
            accepted.finish(done, by_sink);
            assert_eq!(accepted.stall_cause(), None);
            assert!(accepted.summary().is_some(), "the other channel still waits");
        }
    }

    #[test]
    fn a_trouble_that_turns_out_to_be_the_events_own_stalls_no_longer() {
        let mut refused = RefusedEvents::default();
        refused.refuse(&channel("c1"), refusal("p1", RefusalScope::Sink), at(1));
        refused.refuse(&channel("c1"), refusal("p1", RefusalScope::Channel), at(2));
        assert_eq!(refused.stall_cause(), None);
    }

    #[test]
    fn the_list_is_short_and_the_oldest_come_first() {
        let mut refused = RefusedEvents::default();
        for n in 0..30 {
            let name = format!("c{n}");
            refused.refuse(&channel(&name), refusal(&name, RefusalScope::Channel), at(100 - n));
        }
        let shown = refused.longest_waiting();
        assert_eq!((shown.len(), &*shown[0].event, refused.summary().unwrap().count), (MAX_SHOWN, "c29", 30));
    }
}
