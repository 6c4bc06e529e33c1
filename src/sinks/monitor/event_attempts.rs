//! The events that a sink has, or has not accepted yet.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::SystemTime,
};

use matterhost_actors::{
    model::{Event, Excerpt},
    ports::{LONGEST_RETRY, Outcome},
};

use super::{
    super::{hook_events::is_hook, message::Message},
    SinkMonitor,
    sink_snapshot::{AttemptSnapshot, Complaint, Phase},
};

/// The most events in a snapshot; their numbers are in it, too.
const MAX_SHOWN: usize = 20;
/// Below this number of events it is not worth while to look for forgotten ones.
const MIN_PRUNED: usize = 1_024;

/// The events that a sink has or has not accepted, by the address of their allocation. An account has a limited number
/// of them, so that their number is bounded.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    by_address: HashMap<usize, Attempt>,
    waiting: usize,
    /// The number of events at which those that no account delivers any more are forgotten.
    prune_at: usize,
}

/// The attempts for one event.
#[derive(Debug)]
struct Attempt {
    /// Keeps the allocation, so that the address is not reused.
    event: Weak<Event>,
    since: SystemTime,
    /// The answers of the sink to it.
    answers: u32,
    /// The time of the next attempt, and the cause; `None` while the sink has the event.
    waits: Option<(SystemTime, Excerpt)>,
    is_skipped: bool,
    /// True while the sink, or an operator's skip, makes the event a dead letter: it becomes one, not two.
    is_claimed: bool,
}

/// The way by which an outcome came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sinks) enum Attempted {
    /// The sink did not take the event at all.
    Refused,
    /// The sink took the event and answered.
    Answered,
}

/// The reason why an event cannot be skipped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SkipError {
    /// The sink has no such event.
    #[error("no event of channel {channel} of account {account} waits at this sink")]
    NoneWaits {
        /// The account.
        account: String,
        /// The channel.
        channel: String,
    },
    /// Another event is the first of the channel by now.
    #[error("the first event of the channel is {0} by now; nothing was skipped")]
    AnotherWaits(Excerpt),
    /// The sink refuses no single event.
    #[error("a {0} sink fails on all events alike and keeps no dead letters; fix the cause that is shown")]
    KeepsNoDeadLetters(&'static str),
}

impl Attempts {
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Forgets events that no account delivers any more, once there are twice as many events as the last time.
    fn prune_if_many(&mut self) {
        if self.by_address.len() >= self.prune_at.max(MIN_PRUNED) {
            self.prune();
            self.prune_at = 2 * self.by_address.len();
        }
    }

    /// Forgets events that no account delivers any more.
    fn prune(&mut self) {
        self.by_address.retain(|_, attempt| attempt.event.strong_count() > 0);
        self.waiting = self.by_address.values().filter(|attempt| attempt.waits.is_some()).count();
    }

    fn set_waits(&mut self, address: usize, waits: Option<(SystemTime, Excerpt)>) {
        let Some(attempt) = self.by_address.get_mut(&address) else { return };
        self.waiting += usize::from(waits.is_some());
        self.waiting -= usize::from(attempt.waits.is_some());
        attempt.waits = waits;
    }

    /// Returns the event of an account's channel with that id; without one, the first. A command, button or dialog waits beside
    /// the channel's other events.
    fn of_channel(
        &mut self,
        account: &str,
        channel: &str,
        id: Option<&str>,
    ) -> Option<(Arc<Event>, &mut Attempt)> {
        let mut there = self.by_address.values_mut().filter_map(|attempt| {
            let event = attempt.event.upgrade()?;
            let is_it = event.account.as_str() == account && event.body.channel_id.as_str() == channel;
            is_it.then_some((event, attempt))
        });
        match id {
            Some(id) => there.find(|(event, _)| event.id() == id),
            None => there.min_by_key(|(event, _)| is_hook(&event.body.event)),
        }
    }

    /// Lets the event be skipped again: it did not become a dead letter.
    fn release_claim(&mut self, address: usize) {
        if let Some(attempt) = self.by_address.get_mut(&address) {
            attempt.is_claimed = false;
        }
    }

    fn remove(&mut self, address: usize) {
        self.set_waits(address, None);
        self.by_address.remove(&address);
    }

    /// Returns the numbers of waiting events and of those that the sink has, and the events that wait longest.
    pub(super) fn snapshot(&mut self) -> (usize, usize, Vec<AttemptSnapshot>) {
        self.prune();
        let mut shown: Vec<_> = self.by_address.values().collect();
        shown.sort_by_key(|attempt| (attempt.waits.is_none(), attempt.since));
        let shown = shown.into_iter().take(MAX_SHOWN).filter_map(Attempt::snapshot).collect();
        (self.waiting, self.by_address.len() - self.waiting, shown)
    }
}

impl Attempt {
    /// Returns true to the first that makes the event a dead letter.
    fn claim(&mut self) -> bool {
        !std::mem::replace(&mut self.is_claimed, true)
    }

    fn snapshot(&self) -> Option<AttemptSnapshot> {
        let event = self.event.upgrade()?;
        let (next, cause) = self.waits.clone().unzip();
        Some(AttemptSnapshot {
            account: event.account.clone(),
            channel: event.body.channel_id.clone(),
            event: Excerpt::of(&event.id()),
            since: self.since,
            answers: self.answers,
            next,
            cause,
        })
    }
}

fn address(event: &Arc<Event>) -> usize {
    Arc::as_ptr(event).addr()
}

impl SinkMonitor {
    /// Records that an event is offered to the sink. Returns false if an operator wants it skipped.
    pub(in crate::sinks) fn begin(&self, event: &Arc<Event>) -> bool {
        let mut record = self.0.record.lock();
        let attempts = &mut record.attempts;
        attempts.prune_if_many();
        let attempt = attempts.by_address.entry(address(event)).or_insert_with(|| Attempt {
            event: Arc::downgrade(event),
            since: SystemTime::now(),
            answers: 0,
            waits: None,
            is_skipped: false,
            is_claimed: false,
        });
        attempt.is_claimed = attempt.is_skipped;
        !attempt.is_skipped
    }

    /// Waits until an operator wants the event skipped, while the sink does not make it a dead letter itself.
    pub(in crate::sinks) async fn skipped(&self, event: &Arc<Event>) {
        loop {
            let notified = self.0.commands.skip.notified();
            let claim = |record: &mut super::Record| {
                let attempt = record.attempts.by_address.get_mut(&address(event));
                attempt.is_some_and(|attempt| attempt.is_skipped && attempt.claim())
            };
            if claim(&mut self.0.record.lock()) {
                return;
            }
            notified.await;
        }
    }

    /// Returns true if the sink may make an event a dead letter, which is then not skipped; false if an operator's skip does.
    pub(in crate::sinks) fn claim_letter(&self, event: &Message) -> bool {
        let mut record = self.0.record.lock();
        let (account, channel) = (event.account.as_str(), event.channel.as_str());
        let found = record.attempts.of_channel(account, channel, Some(&*event.id));
        found.is_none_or(|(_, attempt)| attempt.claim())
    }

    /// Records an outcome.
    pub(in crate::sinks) fn finish(&self, event: &Arc<Event>, outcome: &Outcome, how: Attempted) {
        let address = address(event);
        match outcome {
            Outcome::Acknowledged => {
                let mut record = self.0.record.lock();
                record.attempts.remove(address);
                if matches!(record.phase, Phase::Running) && record.shown.0 == super::SinkState::Running {
                    return;
                }
                drop(record);
                self.update(|record| record.phase = record.phase.after_answer(how));
            }
            Outcome::Rejected { .. } => self.update(|record| record.attempts.remove(address)),
            Outcome::Retry { after, cause } | Outcome::Hold { after, cause } => {
                let (next, cause) = (SystemTime::now() + LONGEST_RETRY.min(*after), Excerpt::of(cause));
                self.update(|record| {
                    record.complain(event, &cause, how);
                    record.attempts.count_answer(address, how);
                    record.attempts.set_waits(address, Some((next, cause)));
                    record.attempts.release_claim(address);
                });
            }
            Outcome::Broken { cause } => {
                let cause = Excerpt::of(cause);
                self.update(|record| {
                    record.complain(event, &cause, Attempted::Answered);
                    record.attempts.remove(address);
                    record.phase = Phase::Broken;
                });
            }
        }
    }

    /// Marks the first event of an account's channel to be skipped, and returns its id. `expected` is the event that the
    /// operator saw.
    pub(in crate::sinks) fn request_skip(
        &self,
        account: &str,
        channel: &str,
        expected: Option<&str>,
    ) -> Result<Excerpt, SkipError> {
        let mut record = self.0.record.lock();
        let attempts = &mut record.attempts;
        let Some((event, attempt)) = attempts.of_channel(account, channel, expected) else {
            let first = attempts.of_channel(account, channel, None);
            return Err(match first {
                Some((first, _)) => SkipError::AnotherWaits(Excerpt::of(&first.id())),
                None => SkipError::NoneWaits {
                    account: Excerpt::of(account).into(),
                    channel: Excerpt::of(channel).into(),
                },
            });
        };
        let id = event.id();
        attempt.is_skipped = true;
        drop(record);
        self.0.commands.skip.notify_waiters();
        Ok(Excerpt::of(&id))
    }

    /// Returns the last cause of an event's failure, for its dead letter.
    pub(in crate::sinks) fn last_cause(&self, event: &Arc<Event>) -> Option<Excerpt> {
        let record = self.0.record.lock();
        let attempt = record.attempts.by_address.get(&address(event))?;
        attempt.waits.as_ref().map(|(_, cause)| cause.clone())
    }
}

impl Attempts {
    fn count_answer(&mut self, address: usize, how: Attempted) {
        if let Some(attempt) = self.by_address.get_mut(&address) {
            attempt.answers += u32::from(how == Attempted::Answered);
        }
    }
}

impl super::Record {
    /// Keeps a complaint about an event. A refusal without an answer says less than an earlier answer.
    fn complain(&mut self, event: &Arc<Event>, cause: &Excerpt, how: Attempted) {
        if how == Attempted::Refused && self.complaint.is_some() {
            return;
        }
        self.complaint = Some(Complaint {
            at: SystemTime::now(),
            text: cause.clone(),
            account: event.account.clone(),
            channel: event.body.channel_id.clone(),
            event: Excerpt::of(&event.id()),
        });
    }
}
