//! A sink that collects events and can simulate delays and failures.

use std::{sync::Arc, time::Duration};

use futures_util::future::FutureExt as _;
use matterhost_actors::{
    model::{Change, ChannelId, Event, Generation, PostId},
    ports::{Delivered, EventSink, Outcome},
};
use parking_lot::Mutex;
use tokio::sync::watch;

/// The longest wait for posts, in virtual time.
const TIMEOUT: Duration = Duration::from_secs(36_000);

/// The sink's behavior on each event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum SinkBehavior {
    #[default]
    Immediate,
    Delayed(Duration),
    /// Accepts the event and never acknowledges it.
    Never,
    Retry,
    /// Asks for the event again after this time.
    RetryAfter(Duration),
    /// Accepts events, but those of this channel only after an hour.
    Hold(&'static str),
    /// Asks for the events of this channel again after a second, and takes the others at once.
    RetryIn(&'static str),
    /// Takes the events of this channel after this time, and the others at once.
    DelayedIn(&'static str, Duration),
    Reject,
    Broken,
    /// Accepts the event and is found broken after this time.
    BrokenAfter(Duration),
    /// Accepts the event and asks for it again, an hour later, after this time.
    RefusedAfter(Duration),
    Panic,
}

/// A sink that collects the events it receives.
pub(crate) struct CollectingSink {
    timeout: Duration,
    behavior: Mutex<SinkBehavior>,
    received: watch::Sender<Vec<Arc<Event>>>,
    offered: watch::Sender<usize>,
}

impl Default for CollectingSink {
    fn default() -> Self {
        Self {
            timeout: TIMEOUT,
            behavior: Mutex::default(),
            received: watch::Sender::new(Vec::new()),
            offered: watch::Sender::new(0),
        }
    }
}

/// A change that the sink received.
#[derive(Debug, Clone)]
pub(crate) struct ReceivedChange {
    pub(crate) change: Change,
    pub(crate) id: PostId,
    /// The post's creation time; 0 for an edit or a deletion.
    pub(crate) create_at: i64,
    pub(crate) channel: ChannelId,
    pub(crate) recovered: bool,
    pub(crate) generation: Generation,
}

impl ReceivedChange {
    fn of(event: &Event) -> Option<Self> {
        let change = event.body.change.clone()?;
        let (id, create_at) = match &change {
            Change::Posted(post) => (post.id.clone(), post.create_at),
            Change::Edited { id, .. } | Change::Deleted { id } => (id.clone(), 0),
            Change::Left => return None,
        };
        let (channel, recovered) = (event.body.channel_id.clone(), event.recovered);
        Some(Self { change, id, create_at, channel, recovered, generation: event.generation })
    }
}

impl CollectingSink {
    /// Creates a sink for tests in real time.
    pub(crate) fn real_time() -> Self {
        Self { timeout: super::REAL_TIMEOUT, ..Self::default() }
    }

    /// Returns the events received so far, in order.
    pub(crate) fn events(&self) -> Vec<Arc<Event>> {
        self.received.borrow().clone()
    }

    /// Returns the changes received so far, in order.
    pub(crate) fn received_changes(&self) -> Vec<ReceivedChange> {
        self.received.borrow().iter().filter_map(|event| ReceivedChange::of(event)).collect()
    }

    /// Returns the posts received so far, in order.
    pub(crate) fn posts(&self) -> Vec<ReceivedChange> {
        let is_post = |received: &ReceivedChange| matches!(received.change, Change::Posted(_));
        self.received_changes().into_iter().filter(is_post).collect()
    }

    /// Waits until this many events are left unacknowledged.
    pub(crate) async fn wait_until_offered(&self, count: usize) {
        let mut offered = self.offered.subscribe();
        let arrived = tokio::time::timeout(self.timeout, offered.wait_for(|offered| *offered >= count)).await;
        assert!(arrived.is_ok(), "fewer than {count} events were offered in time");
    }

    /// Waits for an event with this name.
    pub(crate) async fn wait_for_event(&self, name: &str) {
        let mut received = self.received.subscribe();
        let wanted = |events: &Vec<Arc<Event>>| events.iter().any(|event| &*event.body.event == name);
        let arrived = tokio::time::timeout(self.timeout, received.wait_for(wanted)).await.is_ok();
        assert!(arrived, "{name} did not arrive in time");
    }

    /// Waits until this many matching changes have arrived.
    pub(crate) async fn wait_for_changes(&self, count: usize, wanted: impl Fn(&ReceivedChange) -> bool) {
        let mut received = self.received.subscribe();
        let enough = |events: &Vec<Arc<Event>>| {
            events
                .iter()
                .filter_map(|event| ReceivedChange::of(event))
                .filter(|received| wanted(received))
                .count()
                >= count
        };
        let arrived = tokio::time::timeout(self.timeout, received.wait_for(enough)).await.is_ok();
        assert!(arrived, "only {:#?} arrived in time", self.received_changes());
    }

    pub(crate) fn set_behavior(&self, behavior: SinkBehavior) {
        *self.behavior.lock() = behavior;
    }

    /// Returns the post ids (and other events' names) received so far, in order.
    pub(crate) fn received_labels(&self) -> Vec<String> {
        self.received.borrow().iter().map(|event| label(event)).collect()
    }

    /// Waits until this many posts have arrived, and returns their ids.
    pub(crate) async fn wait_for_posts(&self, count: usize) -> Vec<String> {
        assert!(self.has_posts(count).await, "{} posts arrived, not {count}", self.posts().len());
        self.received_labels().into_iter().filter(|label| !label.contains('_') && label != "hello").collect()
    }

    /// Waits until this many posts have arrived; false after the timeout.
    pub(crate) async fn has_posts(&self, count: usize) -> bool {
        let mut received = self.received.subscribe();
        let posts =
            |events: &Vec<Arc<Event>>| events.iter().filter(|event| &*event.body.event == "posted").count();
        let waiting = received.wait_for(|events| posts(events) >= count);
        tokio::time::timeout(self.timeout, waiting).await.is_ok()
    }
}

fn label(event: &Event) -> String {
    let data: serde_json::Value = serde_json::from_str(&event.body.data).unwrap();
    let post = data["post"].as_str().and_then(|post| serde_json::from_str::<serde_json::Value>(post).ok());
    post.map_or_else(|| event.body.event.to_string(), |post| post["id"].as_str().unwrap().to_owned())
}

fn later(time: Duration, outcome: Outcome) -> Delivered {
    Delivered::Later(tokio::time::sleep(time).map(|()| outcome).boxed())
}

impl EventSink for CollectingSink {
    fn deliver(&self, event: &Arc<Event>) -> Delivered {
        let behavior = match *self.behavior.lock() {
            SinkBehavior::RetryIn(channel) if event.body.channel_id.as_str() == channel => {
                let after = Duration::from_secs(1);
                return Delivered::Now(Outcome::Hold { after, cause: "sink hook: 500".into() });
            }
            SinkBehavior::DelayedIn(channel, time) if event.body.channel_id.as_str() == channel => {
                SinkBehavior::Delayed(time)
            }
            SinkBehavior::RetryIn(_) | SinkBehavior::DelayedIn(..) => SinkBehavior::Immediate,
            behavior => behavior,
        };
        let take = |event: &Arc<Event>, received: &watch::Sender<Vec<Arc<Event>>>| {
            received.send_modify(|events| events.push(event.clone()));
        };
        match behavior {
            SinkBehavior::Hold(channel) if event.body.channel_id.as_str() == channel => {
                let after = Duration::from_secs(3_600);
                let outcome = Outcome::Hold { after, cause: "sink hook: 500".into() };
                Delivered::Later(std::future::ready(outcome).boxed())
            }
            SinkBehavior::Immediate
            | SinkBehavior::Hold(_)
            | SinkBehavior::RetryIn(_)
            | SinkBehavior::DelayedIn(..) => {
                take(event, &self.received);
                Delivered::Now(Outcome::Acknowledged)
            }
            SinkBehavior::Delayed(time) => {
                let (event, received) = (event.clone(), self.received.clone());
                let later = async move {
                    tokio::time::sleep(time).await;
                    take(&event, &received);
                    Outcome::Acknowledged
                };
                Delivered::Later(later.boxed())
            }
            SinkBehavior::BrokenAfter(time) => later(time, Outcome::Broken { cause: "scripted".into() }),
            SinkBehavior::RefusedAfter(time) => {
                let after = Duration::from_secs(3_600);
                later(time, Outcome::Retry { after, cause: "down".into() })
            }
            SinkBehavior::Never => {
                self.offered.send_modify(|offered| *offered += 1);
                Delivered::Later(std::future::pending().boxed())
            }
            SinkBehavior::Retry => {
                Delivered::Now(Outcome::Retry { after: Duration::from_secs(1), cause: "busy".into() })
            }
            SinkBehavior::RetryAfter(after) => Delivered::Now(Outcome::Retry { after, cause: "down".into() }),
            SinkBehavior::Reject => Delivered::Now(Outcome::Rejected { cause: "scripted".into() }),
            SinkBehavior::Broken => Delivered::Now(Outcome::Broken { cause: "scripted".into() }),
            SinkBehavior::Panic => panic!("a scripted panic"),
        }
    }
}
