//! The choice of the events that go to the child now.

use std::time::Duration;

use matterhost_actors::ports::Outcome;
use tokio::time::Instant;

use super::{
    super::{queue_full, trial::Trial},
    ChildRun,
};
use crate::sinks::{failing_events::Suspicion, hook_events::MAX_HOOKS, message::Message, queue::Job};

/// The wait of a doubtful event while the child has another.
const DOUBTFUL_WAIT: Duration = Duration::from_millis(500);

impl ChildRun<'_> {
    /// Sends an event for which a person waits, and queues any other.
    pub(super) fn accept(&mut self, job: Job<Message>) {
        if job.item.is_hook {
            self.send_hook(job);
        } else if self.state.suspicion(&job.item).is_some() {
            self.suspects.push(job);
        } else {
            self.state.waiting.borrow_mut().push(&job.item.account.clone(), job);
        }
    }

    /// Sends the events that may go to the child now: none during a trial, and suspects before others.
    pub(super) fn send_waiting(&mut self) {
        self.state.forget_accounts();
        while !self.trial_goes_on() {
            if let Some((job, needs_trial)) = self.take_suspect() {
                let sent = self.send_to_child(job);
                self.on_trial = sent.filter(|_| needs_trial).map(Trial::begin);
            } else if let Some(job) = self.state.take_waiting() {
                self.send_to_child(job);
            } else {
                return;
            }
        }
    }

    fn trial_goes_on(&mut self) -> bool {
        let (read, now) = (self.input.read_by_child(), Instant::now());
        let unanswered = self.on_trial.filter(|trial| self.unanswered.has(trial.end));
        self.on_trial = unanswered.and_then(|mut trial| (!trial.is_over(read, now)).then_some(trial));
        self.on_trial.is_some()
    }

    /// Takes the suspect that goes next, with a slot. Returns it with true if it is to have the child for itself.
    fn take_suspect(&mut self) -> Option<(Job<Message>, bool)> {
        loop {
            let suspicion = |job: &Job<Message>| self.state.suspicion(&job.item);
            let ranked = self.suspects.iter().map(suspicion).enumerate();
            let (index, suspicion) = ranked.min_by_key(|(_, it)| it.as_ref().map(Suspicion::rank))?;
            if suspicion.is_some_and(|it| it.is_doubtful()) && self.unanswered.has_doubtful() {
                let cause = "the handler failed with this event, and is tried with another such event first";
                let outcome = Outcome::Hold { after: DOUBTFUL_WAIT, cause: cause.into() };
                self.suspects.swap_remove(index).settle(outcome);
                continue;
            }
            if !self.state.take_slot(self.suspects.get(index)?) {
                return None;
            }
            return Some((self.suspects.swap_remove(index), suspicion.is_some_and(|it| it.needs_trial())));
        }
    }

    /// Sends an event for which a person waits, past those that wait for a slot.
    fn send_hook(&mut self, job: Job<Message>) {
        if self.unanswered.count_hooks() >= MAX_HOOKS {
            return job.settle(queue_full());
        }
        self.send_to_child(job);
    }

    /// Sends an event. Returns the place of its line's end in the child's input, unless it was not sent.
    fn send_to_child(&mut self, job: Job<Message>) -> Option<u64> {
        let refusal = if job.is_abandoned() {
            Some(queue_full())
        } else {
            self.state.handler_deps.fence(&job.item.account)
        };
        if let Some(refusal) = refusal {
            self.state.release(&job);
            job.settle(refusal);
            return None;
        }
        let job = self.unanswered.join_work(job)?;
        let end = self.input.send(format!("{}\n", job.item.json));
        self.unanswered.add(job, end);
        Some(end)
    }
}
