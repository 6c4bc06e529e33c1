//! A sink that collects, and can be told to be slow, stubborn or broken.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::future::FutureExt as _;
use matterhost_actors::{
    model::{Change, ChannelId, Event, Generation, PostId},
    ports::{Delivered, EventSink, Outcome},
};
use tokio::sync::watch;

/// The longest that posts are waited for, in virtual time.
const TIMEOUT: Duration = Duration::from_secs(36_000);

/// How the sink takes events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum SinkBehavior {
    #[default]
    Immediate,
    Delayed(Duration),
    /// Has it, and never answers.
    Never,
    Retry,
    Reject,
    Broken,
    Panic,
}

/// Collects what it is given.
pub(crate) struct CollectingSink {
    timeout: Duration,
    behavior: Mutex<SinkBehavior>,
    taken: watch::Sender<Vec<Arc<Event>>>,
    offered: watch::Sender<usize>,
}

impl Default for CollectingSink {
    fn default() -> Self {
        Self {
            timeout: TIMEOUT,
            behavior: Mutex::default(),
            taken: watch::Sender::new(Vec::new()),
            offered: watch::Sender::new(0),
        }
    }
}

/// A change as the sink got it.
#[derive(Debug, Clone)]
pub(crate) struct ReceivedChange {
    pub(crate) change: Change,
    pub(crate) id: PostId,
    /// When the post was made; 0 of an edit or a deletion.
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
    /// For real time.
    pub(crate) fn real_time() -> Self {
        Self { timeout: super::REAL_TIMEOUT, ..Self::default() }
    }

    /// The changes taken so far, in order.
    pub(crate) fn received_changes(&self) -> Vec<ReceivedChange> {
        self.taken.borrow().iter().filter_map(|event| ReceivedChange::of(event)).collect()
    }

    /// The posts taken so far, in order.
    pub(crate) fn posts(&self) -> Vec<ReceivedChange> {
        let is_post = |taken: &ReceivedChange| matches!(taken.change, Change::Posted(_));
        self.received_changes().into_iter().filter(is_post).collect()
    }

    /// Waits until so many events were offered that are never answered.
    pub(crate) async fn wait_until_offered(&self, count: usize) {
        let mut offered = self.offered.subscribe();
        let came = tokio::time::timeout(self.timeout, offered.wait_for(|offered| *offered >= count)).await;
        assert!(came.is_ok(), "they never came");
    }

    /// Waits for an event of that name.
    pub(crate) async fn wait_for_event(&self, name: &str) {
        let mut taken = self.taken.subscribe();
        let wanted = |events: &Vec<Arc<Event>>| events.iter().any(|event| &*event.body.event == name);
        let came = tokio::time::timeout(self.timeout, taken.wait_for(wanted)).await.is_ok();
        assert!(came, "{name} never came");
    }

    /// Waits until that many changes came which are as wanted.
    pub(crate) async fn wait_for_changes(&self, count: usize, wanted: impl Fn(&ReceivedChange) -> bool) {
        let mut taken = self.taken.subscribe();
        let enough = |events: &Vec<Arc<Event>>| {
            events.iter().filter_map(|event| ReceivedChange::of(event)).filter(|taken| wanted(taken)).count()
                >= count
        };
        let came = tokio::time::timeout(self.timeout, taken.wait_for(enough)).await.is_ok();
        assert!(came, "only {:#?}", self.received_changes());
    }

    pub(crate) fn set_behavior(&self, behavior: SinkBehavior) {
        *self.behavior.lock().unwrap() = behavior;
    }

    /// The post ids (and other events' names) taken so far, in order.
    pub(crate) fn received_labels(&self) -> Vec<String> {
        self.taken.borrow().iter().map(|event| label(event)).collect()
    }

    /// Waits until so many posts were taken.
    pub(crate) async fn wait_for_posts(&self, count: usize) -> Vec<String> {
        assert!(self.has_posts(count).await, "{} posts came, not {count}", self.posts().len());
        self.received_labels().into_iter().filter(|label| !label.contains('_') && label != "hello").collect()
    }

    /// Waits until so many posts were taken, or patience ends.
    pub(crate) async fn has_posts(&self, count: usize) -> bool {
        let mut taken = self.taken.subscribe();
        let posts =
            |events: &Vec<Arc<Event>>| events.iter().filter(|event| &*event.body.event == "posted").count();
        let waiting = taken.wait_for(|events| posts(events) >= count);
        tokio::time::timeout(self.timeout, waiting).await.is_ok()
    }
}

fn label(event: &Event) -> String {
    let data: serde_json::Value = serde_json::from_str(&event.body.data).unwrap();
    let post = data["post"].as_str().and_then(|post| serde_json::from_str::<serde_json::Value>(post).ok());
    post.map_or_else(|| event.body.event.to_string(), |post| post["id"].as_str().unwrap().to_owned())
}

impl EventSink for CollectingSink {
    fn deliver(&self, event: &Arc<Event>) -> Delivered {
        let behavior = *self.behavior.lock().unwrap();
        let take = |event: &Arc<Event>, taken: &watch::Sender<Vec<Arc<Event>>>| {
            taken.send_modify(|events| events.push(event.clone()));
        };
        match behavior {
            SinkBehavior::Immediate => {
                take(event, &self.taken);
                Delivered::Now(Outcome::Acknowledged)
            }
            SinkBehavior::Delayed(time) => {
                let (event, taken) = (event.clone(), self.taken.clone());
                let later = async move {
                    tokio::time::sleep(time).await;
                    take(&event, &taken);
                    Outcome::Acknowledged
                };
                Delivered::Later(later.boxed())
            }
            SinkBehavior::Never => {
                self.offered.send_modify(|offered| *offered += 1);
                Delivered::Later(std::future::pending().boxed())
            }
            SinkBehavior::Retry => {
                Delivered::Now(Outcome::Retry { after: Duration::from_secs(1), cause: "busy".into() })
            }
            SinkBehavior::Reject => Delivered::Now(Outcome::Rejected { cause: "told to".into() }),
            SinkBehavior::Broken => Delivered::Now(Outcome::Broken { cause: "told to".into() }),
            SinkBehavior::Panic => panic!("the sink was told to panic"),
        }
    }
}
