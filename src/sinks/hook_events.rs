//! Events that the server sends by HTTP while a person waits: they go past the events that wait, and are tried once.

use std::sync::Arc;

use matterhost_actors::{
    model::{AccountName, Event, UserId},
    ports::Delivered,
};

use super::{
    board::{SinkBoard, SinkHandle},
    event_data::HookHead,
    filter,
};

/// The names of these events.
pub const HOOK_EVENTS: [&str; 4] = ["slash_command", "button", "menu", "dialog"];

/// The most of them that a handler has at once, beside the slots that other events share.
pub(super) const MAX_HOOKS: usize = 64;

/// A sink that has such an event, and its answer.
#[derive(Debug)]
pub struct AskedSink {
    /// The sink's name.
    pub name: Arc<str>,
    /// True if it has a handler, which can answer.
    pub has_handler: bool,
    /// Its answer.
    pub delivered: Delivered,
}

/// Returns true for the name of an event that a person waits for.
pub(super) fn is_hook(event: &str) -> bool {
    HOOK_EVENTS.contains(&event)
}

/// Returns the person who waits for an event; `None` for other events.
pub(super) fn person(event: &Event) -> Option<UserId> {
    let head: HookHead =
        is_hook(&event.body.event).then(|| serde_json::from_str(&event.body.data).ok())??;
    head.user_id
}

impl SinkBoard {
    /// Hands an event to each sink of an account whose filter takes it, once.
    pub fn ask(&self, account: &AccountName, event: &Arc<Event>) -> Vec<AskedSink> {
        let handles = self.sinks_of(account).into_iter();
        let taking = handles.filter(|handle| filter::accepts(&handle.filter, event));
        let ask = |handle: SinkHandle| {
            let delivered = handle.direct.upgrade()?.deliver(event);
            Some(AskedSink { name: handle.name, has_handler: handle.target.is_some(), delivered })
        };
        taking.filter_map(ask).collect()
    }
}
