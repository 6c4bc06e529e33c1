//! A sink that collects, and can be told to be slow, stubborn or broken.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::future::FutureExt as _;
use matterhost_actors::{
    model::{ChannelId, Event, Generation, PostId},
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
}

impl Default for Collector {
    fn default() -> Self {
        Self { patience: PATIENCE, manner: Mutex::default(), taken: watch::Sender::new(Vec::new()) }
    }
}

/// A post as the sink got it.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) id: PostId,
    pub(crate) create_at: i64,
    pub(crate) channel: ChannelId,
    pub(crate) recovered: bool,
    pub(crate) generation: Generation,
}

impl Collector {
    /// For real time.
    pub(crate) fn live() -> Self {
        Self { patience: super::REAL_PATIENCE, ..Self::default() }
    }

    /// The posts taken so far, in order.
    pub(crate) fn posts(&self) -> Vec<Taken> {
        let taken = |event: &Arc<Event>| {
            let post = event.body.post()?.clone();
            Some(Taken {
                id: post.id,
                create_at: post.create_at,
                channel: event.body.channel_id.clone(),
                recovered: event.recovered,
                generation: event.generation,
            })
        };
        self.taken.borrow().iter().filter_map(taken).collect()
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
            Manner::Retry => {
                Delivered::Now(Outcome::Retry { after: Duration::from_secs(1), cause: "busy".into() })
            }
            Manner::Reject => Delivered::Now(Outcome::Rejected { cause: "told to".into() }),
            Manner::Broken => Delivered::Now(Outcome::Broken { cause: "told to".into() }),
            Manner::Panic => panic!("the sink was told to panic"),
        }
    }
}
