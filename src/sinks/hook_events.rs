//! Events that the server sends by HTTP while a person waits: they go past the events that wait, and are tried once. One that the
//! handler takes for later is an event like any other from then on.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use futures_util::{FutureExt as _, future::BoxFuture};
use matterhost_actors::{
    model::{AccountName, Event, UserId},
    ports::{Delivered, EventSink, Outcome},
};
use tokio::time::{Instant, sleep};

use super::{
    board::{SinkBoard, SinkHandle},
    event_data::HookHead,
    filter,
    hook_places::HookPlace,
};

/// The names of these events.
pub const HOOK_EVENTS: [&str; 4] = ["slash_command", "button", "menu", "dialog"];

/// The time for which an account may be without a sink that has taken an event for later, while the sink or the account is
/// restarted.
const ABSENT_FOR: Duration = Duration::from_secs(30);

/// The wait for such a sink. It is short, because a person waits for the answer.
const ABSENT_RETRY: Duration = Duration::from_millis(500);

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
                let board = handle.again.is_some().then(|| self.clone());
                hand_over(place, (Arc::clone(&handle.name), handle.direct), event, board).boxed()
            } else {
                settle(sink.deliver(&event)).map(SinkAnswer::Settled).boxed()
            };
            Some(AskedSink { name: handle.name, has_handler, answer })
        };
        taking.filter_map(ask).collect()
    }

    /// Returns the sink that delivers an account's event again, unless it has ended.
    fn again(&self, account: &AccountName, name: &str) -> Option<Arc<dyn EventSink>> {
        let mut handles = self.sinks_of(account).into_iter();
        handles.find(|handle| *handle.name == *name)?.again?.upgrade()
    }
}

/// Hands an event to a handler once it has a place there. `board` has the sink that delivers the event again, if the handler can
/// take it for later: it then says that the event is to wait.
async fn hand_over(
    place: impl Future<Output = Option<HookPlace>>,
    (name, sink): (Arc<str>, Weak<dyn EventSink>),
    event: Arc<Event>,
    board: Option<SinkBoard>,
) -> SinkAnswer {
    let Some(place) = place.await else { return SinkAnswer::Busy };
    let Some(sink) = sink.upgrade() else {
        let cause = "the sink has ended".to_owned();
        return SinkAnswer::Settled(Outcome::Retry { after: Duration::ZERO, cause });
    };
    let first = settle(sink.deliver(&event)).await;
    drop((place, sink));
    SinkAnswer::Settled(match (first, board) {
        (Outcome::Hold { after, .. }, Some(board)) => deliver_again(&board, &name, &event, after).await,
        (first, _) => first,
    })
}

/// Delivers an event that the handler has taken for later until it is answered or given up, which the sink decides, or the account
/// has left the sink.
async fn deliver_again(board: &SinkBoard, name: &str, event: &Arc<Event>, first: Duration) -> Outcome {
    let (mut after, mut absent_since) = (first, None);
    loop {
        sleep(after).await;
        let Some(sink) = board.again(&event.account, name) else {
            let since = *absent_since.get_or_insert_with(Instant::now);
            if since.elapsed() >= ABSENT_FOR {
                let cause =
                    "the account no longer delivers to the sink that took the event for later".to_owned();
                return Outcome::Rejected { cause };
            }
            after = ABSENT_RETRY;
            continue;
        };
        absent_since = None;
        match settle(sink.deliver(event)).await {
            Outcome::Retry { after: next, .. } | Outcome::Hold { after: next, .. } => after = next,
            last => return last,
        }
    }
}

async fn settle(delivered: Delivered) -> Outcome {
    match delivered {
        Delivered::Now(outcome) => outcome,
        Delivered::Later(outcome) => outcome.await,
    }
}
