//! Users, and the ping that needs no token.

use serde_json::{Value, json};

use crate::rest::request::{ApiRequest, RouteResult};
use crate::rest::response::ApiResponse;
use crate::state::State;
use crate::wire::reply::AppError;

#[expect(clippy::unnecessary_wraps, reason = "every route has this form")]
pub(crate) fn ping(_: &mut State, _: &ApiRequest) -> RouteResult {
    Ok(ApiResponse::json(&json!({
        "AndroidLatestVersion": "", "AndroidMinVersion": "", "DesktopLatestVersion": "",
        "DesktopMinVersion": "", "IosLatestVersion": "", "IosMinVersion": "", "status": "OK"
    })))
}

pub(crate) fn me(state: &mut State, request: &ApiRequest) -> RouteResult {
    show(state, request, &request.user)
}

pub(crate) fn get(state: &mut State, request: &ApiRequest) -> RouteResult {
    show(state, request, request.id("user_id")?)
}

fn show(state: &mut State, request: &ApiRequest, id: &str) -> RouteResult {
    let user = state.world.users.get(id).ok_or_else(no_user)?;
    let own = request.user == id || state.is_admin(&request.user);
    let body = if own { user.private() } else { user.public() };
    let etag = user.etag(&state.options.version);
    Ok(ApiResponse::json(&body).tagged(&etag, request.etag()))
}

fn no_user() -> AppError {
    AppError::new("app.user.missing_account.const", "Unable to find the user.", 404)
}

#[expect(clippy::unnecessary_wraps, reason = "every route has this form")]
pub(crate) fn by_ids(state: &mut State, request: &ApiRequest) -> RouteResult {
    let ids = request.texts();
    let users: Vec<Value> = ids
        .iter()
        .filter_map(|id| state.world.users.get(*id))
        .map(super::super::world::account::User::public)
        .collect();
    Ok(ApiResponse::json(&users))
}

pub(crate) fn patch(state: &mut State, request: &ApiRequest) -> RouteResult {
    let id = request.id("user_id")?.to_owned();
    state.require_self(request, &id)?;
    let username = request.body["username"].as_str();
    let first_name = request.body["first_name"].as_str();
    if !state.rename_user(&id, username, first_name) {
        return Err(no_user());
    }
    show(state, request, &id).map(|answer| ApiResponse { headers: Vec::new(), ..answer })
}

pub(crate) fn set_active(state: &mut State, request: &ApiRequest) -> RouteResult {
    state.require_admin(request)?;
    let id = request.id("user_id")?;
    let active = request.body["active"].as_bool().unwrap_or(false);
    if state.set_active(id, active) { Ok(ApiResponse::ok()) } else { Err(no_user()) }
}
