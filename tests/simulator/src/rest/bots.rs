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
