//! Events that a child has acknowledged and may still answer.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
};

use crate::sinks::{message::Message, reply::RawAction};

/// The most events that are kept: more than a handler answers later at a time.
const MAX_EVENTS: usize = 1_024;
/// The most bytes of these events.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// The events that a child has acknowledged last, for actions that come later. Clones share them.
#[derive(Clone, Default)]
pub(super) struct AcknowledgedEvents(Rc<RefCell<Kept>>);

#[derive(Default)]
struct Kept {
    /// The events with the number of their posts, oldest first.
    events: VecDeque<(Rc<Message>, Rc<Cell<usize>>)>,
    bytes: usize,
}

impl AcknowledgedEvents {
    /// Keeps an event that was answered by so many posts. The oldest make room.
    pub(super) fn add(&self, message: Message, posts: usize) {
        let mut kept = self.0.borrow_mut();
        kept.bytes += message.json.len();
        kept.events.push_back((Rc::new(message), Rc::new(Cell::new(posts))));
        while kept.events.len() > MAX_EVENTS || kept.bytes > MAX_BYTES {
            let Some((oldest, _)) = kept.events.pop_front() else { return };
            kept.bytes -= oldest.json.len();
        }
    }

    /// Returns the event that an action names, with the number of its posts.
    pub(super) fn find(&self, action: &RawAction) -> Option<(Rc<Message>, Rc<Cell<usize>>)> {
        // Without a name it would be for any of them.
        action.to()?;
        let kept = self.0.borrow();
        let events: Vec<_> = kept.events.iter().rev().map(|(message, _)| &**message).collect();
        let index = action.event_index(&events).ok()?;
        kept.events.iter().rev().nth(index).cloned()
    }
}
