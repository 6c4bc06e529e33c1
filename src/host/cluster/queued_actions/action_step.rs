//! A step of the worker: the first action of an account is taken, and finished if it can be.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt as _};
use matterhost_actors::{model::AccountName, ports::Poster};
use tokio::sync::Semaphore;

use super::{FETCH_UNIT, QueueAccounts};
use crate::{
    actions::{GeneratedKey, MAX_ACTIONS_BYTES, TextEnd, refusal, take_text},
    cluster::{ActionOutcome, ActionQueue, QueueError, QueuedAction, StepEnd, StepOrder, Tries, UNKNOWN_FOR},
};

/// The status of an action for an account that the configuration does not have.
const NOT_FOUND: u16 = 404;
/// The status of an action whose task has ended each time.
const CRASHED: u16 = 500;
/// The status of an action whose account could not send.
const TIMED_OUT: u16 = 504;

/// The parts that a step needs.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub(super) queue: Arc<dyn ActionQueue>,
    pub(super) poster: Arc<dyn Poster>,
    pub(super) accounts: Arc<dyn QueueAccounts>,
    pub(super) is_stopping: Arc<AtomicBool>,
    pub(super) fetches: Arc<Semaphore>,
}

impl Surroundings {
    /// Takes the first action of an account. It is finished only if it was done or failed by itself, and the account is still this
    /// host's: otherwise it stays where it is. With `finds_expired` an action is given up that the queue is about to delete.
    pub(super) async fn step(self, order: StepOrder, finds_expired: bool) -> StepEnd {
        let account = &order.account;
        if !self.poster.may_act(account) {
            return StepEnd::Elsewhere;
        }
        let deadline = self.accounts.reply_deadline(account);
        if deadline.is_none() && !order.refuses_unknown {
            return StepEnd::Unknown;
        }
        let can_send = deadline.is_none() || self.poster.can_send(account).await;
        if !can_send && !finds_expired {
            return StepEnd::NotNow;
        }
        // It may have any length.
        let action = match self.ask(MAX_ACTIONS_BYTES, |queue| queue.first(account)).await {
            Ok(Some(action)) => action,
            Ok(None) => return StepEnd::Empty,
            Err(error) => return not_now(account, &error),
        };
        if self.is_stopping.load(Ordering::Relaxed) || !self.poster.may_act(account) {
            return StepEnd::Elsewhere;
        }
        match deadline {
            None => self.refuse_unknown(action).await,
            Some(_) if !can_send => self.give_up_expired(action).await,
            Some(deadline) => self.take(action, deadline, order.tries).await,
        }
    }

    /// Refuses an action for an account that the configuration does not have, once the action has waited for it itself.
    async fn refuse_unknown(&self, action: QueuedAction) -> StepEnd {
        let state = match self.ask(0, |queue| queue.state()).await {
            Ok(state) => state,
            Err(error) => {
                not_now(&action.account, &error);
                return StepEnd::Unknown;
            }
        };
        if state.age(action.stored_at) < UNKNOWN_FOR {
            return StepEnd::Unknown;
        }
        let cause = format!("there is no account {}", action.account);
        self.finish(action, refusal(NOT_FOUND, &cause), ActionOutcome::UnknownAccount).await
    }

    /// Gives an action up whose account cannot send, if the queue is about to delete it without a word.
    async fn give_up_expired(&self, action: QueuedAction) -> StepEnd {
        let age = match self.ask(0, |queue| queue.state()).await {
            Ok(state) if state.is_about_to_delete(state.age(action.stored_at)) => state.age(action.stored_at),
            Ok(_) => return StepEnd::NotNow,
            Err(error) => return not_now(&action.account, &error),
        };
        let minutes = age.as_secs() / 60;
        let cause = format!("account {} cannot send; given up after {minutes} minutes", action.account);
        self.finish(action, refusal(TIMED_OUT, &cause), ActionOutcome::Expired).await
    }

    /// Takes an action. It is given up if it was late by itself for too long, or has crashed too often.
    async fn take(&self, action: QueuedAction, deadline: Duration, tries: Tries) -> StepEnd {
        let (key, sequence) =
            (GeneratedKey { text: action.key(), earliest: action.earliest_ms() }, action.sequence);
        let taken = AssertUnwindSafe(take_text(&self.poster, &action.account, &action.text, &key));
        match taken.catch_unwind().await.unwrap_or(TextEnd::Crashed) {
            TextEnd::Finished { results, is_done } => {
                let outcome = if is_done { ActionOutcome::Done } else { ActionOutcome::Failed };
                self.finish(action, results, outcome).await
            }
            TextEnd::Late { results, waited } if tries.ends_late(sequence, waited, deadline) => {
                self.finish(action, results, ActionOutcome::Late).await
            }
            TextEnd::Late { waited, .. } => StepEnd::Late { sequence, waited },
            TextEnd::Crashed => self.crashed(action, tries).await,
            TextEnd::Interrupted => StepEnd::NotNow,
        }
    }

    /// Ends a try that crashed. The tasks of a host that stops, and of an account that leaves it, end for that reason.
    async fn crashed(&self, action: QueuedAction, tries: Tries) -> StepEnd {
        let (account, sequence) = (action.account.clone(), action.sequence);
        if self.is_stopping.load(Ordering::Relaxed) || !self.poster.may_act(&account) {
            return StepEnd::Elsewhere;
        }
        if !tries.ends_by_crash(sequence) {
            tracing::error!(%account, sequence, "the task that carried out an action from NATS has ended; trying again");
            return StepEnd::Crashed { sequence };
        }
        tracing::error!(%account, sequence, "the task that carried out an action from NATS has ended again; giving the action up");
        let cause = "the task that carried it out has ended each time; it may have been done";
        self.finish(action, refusal(CRASHED, &cause), ActionOutcome::Crashed).await
    }

    /// Sends the result of an action, and takes it out of the queue.
    async fn finish(&self, action: QueuedAction, result: Vec<u8>, outcome: ActionOutcome) -> StepEnd {
        // Another member has the account by now, and finds it done.
        if !self.poster.may_act(&action.account) {
            return StepEnd::Elsewhere;
        }
        // The queue looks at the action once more.
        let (account, bytes) = (action.account.clone(), action.text.len());
        match self.ask(bytes, |queue| queue.finish(action, result)).await {
            Ok(()) => StepEnd::Finished(outcome),
            Err(error) => not_now(&account, &error),
        }
    }

    /// Asks the queue for so many bytes at most, beside bounded others.
    async fn ask<T>(
        &self,
        bytes: usize,
        request: impl FnOnce(&dyn ActionQueue) -> BoxFuture<'static, Result<T, QueueError>>,
    ) -> Result<T, QueueError> {
        // It is never closed.
        let _permit = self.fetches.acquire_many(units(bytes)).await;
        request(&*self.queue).await
    }
}

/// Returns the units of a request for so many bytes. An action can be longer than the longest only in a queue with other limits.
fn units(bytes: usize) -> u32 {
    let units = bytes.min(MAX_ACTIONS_BYTES).div_ceil(FETCH_UNIT).max(1);
    u32::try_from(units).unwrap_or(1)
}

fn not_now(account: &AccountName, error: &QueueError) -> StepEnd {
    tracing::warn!(%account, %error, "cannot take an action from NATS; trying again");
    StepEnd::NotNow
}
