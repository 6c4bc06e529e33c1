//! Users, and the ping that needs no token.

use serde_json::json;

use crate::rest::request::{ApiRequest, RouteResult};
use crate::rest::response::{ApiResponse, invalid_body};
use crate::state::State;
use crate::wire::reply::AppError;
use crate::world::account::User;

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

pub(crate) fn by_name(state: &mut State, request: &ApiRequest) -> RouteResult {
    let id = state.world.usernames.get(request.param("username")).cloned();
    let missing = || AppError::new("app.user.get_by_username.app_error", "Unable to find the user.", 404);
    show(state, request, &id.ok_or_else(missing)?)
}

fn show(state: &mut State, request: &ApiRequest, id: &str) -> RouteResult {
    let user = state.world.users.get(id).ok_or_else(no_user)?;
    let own = request.user == id || state.is_admin(&request.user);
    let answer =
        if own { ApiResponse::json(&user.private(state.options.version)) } else { ApiResponse::json(user) };
    let etag = user.etag(state.options.version_name());
    Ok(answer.tagged(&etag, request.etag()))
}

fn no_user() -> AppError {
    AppError::new("app.user.missing_account.const", "Unable to find the user.", 404)
}

#[expect(clippy::unnecessary_wraps, reason = "every route has this form")]
pub(crate) fn by_ids(state: &mut State, request: &ApiRequest) -> RouteResult {
    let ids = request.texts();
    let users: Vec<&User> = ids.iter().filter_map(|id| state.world.users.get(*id)).collect();
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

/// A status set by hand; it moves nothing (`own_changes`).
pub(crate) fn set_status(state: &mut State, request: &ApiRequest) -> RouteResult {
    let id = request.id("user_id")?.to_owned();
    state.require_self(request, &id)?;
    let known =
        ["online", "away", "dnd", "offline"].into_iter().find(|status| *status == request.text("status"));
    let status = known.ok_or_else(|| invalid_body("status"))?;
    state.set_status(&id, status);
    let now = state.world.now();
    Ok(ApiResponse::json(&json!({
        "user_id": id, "status": status, "manual": true, "last_activity_at": now, "dnd_end_time": 0
    })))
}

/// A custom status; it moves `update_at` (fact 48).
pub(crate) fn set_custom_status(state: &mut State, request: &ApiRequest) -> RouteResult {
    let id = request.id("user_id")?.to_owned();
    state.require_self(request, &id)?;
    state.set_custom_status(&id, request.text("emoji"), request.text("text"));
    Ok(ApiResponse::ok())
}

/// A new picture, which is not kept; it moves `update_at` (fact 48).
pub(crate) fn set_image(state: &mut State, request: &ApiRequest) -> RouteResult {
    let id = request.id("user_id")?.to_owned();
    state.require_self(request, &id)?;
    state.touch(&id, |_| ());
    Ok(ApiResponse::ok())
}
