//! Personal access tokens.

use serde_json::{Value, json};

use crate::rest::answer::Answer;
use crate::rest::call::{Call, Outcome};
use crate::state::State;
use crate::wire::reply::AppError;

pub(crate) fn create(state: &mut State, call: &Call) -> Outcome {
    let user = call.id("user_id")?.to_owned();
    state.require_self(call, &user)?;
    let description = call.text("description").to_owned();
    let (id, token) = state.create_token(&user, &description);
    Ok(Answer::json(&json!({
        "id": id, "token": token, "user_id": user, "description": description, "is_active": true
    })))
}

pub(crate) fn list(state: &mut State, call: &Call) -> Outcome {
    let user = call.id("user_id")?;
    state.require_self(call, user)?;
    let rows: Vec<Value> = state
        .world
        .tokens
        .values()
        .filter(|row| row.user_id == user)
        .map(|row| {
            json!({
                "id": row.id, "user_id": row.user_id, "description": row.description,
                "is_active": row.is_active
            })
        })
        .collect();
    Ok(Answer::json(&rows))
}

pub(crate) fn disable(state: &mut State, call: &Call) -> Outcome {
    change(state, call, |state, id| state.set_token_active(id, false))
}

pub(crate) fn enable(state: &mut State, call: &Call) -> Outcome {
    change(state, call, |state, id| state.set_token_active(id, true))
}

pub(crate) fn revoke(state: &mut State, call: &Call) -> Outcome {
    change(state, call, State::revoke_token_id)
}

fn change(state: &mut State, call: &Call, act: fn(&mut State, &str) -> bool) -> Outcome {
    let id = call.text("token_id").to_owned();
    let token = state.world.token_ids.get(&id);
    let owner = token.and_then(|token| state.world.tokens.get(token)).map(|row| row.user_id.clone());
    let missing = || {
        let text = "Unable to get the personal access token.";
        AppError::new("app.user_access_token.get_by_user.app_error", text, 404)
    };
    state.require_self(call, &owner.ok_or_else(missing)?)?;
    act(state, &id);
    Ok(Answer::ok())
}
