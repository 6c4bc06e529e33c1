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
const PATIENCE: Duration = Duration::from_secs(36_000);

/// How the sink takes events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Manner {
    #[default]
    AtOnce,
    After(Duration),
    /// Has it, and never answers.
    Never,
    Retry,
    Reject,
    Broken,
    Panic,
}

/// Collects what it is given.
pub(crate) struct Collector {
    patience: Duration,
    manner: Mutex<Manner>,
    taken: watch::Sender<Vec<Arc<Event>>>,
    offered: watch::Sender<usize>,
}

impl Default for Collector {
    fn default() -> Self {
        Self {
            patience: PATIENCE,
            manner: Mutex::default(),
            taken: watch::Sender::new(Vec::new()),
            offered: watch::Sender::new(0),
        }
    }
}

/// A change as the sink got it.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) change: Change,
    pub(crate) id: PostId,
    /// When the post was made; 0 of an edit or a deletion.
    pub(crate) create_at: i64,
    pub(crate) channel: ChannelId,
    pub(crate) recovered: bool,
    pub(crate) generation: Generation,
}

impl Taken {
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

impl Collector {
    /// For real time.
    pub(crate) fn live() -> Self {
        Self { patience: super::REAL_PATIENCE, ..Self::default() }
    }

    /// The changes taken so far, in order.
    pub(crate) fn taken_so_far(&self) -> Vec<Taken> {
        self.taken.borrow().iter().filter_map(|event| Taken::of(event)).collect()
    }

    /// The posts taken so far, in order.
    pub(crate) fn posts(&self) -> Vec<Taken> {
        let is_post = |taken: &Taken| matches!(taken.change, Change::Posted(_));
        self.taken_so_far().into_iter().filter(is_post).collect()
    }

    /// Waits until so many events were offered that are never answered.
    pub(crate) async fn until_offered(&self, count: usize) {
        let mut offered = self.offered.subscribe();
        let came = tokio::time::timeout(self.patience, offered.wait_for(|offered| *offered >= count)).await;
        assert!(came.is_ok(), "they never came");
    }

    /// Waits for an event of that name.
    pub(crate) async fn until_event(&self, name: &str) {
        let mut taken = self.taken.subscribe();
        let wanted = |events: &Vec<Arc<Event>>| events.iter().any(|event| &*event.body.event == name);
        let came = tokio::time::timeout(self.patience, taken.wait_for(wanted)).await.is_ok();
        assert!(came, "{name} never came");
    }

    /// Waits until that many changes came which are as wanted.
    pub(crate) async fn until_taken(&self, count: usize, wanted: impl Fn(&Taken) -> bool) {
        let mut taken = self.taken.subscribe();
        let enough = |events: &Vec<Arc<Event>>| {
            events.iter().filter_map(|event| Taken::of(event)).filter(|taken| wanted(taken)).count() >= count
        };
        let came = tokio::time::timeout(self.patience, taken.wait_for(enough)).await.is_ok();
        assert!(came, "only {:#?}", self.taken_so_far());
    }

    pub(crate) fn behave(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    /// The post ids (and other events' names) taken so far, in order.
    pub(crate) fn taken(&self) -> Vec<String> {
        self.taken.borrow().iter().map(|event| label(event)).collect()
    }

    /// Waits until so many posts were taken.
    pub(crate) async fn until_posts(&self, count: usize) -> Vec<String> {
        assert!(self.has_posts(count).await, "{} posts came, not {count}", self.posts().len());
        self.taken().into_iter().filter(|label| !label.contains('_') && label != "hello").collect()
    }

    /// Waits until so many posts were taken, or patience ends.
    pub(crate) async fn has_posts(&self, count: usize) -> bool {
        let mut taken = self.taken.subscribe();
        let posts =
            |events: &Vec<Arc<Event>>| events.iter().filter(|event| &*event.body.event == "posted").count();
        let waiting = taken.wait_for(|events| posts(events) >= count);
        tokio::time::timeout(self.patience, waiting).await.is_ok()
    }
}

fn label(event: &Event) -> String {
    let data: serde_json::Value = serde_json::from_str(&event.body.data).unwrap();
    let post = data["post"].as_str().and_then(|post| serde_json::from_str::<serde_json::Value>(post).ok());
    post.map_or_else(|| event.body.event.to_string(), |post| post["id"].as_str().unwrap().to_owned())
}

impl EventSink for Collector {
    fn deliver(&self, event: &Arc<Event>) -> Delivered {
        let manner = *self.manner.lock().unwrap();
        let take = |event: &Arc<Event>, taken: &watch::Sender<Vec<Arc<Event>>>| {
            taken.send_modify(|events| events.push(event.clone()));
        };
        match manner {
            Manner::AtOnce => {
                take(event, &self.taken);
                Delivered::Now(Outcome::Acknowledged)
            }
            Manner::After(time) => {
                let (event, taken) = (event.clone(), self.taken.clone());
                let later = async move {
                    tokio::time::sleep(time).await;
                    take(&event, &taken);
                    Outcome::Acknowledged
                };
                Delivered::Later(later.boxed())
            }
            Manner::Never => {
                self.offered.send_modify(|offered| *offered += 1);
                Delivered::Later(std::future::pending().boxed())
            }
            Manner::Retry => {
                Delivered::Now(Outcome::Retry { after: Duration::from_secs(1), cause: "busy".into() })
            }
            Manner::Reject => Delivered::Now(Outcome::Rejected { cause: "told to".into() }),
            Manner::Broken => Delivered::Now(Outcome::Broken { cause: "told to".into() }),
            Manner::Panic => panic!("the sink was told to panic"),
        }
    }
}
