//! Personal access tokens.

use serde_json::{Value, json};

use crate::rest::request::{ApiRequest, RouteResult};
use crate::rest::response::ApiResponse;
use crate::state::State;
use crate::wire::reply::AppError;

pub(crate) fn create(state: &mut State, request: &ApiRequest) -> RouteResult {
    let user = request.id("user_id")?.to_owned();
    state.require_self(request, &user)?;
    let description = request.text("description").to_owned();
    let (id, token) = state.create_token(&user, &description);
    Ok(ApiResponse::json(&json!({
        "id": id, "token": token, "user_id": user, "description": description, "is_active": true
    })))
}

pub(crate) fn list(state: &mut State, request: &ApiRequest) -> RouteResult {
    let user = request.id("user_id")?;
    state.require_self(request, user)?;
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
    Ok(ApiResponse::json(&rows))
}

pub(crate) fn disable(state: &mut State, request: &ApiRequest) -> RouteResult {
    change(state, request, |state, id| state.set_token_active(id, false))
}

pub(crate) fn enable(state: &mut State, request: &ApiRequest) -> RouteResult {
    change(state, request, |state, id| state.set_token_active(id, true))
}

pub(crate) fn revoke(state: &mut State, request: &ApiRequest) -> RouteResult {
    change(state, request, State::revoke_token_id)
}

fn change(state: &mut State, request: &ApiRequest, act: fn(&mut State, &str) -> bool) -> RouteResult {
    let id = request.text("token_id").to_owned();
    let token = state.world.token_ids.get(&id);
    let owner = token.and_then(|token| state.world.tokens.get(token)).map(|row| row.user_id.clone());
    let missing = || {
        let text = "Unable to get the personal access token.";
        AppError::new("app.user_access_token.get_by_user.app_error", text, 404)
    };
    state.require_self(request, &owner.ok_or_else(missing)?)?;
    act(state, &id);
    Ok(ApiResponse::ok())
}
