//! Users, and the ping that needs no token.

use serde_json::{Value, json};

use crate::rest::answer::Answer;
use crate::rest::call::{Call, Outcome};
use crate::state::State;
use crate::wire::reply::AppError;

#[expect(clippy::unnecessary_wraps, reason = "every route has this form")]
pub(crate) fn ping(_: &mut State, _: &Call) -> Outcome {
    Ok(Answer::json(&json!({
        "AndroidLatestVersion": "", "AndroidMinVersion": "", "DesktopLatestVersion": "",
        "DesktopMinVersion": "", "IosLatestVersion": "", "IosMinVersion": "", "status": "OK"
    })))
}

pub(crate) fn me(state: &mut State, call: &Call) -> Outcome {
    show(state, call, &call.user)
}

pub(crate) fn get(state: &mut State, call: &Call) -> Outcome {
    show(state, call, call.id("user_id")?)
}

fn show(state: &mut State, call: &Call, id: &str) -> Outcome {
    let user = state.world.users.get(id).ok_or_else(no_user)?;
    let own = call.user == id || state.is_admin(&call.user);
    let body = if own { user.private() } else { user.public() };
    let etag = user.etag(&state.options.version);
    Ok(Answer::json(&body).tagged(&etag, call.etag()))
}

fn no_user() -> AppError {
    AppError::new("app.user.missing_account.const", "Unable to find the user.", 404)
}

#[expect(clippy::unnecessary_wraps, reason = "every route has this form")]
pub(crate) fn by_ids(state: &mut State, call: &Call) -> Outcome {
    let ids = call.texts();
    let users: Vec<Value> = ids
        .iter()
        .filter_map(|id| state.world.users.get(*id))
        .map(super::super::world::account::User::public)
        .collect();
    Ok(Answer::json(&users))
}

pub(crate) fn patch(state: &mut State, call: &Call) -> Outcome {
    let id = call.id("user_id")?.to_owned();
    state.require_self(call, &id)?;
    let username = call.body["username"].as_str();
    let first_name = call.body["first_name"].as_str();
    if !state.rename_user(&id, username, first_name) {
        return Err(no_user());
    }
    show(state, call, &id).map(|answer| Answer { headers: Vec::new(), ..answer })
}

pub(crate) fn set_active(state: &mut State, call: &Call) -> Outcome {
    state.require_admin(call)?;
    let id = call.id("user_id")?;
    let active = call.body["active"].as_bool().unwrap_or(false);
    if state.set_active(id, active) { Ok(Answer::ok()) } else { Err(no_user()) }
}
