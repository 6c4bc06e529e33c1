//! Events, a scripted sink and a recording reply poster.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use futures_util::{FutureExt as _, future::BoxFuture};
use matterhost_actors::{
    model::{
        AccountName, AccountUser, Change, ChannelId, Event, EventBody, Found, Generation, Lookup,
        OutgoingAction, PostKey, PostedIds, ReplyError, ServerName,
    },
    ports::{Delivered, EventSink, Outcome, Poster},
};
use tokio::sync::{Semaphore, oneshot};

use crate::sinks::{HandlerDeps, action_order::ActionOrder, handler::MAX_DETACHED, monitor::SinkMonitor};

/// The time limit of every wait, long enough for a machine under load.
pub(in crate::sinks) const DEADLINE: Duration = Duration::from_secs(30);

/// A post in a channel, received by the account `helpdesk`.
pub(in crate::sinks) fn post(channel: &str, id: &str) -> Arc<Event> {
    post_of("helpdesk", channel, id)
}

/// A post in a channel, received by an account.
pub(in crate::sinks) fn post_of(account: &str, channel: &str, id: &str) -> Arc<Event> {
    let post = serde_json::json!({
        "id": id, "channel_id": channel, "user_id": "ann", "root_id": "", "message": format!("this is {id}"),
        "create_at": 1_795_354_128_887_i64,
    });
    let data = serde_json::json!({ "channel_type": "O", "mentions": "[\"bot\"]", "post": post.to_string() });
    Arc::new(event(account, "posted", channel, id, &data.to_string()))
}

/// An event of any kind.
pub(in crate::sinks) fn event(account: &str, name: &str, channel: &str, id: &str, data: &str) -> Event {
    Event {
        account: AccountName::new(account).unwrap(),
        server: ServerName::new("main").unwrap(),
        user: AccountUser::default(),
        channel: None,
        sender: None,
        generation: Generation(1),
        connection_id: "c".into(),
        received_at: SystemTime::now(),
        recovered: false,
        last_recovered: false,
        own: false,
        body: EventBody {
            event: name.into(),
            channel_id: ChannelId::from(channel),
            change: (name == "posted").then(|| Change::Posted(PostKey { create_at: 1, id: id.into() })),
            post: None,
            seq: 1,
            data: data.into(),
            broadcast: "null".into(),
        },
    }
}

/// Waits for the outcome.
pub(in crate::sinks) async fn outcome(delivered: Delivered) -> Outcome {
    match delivered {
        Delivered::Now(outcome) => outcome,
        Delivered::Later(later) => tokio::time::timeout(DEADLINE, later).await.unwrap(),
    }
}

/// Delivers an event as a Delivery does: repeatedly, while the sink answers *retry* or *hold*.
pub(in crate::sinks) async fn delivered(sink: &dyn EventSink, event: &Arc<Event>) -> Outcome {
    let end = tokio::time::Instant::now() + DEADLINE;
    loop {
        match outcome(sink.deliver(event)).await {
            Outcome::Retry { after, cause } | Outcome::Hold { after, cause } => {
                assert!(tokio::time::Instant::now() < end, "still retrying: {cause}");
                tokio::time::sleep(after.min(Duration::from_millis(100))).await;
            }
            last => return last,
        }
    }
}

/// A sink that gives scripted outcomes and records the events.
#[derive(Default)]
pub(in crate::sinks) struct ScriptedSink {
    answers: Mutex<VecDeque<Delivered>>,
    given: Mutex<Vec<String>>,
}

impl ScriptedSink {
    pub(in crate::sinks) fn answer(&self, outcome: Outcome) {
        self.answers.lock().unwrap().push_back(Delivered::Now(outcome));
    }

    /// Makes the next outcome wait until it is sent.
    pub(in crate::sinks) fn answer_later(&self) -> oneshot::Sender<Outcome> {
        let (sender, answer) = oneshot::channel();
        let later = Delivered::Later(answer.map(Result::unwrap).boxed());
        self.answers.lock().unwrap().push_back(later);
        sender
    }

    pub(in crate::sinks) fn delivered_ids(&self) -> Vec<String> {
        self.given.lock().unwrap().clone()
    }
}

impl EventSink for ScriptedSink {
    fn deliver(&self, event: &Arc<Event>) -> Delivered {
        let id = event.body.post().map(|post| post.id.to_string()).unwrap_or_default();
        self.given.lock().unwrap().push(id);
        let next = self.answers.lock().unwrap().pop_front();
        next.unwrap_or(Delivered::Now(Outcome::Acknowledged))
    }
}

/// A retry after that many milliseconds.
pub(in crate::sinks) fn retry(millis: u64) -> Outcome {
    Outcome::Retry { after: Duration::from_millis(millis), cause: "busy".into() }
}

/// A post with that text.
pub(in crate::sinks) fn post_with_text(channel: &str, id: &str, text: &str) -> Arc<Event> {
    let post = serde_json::json!({
        "id": id, "channel_id": channel, "user_id": "ann", "root_id": "", "message": text,
        "create_at": 1_795_354_128_887_i64,
    });
    let data = serde_json::json!({ "channel_type": "O", "post": post.to_string() });
    Arc::new(event("helpdesk", "posted", channel, id, &data.to_string()))
}

/// A poster that records the actions, each after a delay like that of a server.
#[derive(Default)]
pub(in crate::sinks) struct RecordingReplyPoster(Arc<Mutex<Vec<(AccountName, OutgoingAction)>>>);

impl RecordingReplyPoster {
    pub(in crate::sinks) fn actions(&self) -> Vec<(AccountName, OutgoingAction)> {
        self.0.lock().unwrap().clone()
    }
}

impl Poster for RecordingReplyPoster {
    fn post(
        &self,
        account: &AccountName,
        action: OutgoingAction,
    ) -> BoxFuture<'static, Result<PostedIds, ReplyError>> {
        let (posted, account) = (Arc::clone(&self.0), account.clone());
        let posting = async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let mut posted = posted.lock().unwrap();
            let created =
                matches!(action, OutgoingAction::Post(_)).then(|| format!("reply-{}", posted.len()));
            posted.push((account, action));
            let ids = created.iter().map(|id| id.as_str().into()).collect();
            Ok(PostedIds { ids, ..PostedIds::default() })
        };
        posting.boxed()
    }
}

/// A poster of a host that may lose its accounts to another.
#[derive(Default)]
pub(in crate::sinks) struct FencedPoster {
    is_closed: AtomicBool,
    asked: Mutex<Vec<AccountName>>,
}

impl FencedPoster {
    /// Returns a poster of a host that owns no account any more.
    pub(in crate::sinks) fn closed() -> Self {
        let fenced = Self::default();
        fenced.close();
        fenced
    }

    pub(in crate::sinks) fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
    }

    /// Returns true if the sink was about to hand over an event of the account.
    pub(in crate::sinks) fn was_asked_for(&self, account: &AccountName) -> bool {
        self.asked.lock().unwrap().contains(account)
    }
}

impl Poster for FencedPoster {
    fn post(&self, _: &AccountName, _: OutgoingAction) -> BoxFuture<'static, Result<PostedIds, ReplyError>> {
        std::future::pending().boxed()
    }

    fn may_act(&self, account: &AccountName) -> bool {
        self.asked.lock().unwrap().push(account.clone());
        !self.is_closed.load(Ordering::Acquire)
    }
}

/// Returns the cause for which a sink does not accept an event now.
pub(in crate::sinks) async fn retry_cause(sink: &dyn EventSink, event: &Arc<Event>) -> String {
    match outcome(sink.deliver(event)).await {
        Outcome::Retry { cause, .. } | Outcome::Hold { cause, .. } => cause,
        other => panic!("{other:?}"),
    }
}

/// A poster that fails with an error.
pub(in crate::sinks) struct FailingPoster(pub(in crate::sinks) ReplyError);

impl Poster for FailingPoster {
    fn post(&self, _: &AccountName, _: OutgoingAction) -> BoxFuture<'static, Result<PostedIds, ReplyError>> {
        std::future::ready(Err(self.0.clone())).boxed()
    }

    fn look_up(&self, _: &AccountName, _: Lookup) -> BoxFuture<'static, Result<Found, ReplyError>> {
        std::future::ready(Err(self.0.clone())).boxed()
    }
}

/// The dependencies of a sink without dead letters, whose replies are recorded and not read.
pub(in crate::sinks) fn handler_deps(sink: &str) -> HandlerDeps {
    HandlerDeps {
        sink: sink.into(),
        poster: Arc::<RecordingReplyPoster>::default(),
        dead_letters: None,
        unposted: None,
        order: ActionOrder::default(),
        reply_tokens: None,
        shows_typing: false,
        monitor: SinkMonitor::default(),
        detached: Arc::new(Semaphore::new(MAX_DETACHED)),
    }
}
