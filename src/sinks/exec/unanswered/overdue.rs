//! Events whose time has passed and that a child may still answer.

use std::collections::VecDeque;

use tokio::{task::JoinHandle, time::Instant};

use super::super::protocol::EventRef;
use crate::sinks::{message::Message, reply::RawAction};

/// The most such events; older ones are forgotten.
const MAX_OVERDUE: usize = 1_024;
/// The most bytes of these events, apart from the newest.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// The events of a child whose time has passed, oldest first.
#[derive(Default)]
pub(super) struct OverdueEvents(VecDeque<OverdueEvent>);

/// An event whose time has passed.
pub(super) struct OverdueEvent {
    pub(super) message: Message,
    /// The number of posts among its actions.
    pub(super) posts: usize,
    /// The actions that are not done.
    pub(super) actions: Vec<JoinHandle<()>>,
    pub(super) progress: Progress,
}

/// The part of a child's work that it reported after the time had passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// The child has said nothing.
    Unknown,
    /// The child is at work on the event until then.
    Working(Instant),
    /// The child has acknowledged the event.
    Acknowledged,
}

impl OverdueEvents {
    /// Adds an event. The oldest make room.
    pub(super) fn add(&mut self, event: OverdueEvent) {
        while self.0.len() >= MAX_OVERDUE || self.bytes() > MAX_BYTES {
            self.0.pop_front();
        }
        self.0.push_back(event);
    }

    fn bytes(&self) -> usize {
        self.0.iter().map(|event| event.message.json.len()).sum()
    }

    /// Returns the events that the child has not acknowledged.
    pub(super) fn unanswered(&self) -> impl Iterator<Item = &Message> {
        let unanswered = self.0.iter().filter(|event| event.progress != Progress::Acknowledged);
        unanswered.map(|event| &event.message)
    }

    pub(super) fn forget(&mut self, event_ref: &EventRef) {
        self.0.retain(|event| !event_ref.matches(&event.message));
    }

    pub(super) fn contains(&self, event_ref: &EventRef) -> bool {
        self.0.iter().any(|event| event_ref.matches(&event.message))
    }

    /// Records that the child is at work on an event until then.
    pub(super) fn extend(&mut self, event_ref: &EventRef, until: Instant) {
        self.set(event_ref, Progress::Working(until));
    }

    /// Records that the child has acknowledged an event.
    pub(super) fn acknowledge(&mut self, event_ref: &EventRef) {
        self.set(event_ref, Progress::Acknowledged);
    }

    fn set(&mut self, event_ref: &EventRef, progress: Progress) {
        if let Some(event) = self.0.iter_mut().find(|event| event_ref.matches(&event.message)) {
            event.progress = progress;
        }
    }

    /// Returns the event that an action names, if the child is known to work on it.
    pub(super) fn find(&mut self, action: &RawAction) -> Option<&mut OverdueEvent> {
        // Without a name it would be for any of them.
        action.to()?;
        let known = |event: &&mut OverdueEvent| event.progress != Progress::Unknown;
        let mut events: Vec<_> = self.0.iter_mut().filter(known).collect();
        let messages: Vec<_> = events.iter().map(|event| &event.message).collect();
        let index = action.event_index(&messages).ok()?;
        Some(events.swap_remove(index))
    }

    /// Removes the event that is delivered again, if the child is at work on it or has acknowledged it.
    pub(super) fn take_known(&mut self, again: &Message, now: Instant) -> Option<OverdueEvent> {
        let is_known = |event: &OverdueEvent| match event.progress {
            Progress::Unknown => false,
            Progress::Working(until) => until > now,
            Progress::Acknowledged => true,
        };
        let is_same = |event: &OverdueEvent| event.message.is_same_event(again) && is_known(event);
        let index = self.0.iter().position(is_same)?;
        self.0.remove(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::tests::fixtures::post;

    #[test]
    fn long_events_are_forgotten_for_new_ones() {
        let mut overdue = OverdueEvents::default();
        for n in 0..10 {
            let message = Message::from_event(&post("c", &n.to_string()));
            let message = Message { json: "x".repeat(1024 * 1024).into(), ..message };
            let (posts, actions, progress) = (0, Vec::new(), Progress::Unknown);
            overdue.add(OverdueEvent { message, posts, actions, progress });
        }
        let kept: Vec<_> = overdue.unanswered().map(|event| &*event.id).collect();
        assert_eq!(kept, ["5", "6", "7", "8", "9"]);
    }
}
