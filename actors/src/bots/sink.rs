use std::{sync::Arc, time::Duration};

use futures_util::future::{BoxFuture, FutureExt as _};
use parking_lot::Mutex;
use tokio::time::timeout;

use super::{
    Bot, BotError, BotResult, Context,
    event::BotEvent,
    failures::{Consequence, Failures, HandledEvent, MAX_FAILURES},
    handler_panics,
    schedules::{Run, Schedule, ScheduledBot},
};
use crate::{
    model::{AccountName, BotName, Event, Excerpt, ReplyError, Retryability, ServerName},
    ports::{Delivered, EventSink, EventStorage, Outcome, Poster},
};

/// The delay before an event is delivered again after a temporary reply error: long enough for the cause to pass.
const RETRY_DELAY: Duration = Duration::from_secs(5);

/// A sink that passes an account's events to a bot.
pub struct BotSink<B> {
    bot: Arc<B>,
    /// Tells the bots of an account apart, if it has several.
    name: Option<BotName>,
    poster: Arc<dyn Poster>,
    deadline: Duration,
    failures: Arc<Mutex<Failures>>,
}

impl<B: Bot> BotSink<B> {
    /// The default limit of a handler's duration: longer than `replies.deadline`, so that a slow reply fails first, with
    /// its own error.
    pub const DEADLINE: Duration = Duration::from_secs(300);

    /// Returns a sink for one account's bot, whose replies go to the poster.
    ///
    /// The first one sets a panic hook: a panic of a handler is a line of the log, and the hook that was set before is called for
    /// every other panic only. One that is set afterwards is called for handlers, too.
    pub fn new(bot: B, poster: Arc<dyn Poster>) -> Self {
        handler_panics::keep_off_standard_error();
        Self { bot: Arc::new(bot), name: None, poster, deadline: Self::DEADLINE, failures: Arc::default() }
    }

    /// Sets a name, which tells the bots of an account apart if a sink of your own hands its events to several. It is a part of the
    /// keys of their posts: without it, an answer of the second bot to the same event counts as posted by the first. Keep the name,
    /// as an event may come again after a restart.
    #[must_use]
    pub fn named(self, name: BotName) -> Self {
        Self { name: Some(name), ..self }
    }

    /// Limits the duration of a handler; a longer one is a failure.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }
}

impl<B: Bot> EventSink for BotSink<B> {
    fn deliver(&self, event: &Arc<Event>) -> Delivered {
        self.deliver_with(event, &EventStorage::unavailable())
    }

    fn deliver_with(&self, event: &Arc<Event>, storage: &EventStorage) -> Delivered {
        let bot_event = match BotEvent::parse(event) {
            Ok(bot_event) => bot_event,
            Err(error) => {
                let cause = format!("the data of {} cannot be read: {error}", event.body.event);
                return Delivered::Now(Outcome::Rejected { cause });
            }
        };
        let (bot, poster, event) = (self.bot.clone(), self.poster.clone(), event.clone());
        let (delivered, handler) = (Arc::clone(&event), bot_event.handler());
        // A person waits: the event goes past the others of its channel, and is tried once.
        let is_hook = bot_event.is_hook();
        let storage = if is_hook { EventStorage::unavailable() } else { storage.clone() };
        let (handler_storage, name) = (storage.clone(), self.name.clone());
        let handling = async move {
            let context = Context::new(event, poster, handler_storage, &bot_event, name);
            handle(&*bot, &context, &bot_event).await
        };
        let outcome = outcome_of(delivered.account.clone(), handling, self.deadline);
        let failures = Arc::clone(&self.failures);
        let outcome = async move {
            let outcome = outcome.await;
            storage.end();
            if is_hook { outcome } else { judge_failure(&failures, &delivered, handler, outcome) }
        };
        Delivered::Later(outcome.boxed())
    }
}

impl<B: Bot> ScheduledBot for BotSink<B> {
    fn schedules(&self) -> Result<Vec<Schedule>, String> {
        handler_panics::caught_now(|| self.bot.schedules())
    }

    fn may_act(&self, account: &AccountName) -> bool {
        self.poster.may_act(account)
    }

    fn is_hosted(&self, account: &AccountName) -> BoxFuture<'static, bool> {
        self.poster.is_hosted(account)
    }

    fn run(&self, account: &AccountName, server: &ServerName, run: &Run) -> BoxFuture<'static, Outcome> {
        let (bot, run) = (self.bot.clone(), run.clone());
        let context = Context::for_run(account, server, &run, self.poster.clone(), self.name.clone());
        let handling = async move { bot.scheduled(&context, &run).await };
        outcome_of(account.clone(), handling, self.deadline).boxed()
    }
}

/// Waits for a handler until a deadline, and returns the outcome of its result.
async fn outcome_of(
    account: AccountName,
    handling: impl Future<Output = BotResult>,
    deadline: Duration,
) -> Outcome {
    match timeout(deadline, handler_panics::caught(&account, handling)).await {
        Ok(Ok(result)) => to_outcome(result),
        Ok(Err(panic)) => broken(panic),
        Err(_) => broken(format!("the bot took longer than {} s", deadline.as_secs_f64())),
    }
}

/// Decides whether a failure is that of its event, which must not silence the account, or of the bot.
fn judge_failure(
    failures: &Mutex<Failures>,
    event: &Event,
    handler: &'static str,
    outcome: Outcome,
) -> Outcome {
    let id = event.id();
    let attempt = HandledEvent { channel: &event.body.channel_id, id: &id, handler };
    match outcome {
        Outcome::Broken { cause } => {
            let consequence = failures.lock().failed(attempt);
            apply(consequence, event, cause)
        }
        Outcome::Acknowledged => {
            failures.lock().handled(attempt);
            outcome
        }
        Outcome::Rejected { .. } => {
            failures.lock().rejected(attempt);
            outcome
        }
        Outcome::Retry { .. } | Outcome::Hold { .. } => outcome,
    }
}

/// Returns the outcome of an event on which the bot failed.
fn apply(consequence: Consequence, event: &Event, cause: String) -> Outcome {
    let (account, channel) = (event.account.as_str(), event.body.channel_id.as_str());
    let (id, shown) = (event.id(), Excerpt::of(&cause));
    match consequence {
        Consequence::Hold(after) => {
            tracing::warn!(account, channel, event = id, "{shown}; the event comes again");
            Outcome::Hold { after, cause }
        }
        Consequence::Fault => {
            tracing::warn!(account, channel, event = id, "{shown}; the account is started anew");
            Outcome::Broken { cause }
        }
        Consequence::GiveUp => {
            let cause =
                format!("the bot failed {MAX_FAILURES} times with this event; the last time: {cause}");
            Outcome::Rejected { cause }
        }
    }
}

async fn handle<B: Bot>(bot: &B, context: &Context, bot_event: &BotEvent) -> BotResult {
    match bot_event {
        BotEvent::Posted(post) => bot.posted(context, post).await,
        BotEvent::Edited(post) => bot.edited(context, post).await,
        BotEvent::Deleted(post) => bot.deleted(context, post).await,
        BotEvent::Reaction(reaction) => bot.reaction(context, reaction).await,
        BotEvent::Joined(joined, _) => bot.joined(context, joined).await,
        BotEvent::SlashCommand(command) => bot.slash_command(context, command).await,
        BotEvent::Button(press) => bot.pressed(context, press).await,
        BotEvent::Dialog(dialog) => bot.submitted(context, dialog).await,
        BotEvent::Raw => bot.raw(context).await,
    }
}

fn to_outcome(result: BotResult) -> Outcome {
    let Err(error) = result else { return Outcome::Acknowledged };
    match error.downcast_ref::<ReplyError>().map(ReplyError::retryability) {
        Some(Retryability::Retryable) => Outcome::Retry { after: RETRY_DELAY, cause: error.to_string() },
        Some(Retryability::Permanent) => Outcome::Rejected { cause: error.to_string() },
        None => broken(format!("the bot failed: {}", format_chain(&error))),
    }
}

/// Formats an error and its sources.
fn format_chain(error: &BotError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.extend([": ", &error.to_string()]);
        source = error.source();
    }
    text
}

fn broken(cause: String) -> Outcome {
    Outcome::Broken { cause }
}

impl<B> std::fmt::Debug for BotSink<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BotSink").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
