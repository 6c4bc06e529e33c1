//! A sink that collects, and can be told to be slow, stubborn or broken.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::future::FutureExt as _;
use matterhost_actors::{
    model::Event,
    ports::{Delivered, EventSink, Outcome},
};
use tokio::sync::watch;

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
    manner: Mutex<Manner>,
    taken: watch::Sender<Vec<Arc<Event>>>,
}

impl Default for Collector {
    fn default() -> Self {
        Self { manner: Mutex::default(), taken: watch::Sender::new(Vec::new()) }
    }
}

impl Collector {
    pub(crate) fn behave(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    /// The post ids (and other events' names) taken so far, in order.
    pub(crate) fn taken(&self) -> Vec<String> {
        self.taken.borrow().iter().map(|event| label(event)).collect()
    }

    /// Waits until so many posts were taken.
    pub(crate) async fn until_posts(&self, count: usize) -> Vec<String> {
        let mut taken = self.taken.subscribe();
        let posts =
            |events: &Vec<Arc<Event>>| events.iter().filter(|event| &*event.body.event == "posted").count();
        let waiting = taken.wait_for(|events| posts(events) >= count);
        tokio::time::timeout(Duration::from_secs(36_000), waiting).await.expect("posts never came").unwrap();
        self.taken().into_iter().filter(|label| !label.contains('_') && label != "hello").collect()
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
