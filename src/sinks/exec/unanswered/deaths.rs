//! The events that a child had when it died.

use tokio::time::Instant;

use super::{
    super::trial::{ALONE, Trial},
    UnansweredEvent, UnansweredEvents,
};
use crate::sinks::{
    failing_events::{Death, MAX_DEATHS},
    message::Message,
};

/// The events in a row, without an accepted one between them, that are taken away before the failures of the child are
/// charged: a child that dies on every event is broken itself. Several accounts may receive the same post.
const MAX_BARREN_QUARANTINES: u32 = 8;

impl UnansweredEvents {
    /// Describes the events that a child has read that many bytes of, for the log.
    pub(in crate::sinks::exec) fn describe_read(&self, read: u64) -> String {
        let taken: Vec<_> = self.events.iter().filter(|event| event.end <= read).collect();
        let Some(first) = taken.first().map(|event| &event.job.item) else { return String::new() };
        let more = match taken.len() - 1 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let (id, channel, account) = (&first.id, first.channel.as_str(), first.account.as_str());
        format!("; it had event {id} in channel {channel} of account {account}{more}")
    }

    /// Records that the child died at a time, having read that many bytes, and takes an event away that it died on too often.
    /// During a trial each event may be the cause that the child has read shortly before, else each that it has read. Returns
    /// true if there is one, unless that was said too often.
    pub(in crate::sinks::exec) fn record_death(
        &mut self,
        read: u64,
        on_trial: Option<Trial>,
        died_at: Instant,
        cause: &str,
    ) -> bool {
        let is_on_trial = |event: &&UnansweredEvent| on_trial.is_some_and(|trial| trial.end == event.end);
        let taken: Vec<_> = self.events.iter().filter(|event| event.end <= read).collect();
        let late = self.overdue.unanswered();
        let late: Vec<_> =
            late.filter(|late| taken.iter().all(|event| event.job.item.id != late.id)).collect();
        let is_certain = taken.len() + late.len() == 1;
        let death = |given| Death { given, is_slow: self.has_outlived(given), is_certain };
        let suspects: Vec<_> = if taken.iter().any(is_on_trial) {
            let fresh: Vec<_> =
                taken.into_iter().filter(|event| is_on_trial(event) || event.is_fresh(died_at)).collect();
            let is_certain = fresh.len() == 1;
            let death = |given| Death { given, is_slow: false, is_certain };
            fresh.into_iter().map(|event| (event.job.item.clone(), death(event.sent))).collect()
        } else {
            let taken = taken.iter().map(|event| (event.job.item.clone(), death(event.sent)));
            let late_death = Death { given: self.last_answer, is_slow: true, is_certain };
            taken.chain(late.into_iter().map(|late| (late.clone(), late_death))).collect()
        };
        for (suspect, death) in &suspects {
            if self.state.failing.borrow_mut().record_death(suspect, *death) {
                self.quarantine(suspect, cause);
            }
        }
        !suspects.is_empty() && self.state.barren_quarantines.get() <= MAX_BARREN_QUARANTINES
    }

    /// Returns true if the child has had an event from then on for a while, and answered others after that.
    fn has_outlived(&self, given: Instant) -> bool {
        self.first_answer.is_some_and(|first| self.last_answer >= given.max(first) + ALONE)
    }

    fn quarantine(&mut self, suspect: &Message, cause: &str) {
        let is_suspect = |event: &UnansweredEvent| event.job.item.is_same_event(suspect);
        let index = self.events.iter().position(is_suspect);
        if let Some(event) = index.and_then(|index| self.remove(index)) {
            let deaths = self.state.suspicion(suspect).map_or(MAX_DEATHS, |suspicion| suspicion.deaths);
            let cause = format!("the handler failed {deaths} times with this event; the last time {cause}");
            self.state.barren_quarantines.set(self.state.barren_quarantines.get() + 1);
            self.state.reject(event.job, &cause);
        }
    }
}
