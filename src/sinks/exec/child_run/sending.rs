//! The choice of the events that go to the child now.

use std::time::Duration;

use matterhost_actors::ports::Outcome;
use tokio::time::Instant;

use super::{
    super::{queue_full, trial::Trial},
    ChildRun,
};
use crate::{
    config::MAX_HOOKS,
    sinks::{
        failing_events::Suspicion,
        message::{Course, Message},
        queue::Job,
    },
};

/// The wait of a doubtful event while the child has another.
const DOUBTFUL_WAIT: Duration = Duration::from_millis(500);

impl ChildRun<'_> {
    /// Sends an event for which a person waits, and queues any other.
    pub(super) fn accept(&mut self, job: Job<Message>) {
        if job.item.course == Course::Urgent {
            self.send_hook(job);
        } else if self.state.suspicion(&job.item).is_some() {
            if !self.has_suspects() {
                self.wait_for_fresh();
            }
            self.suspects.push(job);
        } else {
            self.state.waiting.borrow_mut().push(&job.item.account.clone(), job);
        }
    }

    /// Sends the events that may go to the child now: none during a trial, and suspects and others in turn. Returns the time of
    /// the next look, if anything waits for its turn.
    pub(super) fn send_waiting(&mut self) -> Option<Instant> {
        self.state.forget_accounts();
        loop {
            if let Some(next_look) = self.next_turn() {
                return Some(next_look);
            }
            let is_long = self.next_trial_is_long();
            if self.turns.is_others_turn(Instant::now(), is_long) && self.give_others_a_turn(is_long) {
                continue;
            }
            let Some((job, trial)) = self.take_suspect() else {
                self.send_others();
                return None;
            };
            let sent = self.send_to_child(job);
            self.on_trial = sent.zip(trial).map(|(end, length)| Trial::new(end, length));
            if self.on_trial.is_some() {
                self.turns.begin_trial(Instant::now());
            }
        }
    }

    /// Returns true if the search for an event that kills goes on.
    pub(super) fn has_suspects(&self) -> bool {
        self.on_trial.is_some() || !self.suspects.is_empty()
    }

    /// Returns the time of the next look while a trial goes on, or the turn of the others.
    fn next_turn(&mut self) -> Option<Instant> {
        if !self.has_suspects() {
            return None;
        }
        let now = self.look();
        let next_look = self.on_trial.and_then(|trial| self.unanswered.next_look_at(trial, now));
        if next_look.is_none() {
            self.on_trial = None;
        }
        next_look.or_else(|| self.turns.next_look(|place| self.unanswered.next_look_in(place, now)))
    }

    /// Looks how much the child has read, and returns the time.
    fn look(&mut self) -> Instant {
        let now = Instant::now();
        self.unanswered.record_read(self.input.read_by_child(), now);
        now
    }

    /// Sends the events that wait and are no suspects, as far as there are slots.
    fn send_others(&mut self) {
        while let Some(job) = self.state.take_waiting() {
            self.send_to_child(job);
        }
    }

    /// Sends those events. Returns true if the suspects have to wait for them, or before a long trial for what the child was
    /// given shortly before.
    fn give_others_a_turn(&mut self, is_long: bool) -> bool {
        let queued = self.input.queued();
        self.send_others();
        let fresh = self.unanswered.first_fresh(Instant::now()).filter(|_| is_long);
        let start = fresh.map_or(queued, |fresh| fresh.min(queued));
        self.begin_others(start)
    }

    /// Lets the suspects that come now wait until nothing that the child has is fresh.
    fn wait_for_fresh(&mut self) {
        let now = self.look();
        if let Some(start) = self.unanswered.first_fresh(now) {
            self.begin_others(start);
        }
    }

    /// Begins the others' turn with what was sent after a place of the child's input. Returns false if that is nothing.
    fn begin_others(&mut self, start: u64) -> bool {
        let place = start..self.input.queued();
        let has_begun = self.unanswered.next_look_in(&place, Instant::now()).is_some();
        if has_begun {
            self.turns.begin_others(place);
        }
        has_begun
    }

    /// Returns true if the next trial needs a child that has read nothing else shortly before.
    fn next_trial_is_long(&self) -> bool {
        self.next_suspect().and_then(|(_, it)| it).is_some_and(|it| it.needs_long_trial())
    }

    /// Returns the index of the suspect that goes next, with the suspicion.
    fn next_suspect(&self) -> Option<(usize, Option<Suspicion>)> {
        let suspicions = self.suspects.iter().map(|job| self.state.suspicion(&job.item));
        suspicions.enumerate().min_by_key(|(_, it)| it.as_ref().map(Suspicion::rank))
    }

    /// Takes the suspect that goes next, with a slot. Returns it with the time for which it is to have the child for itself.
    fn take_suspect(&mut self) -> Option<(Job<Message>, Option<Duration>)> {
        loop {
            let (index, suspicion) = self.next_suspect()?;
            if suspicion.is_some_and(|it| it.is_doubtful()) && self.unanswered.has_doubtful() {
                let cause = "the handler failed with this event, and is tried with another such event first";
                let outcome = Outcome::Hold { after: DOUBTFUL_WAIT, cause: cause.into() };
                self.suspects.swap_remove(index).settle(outcome);
                continue;
            }
            if !self.state.take_slot(self.suspects.get(index)?) {
                return None;
            }
            let length = suspicion.and_then(|it| it.trial_length());
            return Some((self.suspects.swap_remove(index), length));
        }
    }

    /// Sends an event for which a person waits, past those that wait for a slot: it has a place of its own. The child may also have
    /// some that were given up, and its input has room for no more.
    fn send_hook(&mut self, job: Job<Message>) {
        if self.unanswered.count_hooks() >= MAX_HOOKS {
            return job.settle(queue_full());
        }
        self.send_to_child(job);
    }

    /// Sends an event. Returns the place of its line's end in the child's input, unless it was not sent.
    fn send_to_child(&mut self, job: Job<Message>) -> Option<u64> {
        if job.is_abandoned() {
            self.state.release(&job);
            job.settle(queue_full());
            return None;
        }
        let job = self.unanswered.join_work(job)?;
        let end = self.input.send_event(format!("{}\n", job.item.json), job.item.account.clone());
        self.unanswered.add(job, end);
        Some(end)
    }
}
