//! The events that a child had when it died.

use tokio::time::Instant;

use super::{super::trial::ALONE, UnansweredEvent, UnansweredEvents};
use crate::sinks::{
    failing_events::{Death, MAX_DEATHS},
    message::{Course, Message},
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

    /// Records that the child died, having read that many bytes, and takes an event away that it died on too often. The death
    /// accuses what was read shortly before `fresh_at`, the time of the death during a search, else all that was read.
    /// Returns true if there is something to accuse, unless that was said too often.
    pub(in crate::sinks::exec) fn record_death(
        &mut self,
        read: u64,
        fresh_at: Option<Instant>,
        cause: &str,
    ) -> bool {
        let accused = self.accused(read, fresh_at);
        let taken_away = self.state.failing.borrow_mut().record_deaths(&accused);
        for (event, _) in taken_away.into_iter().filter_map(|index| accused.get(index)) {
            self.quarantine(event, cause);
        }
        !accused.is_empty() && self.state.barren_quarantines.get() <= MAX_BARREN_QUARANTINES
    }

    fn accused(&self, read: u64, fresh_at: Option<Instant>) -> Vec<(Message, Death)> {
        let taken = self.taken(read);
        let is_late = |late: &&Message| taken.iter().all(|event| event.job.item.id != late.id);
        let late: Vec<_> = self.overdue.unanswered().filter(is_late).collect();
        let is_fresh = |event: &&UnansweredEvent| fresh_at.is_some_and(|at| event.is_fresh(at));
        let fresh: Vec<_> = taken.iter().copied().filter(is_fresh).collect();
        let (events, old) = if fresh.is_empty() { (taken, late.as_slice()) } else { (fresh, [].as_slice()) };
        let is_certain = events.len() + late.len() == 1;
        let is_slow = |event: &UnansweredEvent| !is_fresh(&event) && self.has_outlived(event.sent);
        // An event that is tried once does not come again.
        let events = events.into_iter().filter(|event| event.job.item.course != Course::Urgent);
        let death =
            |event: &UnansweredEvent| Death { given: event.sent, is_slow: is_slow(event), is_certain };
        let late_death = Death { given: self.last_answer, is_slow: true, is_certain };
        let events = events.map(|event| (event.job.item.clone(), death(event)));
        events.chain(old.iter().map(|late| ((*late).clone(), late_death))).collect()
    }

    /// Returns the events that a child has read that many bytes of; if it has read none to its end, the one it was reading.
    fn taken(&self, read: u64) -> Vec<&UnansweredEvent> {
        let taken: Vec<_> = self.events.iter().filter(|event| event.end <= read).collect();
        if !taken.is_empty() {
            return taken;
        }
        let start = |event: &UnansweredEvent| event.end.saturating_sub(event.job.item.json.len() as u64 + 1);
        self.events.iter().find(|event| start(event) < read).into_iter().collect()
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
