//! The failed attempts of events, and the decision to give an event up.
//!
//! A failure counts as an attempt only if it says something about its event: if the handler has answered other events
//! since the event failed before. While it answers nothing it is ill, and events wait: after an error on the event itself
//! up to their maximum age, after a failure of the handler as a whole, such as a refused connection, without a limit.

use std::{collections::HashMap, time::Duration};

use matterhost_actors::{
    model::AccountName,
    policy::{Backoff, Delays},
    ports::Outcome,
};
use tokio::time::Instant;

use super::message::{ChannelKey, Course, Message};
use crate::{config::AttemptLimits, telemetry::time::human};

/// A restarting handler is back within seconds; one that is down for hours gets one event a minute from each channel
/// with waiting events.
pub(super) const RETRY: Delays =
    Delays { min: Duration::from_millis(500), max: Duration::from_secs(60), random_factor: 0.2 };
/// The most channels with a failing event, which bounds memory. Events of further channels get the longest delay and
/// are not given up.
const MAX_FAILING_CHANNELS: usize = 10_000;
/// The deaths of a child with the same event after which the event is taken from it. Two may be a coincidence.
pub(super) const MAX_DEATHS: u32 = 3;
/// The deaths after which it is taken away though another event may have been the cause each time. An event that kills only
/// after a while is rarely alone.
const MAX_DEATHS_AMONG_OTHERS: u32 = 6;

/// The failing events of a sink, at most one per channel, because a channel's next event follows its last. Slash commands, buttons,
/// menus and dialogs are among them once the handler has taken them for later; before that they come once.
#[derive(Debug)]
pub(super) struct FailingEvents {
    limits: AttemptLimits,
    /// The number of events that the handler accepted or refused.
    answers: u64,
    /// The number of deaths of the child.
    deaths: u64,
    by_channel: HashMap<ChannelKey, FailingEvent>,
}

#[derive(Debug)]
struct FailingEvent {
    id: Box<str>,
    backoff: Backoff,
    /// The failures that count.
    attempts: u32,
    /// The suspicion that the child dies on the event.
    suspicion: Option<Suspicion>,
    /// The numbers of the deaths that accuse it, at most [`MAX_DEATHS_AMONG_OTHERS`].
    deaths: Vec<u64>,
    /// The time of the first failure that counts.
    since: Option<Instant>,
    /// The handler's answers until the last failure; `None` before it.
    answers: Option<u64>,
    /// The handler wants no request for the channel before this time.
    held_until: Option<Instant>,
}

/// The suspicion that a child dies on an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Suspicion {
    /// The deaths of the child that may be the event's doing.
    pub(super) deaths: u32,
    /// The time at which the child got the event before it died last.
    pub(super) given: Instant,
    /// True if the child had the event for a while before it died last.
    pub(super) is_slow: bool,
}

/// A death of a child that had an event.
#[derive(Debug, Clone, Copy)]
pub(super) struct Death {
    /// The time at which the child got the event.
    pub(super) given: Instant,
    /// True if the child had it for a while.
    pub(super) is_slow: bool,
    /// True if hardly another event can be the cause.
    pub(super) is_certain: bool,
}

/// The kind of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// The handler failed on this event.
    Event,
    /// The handler asked for the event later.
    Deferred,
    /// The handler fails on any event, as far as is known.
    Handler,
    /// The place of the events has no room or cannot be reached: no event's fault, so that it is never counted.
    Place,
}

/// The consequence of a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NextAttempt {
    /// The event is tried again after this time.
    After(Duration),
    /// The event is given up; the text names the limit that it reached.
    GiveUp(String),
}

impl FailingEvents {
    pub(super) fn new(limits: AttemptLimits) -> Self {
        Self { limits, answers: 0, deaths: 0, by_channel: HashMap::new() }
    }

    /// Records that the handler accepted or refused an event.
    pub(super) fn record_answer(&mut self, event: &Message) {
        self.answers += 1;
        self.forget(event);
    }

    /// Forgets an event that was given up, which is no answer of the handler.
    pub(super) fn forget(&mut self, event: &Message) {
        self.by_channel.remove(&event.channel_key());
    }

    /// Forgets the events of an account that delivers no more.
    pub(super) fn forget_account(&mut self, account: &AccountName) {
        self.by_channel.retain(|(of, _), _| of != account);
    }

    /// Returns true if an event has failed before.
    pub(super) fn has_failed(&self, event: &Message) -> bool {
        self.get(event).is_some_and(|failing| failing.answers.is_some())
    }

    /// Records a failure and returns its consequence.
    pub(super) fn record_failure(&mut self, event: &Message, failure: Failure, now: Instant) -> NextAttempt {
        let (limits, answers) = (self.limits, self.answers);
        let Some(failing) = self.entry(event) else { return NextAttempt::After(RETRY.max) };
        let before = failing.answers.replace(answers);
        let others_answered = before.is_some_and(|before| before < answers);
        if failure == Failure::Place || failure == Failure::Handler && !others_answered {
            return NextAttempt::After(failing.backoff.next_delay());
        }
        // The first failure on the event counts in any case: with `max_attempts = 1` there is no second.
        let counts = others_answered || before.is_none();
        failing.attempts += u32::from(counts && failure != Failure::Deferred);
        let age = now.duration_since(*failing.since.get_or_insert(now));
        if failing.attempts >= limits.max_attempts {
            return NextAttempt::GiveUp(format!(
                "given up after {} attempts (max_attempts)",
                failing.attempts
            ));
        }
        if age >= limits.max_age {
            return NextAttempt::GiveUp(format!("given up after {} (max_age)", human(age)));
        }
        NextAttempt::After(failing.backoff.next_delay())
    }

    /// Returns the outcome that delivers an event again: it waits alone if it waits for no other, or if a failure counted as its
    /// own; else the sink accepts nothing.
    pub(super) fn retry_outcome(&self, event: &Message, after: Duration, cause: String) -> Outcome {
        let is_alone = event.course == Course::TakenForLater;
        if is_alone || self.get(event).is_some_and(|failing| failing.since.is_some()) {
            Outcome::Hold { after, cause }
        } else {
            Outcome::Retry { after, cause }
        }
    }

    /// Ends the holds of all channels.
    pub(super) fn end_holds(&mut self) {
        self.by_channel.values_mut().for_each(|failing| failing.held_until = None);
    }

    /// Holds an event's channel from now for that long.
    pub(super) fn hold(&mut self, event: &Message, pause: Duration, now: Instant) {
        if let Some(failing) = self.entry(event) {
            failing.held_until = Some(now + pause);
        }
    }

    /// Returns the time for which an event's channel is still held.
    pub(super) fn held_for(&self, event: &Message, now: Instant) -> Option<Duration> {
        let until = self.get(event)?.held_until?;
        until.checked_duration_since(now).filter(|left| !left.is_zero())
    }

    /// Records a death of the child, with the events that it accuses. Returns the indexes of those that are to be taken away:
    /// if the child died on one too often and the last time is certain, or far too often. What a certain one has done is no
    /// longer held against others.
    pub(super) fn record_deaths(&mut self, accused: &[(Message, Death)]) -> Vec<usize> {
        self.deaths += 1;
        let mut taken_away = Vec::new();
        for (index, (event, death)) in accused.iter().enumerate() {
            let deaths = self.accuse(event, *death);
            let is_culprit = death.is_certain && deaths >= MAX_DEATHS;
            if is_culprit {
                self.acquit_others(event);
            }
            if is_culprit || deaths >= MAX_DEATHS_AMONG_OTHERS {
                taken_away.push(index);
            }
        }
        taken_away
    }

    /// Adds the last death to those that accuse an event, and returns their number.
    fn accuse(&mut self, event: &Message, death: Death) -> u32 {
        let number = self.deaths;
        let Some(failing) = self.entry(event) else { return 0 };
        if failing.deaths.len() < MAX_DEATHS_AMONG_OTHERS as usize {
            failing.deaths.push(number);
        }
        let deaths = u32::try_from(failing.deaths.len()).unwrap_or(u32::MAX);
        failing.suspicion = Some(Suspicion { deaths, given: death.given, is_slow: death.is_slow });
        deaths
    }

    /// Takes the deaths that accuse an event from the others.
    fn acquit_others(&mut self, culprit: &Message) {
        let Some(numbers) = self.get(culprit).map(|failing| failing.deaths.clone()) else { return };
        let culprit = culprit.channel_key();
        for (_, other) in self.by_channel.iter_mut().filter(|(channel, _)| **channel != culprit) {
            other.deaths.retain(|number| !numbers.contains(number));
            let left = u32::try_from(other.deaths.len()).unwrap_or(u32::MAX);
            other.suspicion = other.suspicion.filter(|_| left > 0).map(|it| Suspicion { deaths: left, ..it });
        }
    }

    /// Returns the suspicion that the child dies on the event, if it has died with it.
    pub(super) fn suspicion(&self, event: &Message) -> Option<Suspicion> {
        self.get(event)?.suspicion
    }

    fn get(&self, event: &Message) -> Option<&FailingEvent> {
        self.by_channel.get(&event.channel_key()).filter(|failing| failing.id == event.id)
    }

    /// Returns the record of an event, a new one if the channel's last record is of another event; `None` if there are
    /// too many.
    fn entry(&mut self, event: &Message) -> Option<&mut FailingEvent> {
        let channel = event.channel_key();
        if self.by_channel.len() >= MAX_FAILING_CHANNELS && !self.by_channel.contains_key(&channel) {
            return None;
        }
        let failing = self.by_channel.entry(channel).or_insert_with(|| FailingEvent::new(&event.id));
        if failing.id != event.id {
            *failing = FailingEvent::new(&event.id);
        }
        Some(failing)
    }
}

impl FailingEvent {
    fn new(id: &str) -> Self {
        Self {
            id: id.into(),
            backoff: Backoff::new(RETRY),
            attempts: 0,
            suspicion: None,
            deaths: Vec::new(),
            since: None,
            answers: None,
            held_until: None,
        }
    }
}

#[cfg(test)]
mod tests;
