//! Actions as a text with JSON, and their results as one.

use matterhost_actors::{
    model::{AccountName, Excerpt},
    ports::Poster,
};
use serde_json::Value;

use super::{ActionPlace, ActionResult, BAD_REQUEST, BotAction, BotActions, CheckedAction, take};

/// The status of an action whose place or members do not fit.
const UNPROCESSABLE: u16 = 422;

/// Takes an action, or several in order, and returns the result as JSON: one, or a list. `key` is that of posts without one,
/// followed by # and the index if there are several. After an action that fails, the others are not taken.
pub async fn take_text(poster: &dyn Poster, account: &AccountName, text: &[u8], key: &str) -> Vec<u8> {
    let results = match serde_json::from_slice(text) {
        Ok(BotActions::One(action)) => to_json(&take_one(poster, account, action, key).await),
        Ok(BotActions::Several(actions)) => to_json(&take_several(poster, account, actions, key).await),
        Err(error) => to_json(&ActionResult::failed(BAD_REQUEST, Excerpt::of(&error).to_string())),
    };
    results.to_string().into_bytes()
}

fn to_json(results: &impl serde::Serialize) -> Value {
    // Texts and numbers always serialize.
    serde_json::to_value(results).unwrap_or_default()
}

async fn take_one(poster: &dyn Poster, account: &AccountName, action: BotAction, key: &str) -> ActionResult {
    match check(action, key) {
        Ok(action) => ActionResult::of(take(poster, account, action).await),
        Err(refused) => refused,
    }
}

/// Takes several actions, none of which is taken if one is not valid.
async fn take_several(
    poster: &dyn Poster,
    account: &AccountName,
    actions: Vec<BotAction>,
    key: &str,
) -> Vec<ActionResult> {
    let check = |(n, action)| check(action, &format!("{key}#{n}"));
    let checked: Result<Vec<_>, _> = actions.into_iter().enumerate().map(check).collect();
    let actions = match checked {
        Ok(actions) => actions,
        Err(refused) => return vec![refused],
    };
    let mut results: Vec<ActionResult> = Vec::with_capacity(actions.len());
    for action in actions {
        results.push(if results.last().is_none_or(ActionResult::is_done) {
            ActionResult::of(take(poster, account, action).await)
        } else {
            ActionResult::not_taken()
        });
    }
    results
}

fn check(action: BotAction, key: &str) -> Result<CheckedAction, ActionResult> {
    action.check(ActionPlace::Request { key: Some(key) }).map_err(|error| {
        let status = if error.is_misplaced() { UNPROCESSABLE } else { BAD_REQUEST };
        ActionResult::failed(status, error.to_string())
    })
}
