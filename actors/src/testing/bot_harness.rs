use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt as _, ready};
use parking_lot::Mutex;

use super::EventBuilder;
use crate::{
    bots::{Bot, BotSink},
    model::{AccountName, Excerpt, Found, Lookup, OutgoingAction, PostedIds, ReplyError},
    ports::{Delivered, EventSink as _, Outcome, Poster},
};

/// The name of the bot's account.
pub(super) const ACCOUNT: &str = "bot";

/// The id of the bot's own user.
pub(super) const USER: &str = "bot-user";

/// A harness around a bot, in place of a host and its server.
///
/// Each post succeeds and gets an id, `reply-1` and so on, unless [`fail_next`](Self::fail_next) was called. The harness
/// runs on any tokio runtime.
#[derive(Debug)]
pub struct BotHarness<B> {
    sink: BotSink<B>,
    poster: Arc<FakePoster>,
    delivered: AtomicI64,
}

/// A poster that records the actions and returns scripted failures.
#[derive(Debug, Default)]
struct FakePoster(Mutex<Script>);

#[derive(Debug, Default)]
struct Script {
    actions: Vec<OutgoingAction>,
    failures: VecDeque<ReplyError>,
    posts: usize,
    found: Vec<(Lookup, Found)>,
}

impl<B: Bot> BotHarness<B> {
    /// The id of the bot's own user.
    pub const USER: &'static str = USER;

    /// Returns a harness around a bot.
    pub fn new(bot: B) -> Self {
        let poster = Arc::new(FakePoster::default());
        Self { sink: BotSink::new(bot, poster.clone()), poster, delivered: AtomicI64::new(0) }
    }

    /// Limits the duration of a handler.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { sink: self.sink.with_deadline(deadline), ..self }
    }

    /// Delivers an event and waits for its handler. Returns the outcome on which a host would act.
    pub async fn deliver(&self, builder: EventBuilder) -> Outcome {
        let n = self.delivered.fetch_add(1, Ordering::Relaxed);
        match builder.build(n) {
            Ok(event) => match self.sink.deliver(&Arc::new(event)) {
                Delivered::Now(outcome) => outcome,
                Delivered::Later(outcome) => outcome.await,
            },
            Err(error) => Outcome::Rejected { cause: error.to_string() },
        }
    }

    /// Makes the next action fail with an error. Several errors fail as many actions, in order.
    pub fn fail_next(&self, error: ReplyError) {
        self.poster.with(|script| script.failures.push_back(error));
    }

    /// Sets the answer to a look-up, in the server's JSON. A look-up without an answer finds nothing.
    pub fn set_found(&self, lookup: Lookup, json: &serde_json::Value) {
        // A JSON value is valid JSON text.
        if let Ok(json) = serde_json::value::to_raw_value(json) {
            self.poster.with(|script| script.found.push((lookup, Found::new(json))));
        }
    }

    /// Returns the actions of the bot that succeeded so far, in order.
    pub fn actions(&self) -> Vec<OutgoingAction> {
        self.poster.with(|script| script.actions.clone())
    }

    /// Returns the texts of the posts so far, in order.
    pub fn texts(&self) -> Vec<String> {
        let text = |action| match action {
            OutgoingAction::Post(draft) => Some(draft.text),
            OutgoingAction::Ephemeral { .. }
            | OutgoingAction::Edit { .. }
            | OutgoingAction::Update { .. }
            | OutgoingAction::React { .. }
            | OutgoingAction::Unreact { .. }
            | OutgoingAction::Delete { .. }
            | OutgoingAction::Typing { .. }
            | OutgoingAction::Integration { .. } => None,
        };
        self.actions().into_iter().filter_map(text).collect()
    }
}

impl FakePoster {
    fn with<T>(&self, f: impl FnOnce(&mut Script) -> T) -> T {
        f(&mut self.0.lock())
    }
}

impl Poster for FakePoster {
    fn post(
        &self,
        _: &AccountName,
        action: OutgoingAction,
    ) -> BoxFuture<'static, Result<PostedIds, ReplyError>> {
        let result = self.with(|script| {
            if let Some(error) = script.failures.pop_front() {
                return Err(error);
            }
            let ids = if let OutgoingAction::Post(_) = &action {
                script.posts += 1;
                vec![format!("reply-{}", script.posts).as_str().into()]
            } else {
                Vec::new()
            };
            script.actions.push(action);
            Ok(PostedIds { ids })
        });
        ready(result).boxed()
    }

    fn look_up(
        &self,
        account: &AccountName,
        lookup: Lookup,
    ) -> BoxFuture<'static, Result<Found, ReplyError>> {
        let found = self.with(|script| {
            let answer = script.found.iter().rev().find(|(asked, _)| *asked == lookup);
            answer.map(|(_, found)| found.clone())
        });
        let missing = ReplyError::NotFound { account: account.clone(), what: Excerpt::of(&lookup) };
        ready(found.ok_or(missing)).boxed()
    }
}
