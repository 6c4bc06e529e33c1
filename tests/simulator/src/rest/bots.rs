//! Bot accounts.

use serde_json::json;

use crate::rest::request::{ApiRequest, RouteResult};
use crate::rest::response::{ApiResponse, invalid_body};
use crate::state::State;
use crate::wire::reply::AppError;
use crate::world::post::PostOptions;

/// Makes a bot; like the server it opens a direct channel to its owner and writes a post there.
pub(crate) fn create(state: &mut State, request: &ApiRequest) -> RouteResult {
    state.require_admin(request)?;
    let name = request.text("username").to_owned();
    if name.is_empty() {
        return Err(invalid_body("username"));
    }
    if state.world.usernames.contains_key(&name) {
        let text = "An account with that username already exists.";
        return Err(AppError::new("app.user.save.username_exists.app_error", text, 400));
    }
    let id = state.create_user_row(&name, true);
    if let Some(user) = state.world.users.get_mut(&id) {
        let display = request.body["display_name"].as_str().unwrap_or(&name);
        display.clone_into(&mut user.first_name);
        user.bot_description = Some(request.text("description").to_owned());
    }
    let channel = state.direct_channel_row(&id, &request.user);
    state.create_post(&PostOptions {
        user_id: id.clone(),
        channel_id: channel,
        message: "Please add me to teams and channels you want me to interact in.".to_owned(),
        kind: "add_bot_teams_channels".to_owned(),
        ..PostOptions::default()
    });
    show(state, &id)
        .map(|answer| ApiResponse::new(hyper::StatusCode::CREATED, answer.content_type, answer.body))
}

pub(crate) fn get(state: &mut State, request: &ApiRequest) -> RouteResult {
    show(state, request.id("user_id")?)
}

/// All bots by the time of their creation, in pages.
pub(crate) fn list(state: &mut State, request: &ApiRequest) -> RouteResult {
    state.require_admin(request)?;
    let (page, per_page) = (request.number("page").unwrap_or(0), request.number("per_page").unwrap_or(60));
    let users = state.world.users.values().filter(|user| request.flag("include_deleted") || user.is_active());
    let mut bots: Vec<_> =
        users.filter_map(|user| Some((user.bot.as_ref()?.create_at, &user.username, user))).collect();
    bots.sort_by_key(|(create_at, name, _)| (*create_at, *name));
    let rows = bots.into_iter().skip(page * per_page).take(per_page);
    let rows: Vec<_> = rows.filter_map(|(.., user)| user.bot_row()).collect();
    Ok(ApiResponse::json(&rows))
}

pub(crate) fn patch(state: &mut State, request: &ApiRequest) -> RouteResult {
    let id = request.id("user_id")?.to_owned();
    state.require_self(request, &id)?;
    state.rename_user(&id, request.body["username"].as_str(), request.body["display_name"].as_str());
    show(state, &id)
}

pub(crate) fn disable(state: &mut State, request: &ApiRequest) -> RouteResult {
    switch(state, request, false)
}

pub(crate) fn enable(state: &mut State, request: &ApiRequest) -> RouteResult {
    switch(state, request, true)
}

fn switch(state: &mut State, request: &ApiRequest, active: bool) -> RouteResult {
    state.require_admin(request)?;
    let id = request.id("user_id")?;
    state.set_active(id, active);
    show(state, id)
}

fn show(state: &State, id: &str) -> RouteResult {
    let row = state.world.users.get(id).and_then(crate::world::account::User::bot_row);
    let missing = || AppError::new("store.sql_bot.get.missing.app_error", "Bot does not exist.", 404);
    Ok(ApiResponse::json(&json!(row.ok_or_else(missing)?)))
}
