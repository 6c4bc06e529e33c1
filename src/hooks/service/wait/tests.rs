use std::time::Duration;

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, ready},
};
use matterhost_actors::{
    model::{PostedIds, ReplyError, ServerName},
    ports::{Outcome, Poster},
};
use parking_lot::Mutex;
use tokio::{task::yield_now, time::timeout};

use super::*;
use crate::{
    config::Secrets,
    hooks::{
        HookData, HookKind, Integrations, Signer,
        hook_request::Origin,
        open_hooks::{Diverted, OpenHook},
    },
    sinks::SinkAnswer,
    telemetry::metrics::Metrics,
};

/// A poster that records what is no answer.
#[derive(Default)]
struct Recorder(Mutex<Vec<OutgoingAction>>);

impl Poster for Recorder {
    fn post(
        &self,
        _: &AccountName,
        action: OutgoingAction,
    ) -> BoxFuture<'static, Result<PostedIds, ReplyError>> {
        self.0.lock().push(action);
        ready(Ok(PostedIds::default())).boxed()
    }
}

/// A request that waits for a handler.
struct Rig {
    service: HookService,
    posted: Arc<Recorder>,
    event: Arc<Event>,
    open: Arc<OpenHook>,
    handler: Option<oneshot::Sender<Outcome>>,
    asked: Vec<AskedSink>,
}

fn account() -> AccountName {
    AccountName::new("helpdesk").unwrap()
}

impl Rig {
    fn new() -> Self {
        let secrets = Secrets::parse("whsec_mustnotshowrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let integrations =
            Integrations::new(Signer::new(&secrets), "http://hooks.test", Duration::from_secs(60));
        let service = HookService::new(integrations, 16, Metrics::new(true).hook_meter());
        let posted = Arc::new(Recorder::default());
        service.poster(Arc::clone(&posted) as _);
        let origin = Origin { user_id: "ann".into(), channel_id: "c1".into(), ..Origin::default() };
        let (kind, server) = (HookKind::SlashCommand, ServerName::new("main").unwrap());
        let data = HookData { kind, origin: origin.clone(), id: "x".into(), data: serde_json::Map::new() };
        let to = HookedAccount { account: account(), server, user: AccountUser::default() };
        let event = Arc::new(data.into_event(&to, SystemTime::now()));
        let open = service.0.open.open(&account(), &event.id(), OpenHook::new(kind, origin));
        let (handler, outcome) = oneshot::channel();
        let answer = async move { SinkAnswer::Settled(outcome.await.unwrap()) }.boxed();
        let asked = vec![AskedSink { name: "hook".into(), has_handler: true, answer }];
        Self { service, posted, event, open, handler: Some(handler), asked }
    }

    /// Waits so long for the answer, then the connection ends.
    async fn hang_up_after(&mut self, time: Duration) {
        let answering = self.service.0.at_once.take(&account()).unwrap();
        let (event, open) = (Arc::clone(&self.event), Arc::clone(&self.open));
        let handlers = std::mem::take(&mut self.asked);
        let until = Instant::now() + Duration::from_secs(3);
        let wait = self.service.wait(event, open, handlers, answering, until);
        assert!(timeout(time, wait).await.is_err(), "it still waited");
    }

    /// Replies as the handler does.
    fn reply(&self) -> Diverted {
        let key = ReplyKey::new(&format!("{}#sink#0", self.event.id())).ok();
        let props = [(HOOK_ANSWER.to_owned(), Value::Bool(true))].into_iter().collect();
        let draft = Draft { channel: "c1".into(), text: "done".into(), key, props, ..Draft::default() };
        self.service.0.open.divert(&account(), OutgoingAction::Post(draft))
    }

    /// Returns the requests that an account may still have at once.
    fn places(&self) -> usize {
        std::iter::from_fn(|| self.service.0.at_once.take(&account())).collect::<Vec<_>>().len()
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_connection_breaks_has_its_place_until_the_handler_is_done() {
    let mut rig = Rig::new();
    let all = rig.places();
    rig.hang_up_after(Duration::from_secs(1)).await;
    assert_eq!(rig.places(), all - 1, "the handler works");
    rig.handler.take().unwrap().send(Outcome::Acknowledged).unwrap();
    while rig.places() < all {
        yield_now().await;
    }
    assert!(rig.posted.0.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_answer_after_the_connection_broke_is_posted() {
    let mut rig = Rig::new();
    rig.hang_up_after(Duration::from_secs(1)).await;
    assert!(matches!(rig.reply(), Diverted::AsIs(OutgoingAction::Post(_))), "nobody would see it");
    rig.handler.take().unwrap().send(Outcome::Rejected { cause: "no".into() }).unwrap();
    while rig.posted.0.lock().is_empty() {
        yield_now().await;
    }
    let told = rig.posted.0.lock().pop();
    assert!(
        matches!(&told, Some(OutgoingAction::Ephemeral { draft, .. }) if *draft.text == *FAILED),
        "{told:?}"
    );
}
