//! Actions as a text with JSON, and their results as one.

use std::{sync::Arc, time::Duration};

use matterhost_actors::{
    model::{AccountName, AccountState, Excerpt, OutgoingAction, ReplyError, Retryability},
    ports::Poster,
};
use serde::Serialize;

use super::{
    ActionPlace, ActionResult, BAD_REQUEST, BotAction, BotActions, CheckedAction, MAX_ACTIONS_BYTES,
    TOO_LARGE, Work, take,
};

/// The key of posts whose sender gave them none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneratedKey {
    /// The key.
    pub text: String,
    /// The time before which no post has it, in server milliseconds.
    pub earliest: i64,
}

/// The end of actions that were taken from a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextEnd {
    /// They are done, or failed for good.
    Finished {
        /// The results: one as JSON, or a list.
        results: Vec<u8>,
        /// True if all are done.
        is_done: bool,
    },
    /// The account could send, and one was not done in time.
    Late {
        /// The results if it is given up.
        results: Vec<u8>,
        /// The time that it had: `replies.deadline`, or that of a look-up.
        waited: Duration,
    },
    /// The task that carried one out has ended: it panicked, or its thread has ended.
    Crashed,
    /// One was not done for a reason that is not its own: the host stops, the account leaves it, or is not connected.
    Interrupted,
}

/// The end of one action.
enum ActionEnd {
    Finished(ActionResult),
    Late(ActionResult, Duration),
    Crashed,
    Interrupted,
}

/// Takes an action, or several in order. `key` is that of posts without one, followed by # and the index if there are several.
/// After an action that fails, the others are not taken.
pub async fn take_text(
    poster: &Arc<dyn Poster>,
    account: &AccountName,
    text: &[u8],
    key: &GeneratedKey,
) -> TextEnd {
    if text.len() > MAX_ACTIONS_BYTES {
        let cause = format!("{} bytes; send at most {MAX_ACTIONS_BYTES}", text.len());
        return TextEnd::failed(refusal(TOO_LARGE, &cause));
    }
    match serde_json::from_slice(text) {
        Ok(BotActions::One(action)) => match check(action, key) {
            Err(refused) => TextEnd::failed(to_json(&refused)),
            Ok(action) => match take_one(poster, account, action).await {
                ActionEnd::Finished(result) => {
                    TextEnd::Finished { results: to_json(&result), is_done: result.is_done() }
                }
                ActionEnd::Late(result, waited) => TextEnd::Late { results: to_json(&result), waited },
                ActionEnd::Crashed => TextEnd::Crashed,
                ActionEnd::Interrupted => TextEnd::Interrupted,
            },
        },
        Ok(BotActions::Several(actions)) => take_several(poster, account, actions, key).await,
        Err(error) => TextEnd::failed(refusal(BAD_REQUEST, &error)),
    }
}

impl TextEnd {
    fn failed(results: Vec<u8>) -> Self {
        Self::Finished { results, is_done: false }
    }
}

/// Returns the result, as JSON, of an action that is refused.
pub fn refusal(status: u16, cause: &impl std::fmt::Display) -> Vec<u8> {
    to_json(&ActionResult::failed(status, Excerpt::of(cause).to_string()))
}

/// Takes several actions, none of which is taken if one is not valid.
async fn take_several(
    poster: &Arc<dyn Poster>,
    account: &AccountName,
    actions: Vec<BotAction>,
    key: &GeneratedKey,
) -> TextEnd {
    let check = |(n, action)| check(action, &key.numbered(n));
    let checked: Result<Vec<_>, _> = actions.into_iter().enumerate().map(check).collect();
    let actions = match checked {
        Ok(actions) => actions,
        Err(refused) => return TextEnd::failed(to_json(&[refused])),
    };
    let (mut results, mut late) = (Vec::<ActionResult>::with_capacity(actions.len()), None);
    for action in actions {
        let is_next = results.last().is_none_or(ActionResult::is_done);
        let end = if is_next {
            take_one(poster, account, action).await
        } else {
            ActionEnd::Finished(ActionResult::not_taken())
        };
        results.push(match end {
            ActionEnd::Finished(result) => result,
            ActionEnd::Late(result, waited) => {
                late = Some(waited);
                result
            }
            ActionEnd::Crashed => return TextEnd::Crashed,
            ActionEnd::Interrupted => return TextEnd::Interrupted,
        });
    }
    let is_done = results.iter().all(ActionResult::is_done);
    let results = to_json(&results);
    match late {
        Some(waited) => TextEnd::Late { results, waited },
        None => TextEnd::Finished { results, is_done },
    }
}

async fn take_one(poster: &Arc<dyn Poster>, account: &AccountName, action: CheckedAction) -> ActionEnd {
    let done = take(poster, account, action).await;
    match &done {
        Err(ReplyError::TimedOut { state, waited, .. }) if can_send(*state) => {
            let waited = *waited;
            ActionEnd::Late(ActionResult::of(done), waited)
        }
        Err(ReplyError::Interrupted(_)) => ActionEnd::Crashed,
        // Between two configurations, or two owners.
        Err(ReplyError::UnknownAccount(_)) => ActionEnd::Interrupted,
        Err(error) if error.retryability() == Retryability::Retryable => ActionEnd::Interrupted,
        Ok(_) | Err(_) => ActionEnd::Finished(ActionResult::of(done)),
    }
}

/// Returns true for the states in which an account sends: an action that was late then was so by itself.
fn can_send(state: AccountState) -> bool {
    match state {
        AccountState::CatchingUp | AccountState::Ready | AccountState::Stalled => true,
        AccountState::Connecting
        | AccountState::Backoff
        | AccountState::Blocked
        | AccountState::Misconfigured
        | AccountState::Tripped
        | AccountState::Stopping
        | AccountState::Stopped => false,
    }
}

impl GeneratedKey {
    /// Returns the key of the `n`th of several actions.
    fn numbered(&self, n: usize) -> Self {
        Self { text: format!("{}#{n}", self.text), ..*self }
    }

    /// Adds the time to the key of a post, if it is this one. A key of the sender's may be older.
    fn add_time(&self, work: &mut Work) {
        if let Work::Act(OutgoingAction::Post(draft)) = work
            && let Some(key) = draft.key.take()
        {
            let is_this = key.as_str() == self.text;
            draft.key = Some(if is_this { key.with_earliest(self.earliest) } else { key });
        }
    }
}

fn check(action: BotAction, key: &GeneratedKey) -> Result<CheckedAction, ActionResult> {
    let checked = action.check(ActionPlace::Request { key: Some(&key.text) });
    let mut checked = checked.map_err(|error| ActionResult::refused(&error))?;
    key.add_time(&mut checked.work);
    Ok(checked)
}

fn to_json(results: &impl Serialize) -> Vec<u8> {
    // Texts and numbers always serialize.
    serde_json::to_vec(results).unwrap_or_default()
}

#[cfg(test)]
mod tests;
