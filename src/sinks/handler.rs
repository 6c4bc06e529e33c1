//! Parts shared by the sinks with a handler (webhook and exec); other sinks use the throttled warning too.

use std::{
    cell::RefCell,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, ready},
};
use matterhost_actors::{
    model::{AccountName, Excerpt, ReplyError},
    ports::{Outcome, Poster},
};
use parking_lot::Mutex;
use tokio::{sync::Semaphore, task::spawn_blocking, time::Instant};

use super::{
    action_order::ActionOrder,
    dead_letter::{DeadLetters, UnpostedReply},
    failing_events::FailingEvents,
    message::Message,
    monitor::SinkMonitor,
    queue::Job,
    reply::HandlerAction,
    shared_slots::SharedSlots,
};
use crate::actions::{ActionDone, ActionResult, ReplyTokens};

/// A full disk is rarely freed sooner.
const DEAD_LETTER_RETRY: Duration = Duration::from_secs(5);

/// The most updates of a sink that go on without being waited for; further ones are.
pub(super) const MAX_DETACHED: usize = 256;

/// The wait of an event that another host may own. Its account is about to be removed here.
const FENCED_RETRY: Duration = Duration::from_secs(1);

/// Returns the outcome of an event that is not handed over, because another host may own its account.
pub(super) fn fenced() -> Outcome {
    Outcome::Retry { after: FENCED_RETRY, cause: "another host may own the account".into() }
}

/// The dependencies of a sink with a handler, besides its own configuration.
#[derive(Clone)]
pub(super) struct HandlerDeps {
    /// The sink's name.
    pub(super) sink: Arc<str>,
    /// Posts replies as the account that received the event.
    pub(super) poster: Arc<dyn Poster>,
    /// The file for rejected events; `None` while dead letters themselves are retried.
    pub(super) dead_letters: Option<DeadLetters>,
    /// The record of what happens to the sink.
    pub(super) monitor: SinkMonitor,
    /// The file for replies that cannot be posted.
    pub(super) unposted: Option<DeadLetters>,
    /// The order of the actions of each account.
    pub(super) order: ActionOrder,
    /// The issuer of tokens for later answers, if the host takes them.
    pub(super) reply_tokens: Option<ReplyTokens>,
    /// True if the bot is shown as typing while the handler works.
    pub(super) shows_typing: bool,
    /// The number of further updates that may go on without being waited for.
    pub(super) detached: Arc<Semaphore>,
}

impl HandlerDeps {
    /// Takes an action in answer to an event, in order within its account. The future ends in bounded time, once the action
    /// is done or has failed and, if it is a post, been kept as a dead letter; only then may the event be acknowledged. An
    /// update whose sender does not wait goes on by itself.
    pub(super) fn act(&self, event: &Message, action: HandlerAction) -> BoxFuture<'static, ActionResult> {
        let HandlerAction { event: answered, index, action, .. } = action;
        let (kept, event) = (UnpostedReply::of(&answered, index, &action), event.clone());
        let (sink, letters) = (Arc::clone(&self.sink), self.unposted.clone());
        let monitor = self.monitor.clone();
        let detached = action.is_detached().then(|| Arc::clone(&self.detached).try_acquire_owned());
        let taking = self.order.take(&self.poster, &event.account, action.attached());
        let doing = async move {
            let taken = taking.await;
            if let Err(error) = &taken {
                keep_unposted(&sink, letters.as_ref(), &monitor, &event, kept, error);
            }
            ActionResult::of(taken)
        };
        match detached {
            Some(Ok(permit)) => {
                tokio::spawn(async move {
                    doing.await;
                    drop(permit);
                });
                ready(ActionResult::of(Ok(ActionDone::default()))).boxed()
            }
            Some(Err(_)) | None => doing.boxed(),
        }
    }

    /// Returns the job unless another host owns its account by now; its event is then not handed over here.
    pub(super) fn unless_fenced(&self, job: Job<Message>) -> Option<Job<Message>> {
        let Some(fenced) = self.fence(&job.item.account) else { return Some(job) };
        job.settle(fenced);
        None
    }

    /// Returns the outcome of an account's event if another host owns the account by now.
    pub(super) fn fence(&self, account: &AccountName) -> Option<Outcome> {
        (!self.poster.may_act(account)).then(fenced)
    }

    /// Keeps an event as a dead letter, for an account whose thread must not wait for the disk or for another process.
    pub(super) async fn keep_without_blocking(self: Arc<Self>, event: Message, cause: String) -> Outcome {
        let keeping = spawn_blocking(move || self.keep(&event, &cause));
        keeping.await.unwrap_or_else(|error| {
            let cause = format!("the dead letter was not written: {error}");
            Outcome::Retry { after: DEAD_LETTER_RETRY, cause }
        })
    }

    /// Keeps an event that a handler refused permanently as a dead letter, and returns the event's outcome. If it
    /// cannot be kept, the event is retried. An event that an operator skips at the same time is kept once.
    pub(super) fn reject(&self, event: &Message, cause: &str) -> Outcome {
        if self.monitor.claim_letter(event) {
            self.keep(event, cause)
        } else {
            Outcome::Rejected { cause: cause.to_owned() }
        }
    }

    /// Like [`reject`](Self::reject), for an account whose thread must not wait.
    pub(super) async fn reject_without_blocking(self: Arc<Self>, event: Message, cause: String) -> Outcome {
        if self.monitor.claim_letter(&event) {
            self.keep_without_blocking(event, cause).await
        } else {
            Outcome::Rejected { cause }
        }
    }

    /// Makes the event of a job a dead letter and forgets its failures, unless its account has stopped waiting for it.
    pub(super) fn reject_job(&self, job: Job<Message>, cause: &str, failing: &RefCell<FailingEvents>) {
        if job.is_disowned() {
            return;
        }
        let outcome = self.reject(&job.item, cause);
        if matches!(outcome, Outcome::Rejected { .. }) {
            failing.borrow_mut().forget(&job.item);
        }
        job.settle(outcome);
    }

    /// Forgets what a sink knows of the accounts that no longer deliver to it.
    pub(super) fn forget_accounts(
        &self,
        waiting: &RefCell<SharedSlots<Job<Message>>>,
        failing: &RefCell<FailingEvents>,
    ) {
        for account in self.monitor.take_forgotten() {
            waiting.borrow_mut().forget(&account);
            failing.borrow_mut().forget_account(&account);
        }
    }

    fn keep(&self, event: &Message, cause: &str) -> Outcome {
        let Some(letters) = &self.dead_letters else { return Outcome::Rejected { cause: cause.to_owned() } };
        let sink = &*self.sink;
        match letters.add(event, cause) {
            Ok(()) => {
                letters.warning().report_success();
                let cause = Excerpt::of(&format_args!("sink {sink}: {cause}"));
                Outcome::Rejected { cause: cause.into() }
            }
            Err(error) => {
                letters.warning().report_event_failure(event, &error.to_string());
                let cause = format!("the dead letter cannot be written: {error}");
                Outcome::Retry { after: DEAD_LETTER_RETRY, cause }
            }
        }
    }
}

/// Keeps a reply that failed as a dead letter, if it is worth that, and reports it.
pub(super) fn keep_unposted(
    sink: &str,
    letters: Option<&DeadLetters>,
    monitor: &SinkMonitor,
    event: &Message,
    reply: Option<UnpostedReply>,
    error: &ReplyError,
) {
    let text = error.to_string();
    let kept = reply.filter(|_| is_worth_keeping(error)).zip(letters);
    let kept = kept.map(|(reply, letters)| letters.add_reply(event, reply, &text));
    monitor.record_unposted(event, &text, matches!(kept, Some(Ok(()))));
    report_failed(sink, event, &text, kept);
}

/// Returns true if a failed reply is kept. An answer in a loop of bots is not: it would answer itself once more.
fn is_worth_keeping(error: &ReplyError) -> bool {
    match error {
        ReplyError::LoopGuard { .. } | ReplyError::Empty | ReplyError::NoChannel => false,
        ReplyError::UnknownAccount(_)
        | ReplyError::Stopped(_)
        | ReplyError::TooLong { .. }
        | ReplyError::TooManyFiles { .. }
        | ReplyError::TooManyPosts
        | ReplyError::NoFiles
        | ReplyError::NotFound { .. }
        | ReplyError::FileTooLarge { .. }
        | ReplyError::EmptyFile { .. }
        | ReplyError::FileChanged { .. }
        | ReplyError::FileName(_)
        | ReplyError::QueueFull { .. }
        | ReplyError::TimedOut { .. }
        | ReplyError::Refused { .. }
        | ReplyError::Interrupted(_) => true,
    }
}

/// Logs an action that was not done. `kept` is the result of keeping it, if it is a post and worth that.
fn report_failed(sink: &str, event: &Message, error: &str, kept: Option<io::Result<()>>) {
    let (account, event) = (event.account.as_str(), &*event.id);
    match kept {
        Some(Ok(())) => {
            let remedy = "it is kept as a dead letter; post it with matterhost dead-letter retry";
            tracing::warn!(account, sink, event, error, "cannot post a reply; {remedy}");
        }
        Some(Err(problem)) => {
            let cause = format!("{error}; the dead letter cannot be written: {problem}");
            tracing::error!(account, sink, event, error = cause, "cannot post a reply; it is dropped");
        }
        None => tracing::warn!(account, sink, event, error, "cannot take an action; it is dropped"),
    }
}

/// A period without requests to a handler, shared between threads.
#[derive(Debug, Default)]
pub(super) struct Pause(Mutex<Option<Instant>>);

impl Pause {
    /// Pauses from now for that long. A pause that ends later stays in force.
    pub(super) fn begin(&self, pause: Duration) {
        let until = Instant::now() + pause;
        let mut current = self.0.lock();
        *current = Some(current.map_or(until, |current| current.max(until)));
    }

    /// Ends the pause.
    pub(super) fn end(&self) {
        *self.0.lock() = None;
    }

    /// Returns the time left; `None` if there is no pause.
    pub(super) fn remaining(&self) -> Option<Duration> {
        let until = *self.0.lock();
        until?.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }
}

/// A warning about one kind of failure of one sink, and the line about its recovery. The log's budget leaves out all but
/// one a minute.
#[derive(Debug)]
pub(super) struct ThrottledWarning {
    sink: Arc<str>,
    /// The text logged before the cause.
    message: &'static str,
    /// True if the last report was of a failure.
    failing: AtomicBool,
}

impl ThrottledWarning {
    pub(super) fn new(sink: &Arc<str>, message: &'static str) -> Self {
        Self { sink: Arc::clone(sink), message, failing: AtomicBool::default() }
    }

    /// Logs the failure.
    pub(super) fn report_failure(&self, account: Option<&AccountName>, cause: &str) {
        let account = account.map(AccountName::as_str);
        self.failing.store(true, Relaxed);
        tracing::warn!(sink = &*self.sink, account, kind = self.message, "{}: {cause}", self.message);
    }

    /// Logs a failure on an event.
    pub(super) fn report_event_failure(&self, event: &Message, cause: &str) {
        let place = (event.account.as_str(), event.channel.as_str(), &*event.id);
        self.report_failure_at(place, cause);
    }

    /// Logs a failure on the event with that account, channel and id.
    pub(super) fn report_failure_at(&self, (account, channel, event): (&str, &str, &str), cause: &str) {
        self.failing.store(true, Relaxed);
        let (sink, kind) = (&*self.sink, self.message);
        tracing::warn!(sink, account, channel, event, kind, "{}: {cause}", self.message);
    }

    /// Logs the recovery if a failure was reported before.
    pub(super) fn report_success(&self) {
        if self.failing.swap(false, Relaxed) {
            tracing::info!(sink = &*self.sink, kind = self.message, "the sink works again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_longest_pause_counts_and_ends() {
        let pause = Pause::default();
        assert_eq!(pause.remaining(), None);
        pause.begin(Duration::from_secs(10));
        pause.begin(Duration::from_secs(5));
        assert_eq!(pause.remaining(), Some(Duration::from_secs(10)));
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(pause.remaining(), None);
    }
}
