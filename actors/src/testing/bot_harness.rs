//! A bot, and a voice that remembers what it was asked to say.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt as _, ready};

use super::EventBuilder;
use crate::{
    bots::{Bot, BotSink},
    model::{AccountName, OutgoingAction, PostedIds, ReplyError},
    ports::{Delivered, EventSink as _, Outcome, Poster},
};

/// The account of the bot.
pub(super) const ACCOUNT: &str = "bot";

/// The bot's own user.
pub(super) const USER: &str = "bot-user";

/// A bot without a server.
///
/// Everything that it posts gets an id, `reply-1` and so on, unless a failure was ordered. It runs on any runtime of
/// tokio.
#[derive(Debug)]
pub struct BotHarness<B> {
    sink: BotSink<B>,
    poster: Arc<FakePoster>,
    heard: AtomicI64,
}

/// Remembers what it was asked to say.
#[derive(Debug, Default)]
struct FakePoster(Mutex<Script>);

#[derive(Debug, Default)]
struct Script {
    actions: Vec<OutgoingAction>,
    failures: VecDeque<ReplyError>,
    posts: usize,
}

impl<B: Bot> BotHarness<B> {
    /// The id of the bot's own user.
    pub const USER: &'static str = USER;

    /// A bot that has heard nothing.
    pub fn new(bot: B) -> Self {
        let poster = Arc::new(FakePoster::default());
        Self { sink: BotSink::new(bot, poster.clone()), poster, heard: AtomicI64::new(0) }
    }

    /// How long a handler may take.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { sink: self.sink.with_deadline(deadline), ..self }
    }

    /// The bot hears something, and handles it to the end: what follows is what would follow in a host.
    pub async fn deliver(&self, builder: EventBuilder) -> Outcome {
        let n = self.heard.fetch_add(1, Ordering::Relaxed);
        match builder.event(n) {
            Ok(event) => match self.sink.deliver(&Arc::new(event)) {
                Delivered::Now(outcome) => outcome,
                Delivered::Later(outcome) => outcome.await,
            },
            Err(error) => Outcome::Rejected { cause: error.to_string() },
        }
    }

    /// The next order fails so.
    pub fn fail_next(&self, error: ReplyError) {
        self.poster.with(|script| script.failures.push_back(error));
    }

    /// Everything that the bot was heard to say and do so far, in order.
    pub fn actions(&self) -> Vec<OutgoingAction> {
        self.poster.with(|script| script.actions.clone())
    }

    /// The texts that it posted so far, in order.
    pub fn texts(&self) -> Vec<String> {
        let text = |action| match action {
            OutgoingAction::Post(draft) => Some(draft.text),
            OutgoingAction::Ephemeral { .. }
            | OutgoingAction::Edit { .. }
            | OutgoingAction::React { .. }
            | OutgoingAction::Typing { .. } => None,
        };
        self.actions().into_iter().filter_map(text).collect()
    }
}

impl FakePoster {
    fn with<T>(&self, f: impl FnOnce(&mut Script) -> T) -> T {
        // Whatever panicked left lists that are whole.
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
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
}
