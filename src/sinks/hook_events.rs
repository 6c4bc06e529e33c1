//! Events that the server sends by HTTP while a person waits: they go past the events that wait, and are tried once.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use futures_util::{FutureExt as _, future::BoxFuture};
use matterhost_actors::{
    model::{AccountName, Event, UserId},
    ports::{Delivered, EventSink, Outcome},
};

use super::{
    board::{SinkBoard, SinkHandle},
    event_data::HookHead,
    filter,
    hook_places::HookPlace,
};

/// The names of these events.
pub const HOOK_EVENTS: [&str; 4] = ["slash_command", "button", "menu", "dialog"];

/// A sink that has such an event, and its answer.
pub struct AskedSink {
    /// The sink's name.
    pub name: Arc<str>,
    /// True if it has a handler, which can answer.
    pub has_handler: bool,
    /// Its answer.
    pub answer: BoxFuture<'static, SinkAnswer>,
}

/// The answer of a sink to such an event.
#[derive(Debug)]
pub enum SinkAnswer {
    /// The sink has answered.
    Settled(Outcome),
    /// Its handler has so many of these events that this one did not reach it in time.
    Busy,
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
            let (sink, event, has_handler) =
                (handle.direct.upgrade()?, Arc::clone(event), handle.target.is_some());
            let answer = if has_handler {
                let place = handle.hooks.take(account);
                hand_over(place, handle.direct, event).boxed()
            } else {
                settle(sink.deliver(&event)).boxed()
            };
            Some(AskedSink { name: handle.name, has_handler, answer })
        };
        taking.filter_map(ask).collect()
    }
}

/// Hands an event to a handler once it has a place there.
async fn hand_over(
    place: impl Future<Output = Option<HookPlace>>,
    sink: Weak<dyn EventSink>,
    event: Arc<Event>,
) -> SinkAnswer {
    let Some(_place) = place.await else { return SinkAnswer::Busy };
    let Some(sink) = sink.upgrade() else {
        let cause = "the sink has ended".to_owned();
        return SinkAnswer::Settled(Outcome::Retry { after: Duration::ZERO, cause });
    };
    settle(sink.deliver(&event)).await
}

async fn settle(delivered: Delivered) -> SinkAnswer {
    SinkAnswer::Settled(match delivered {
        Delivered::Now(outcome) => outcome,
        Delivered::Later(outcome) => outcome.await,
    })
}
