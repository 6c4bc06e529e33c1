//! Teams.

use crate::rest::permissions::team_row;
use crate::rest::request::{ApiRequest, RouteResult};
use crate::rest::response::{ApiResponse, forbidden, invalid_body};
use crate::state::State;
use crate::wire::reply::AppError;
use crate::world::channel::Team;

pub(crate) fn of_user(state: &mut State, request: &ApiRequest) -> RouteResult {
    let user = request.id("user_id")?;
    state.require_self(request, user)?;
    let teams: Vec<&Team> = state.world.teams.values().filter(|team| team.members.contains(user)).collect();
    Ok(ApiResponse::json(&teams))
}

pub(crate) fn get(state: &mut State, request: &ApiRequest) -> RouteResult {
    let team = state.world.teams.get(request.id("team_id")?).ok_or_else(forbidden)?;
    Ok(ApiResponse::json(team))
}

pub(crate) fn by_name(state: &mut State, request: &ApiRequest) -> RouteResult {
    let name = request.param("name");
    let missing =
        || AppError::new("app.team.get_by_name.missing.app_error", "Unable to find the existing team.", 404);
    let team = state.world.teams.values().find(|team| team.name == name).ok_or_else(missing)?;
    Ok(ApiResponse::json(team))
}

pub(crate) fn channel_by_name(state: &mut State, request: &ApiRequest) -> RouteResult {
    let (team, name) = (request.id("team_id")?, request.param("name"));
    let missing =
        || AppError::new("app.channel.get_by_name.missing.app_error", "Channel does not exist.", 404);
    let mut channels = state.world.channels.values();
    let channel = channels.find(|row| row.team_id == team && row.name == name).ok_or_else(missing)?;
    Ok(ApiResponse::json(channel))
}

pub(crate) fn create(state: &mut State, request: &ApiRequest) -> RouteResult {
    let name = request.text("name").to_owned();
    if name.is_empty() {
        return Err(invalid_body("name"));
    }
    let id = state.create_team_row(&name);
    state.join_team(&id, &request.user);
    let team = state.world.teams.get_mut(&id).ok_or_else(forbidden)?;
    if let Some(display) = request.body["display_name"].as_str() {
        display.clone_into(&mut team.display_name);
    }
    Ok(ApiResponse::created(team))
}

/// Adds a member; as on the server that leaves a post in each standing channel (`own_changes`).
pub(crate) fn add_member(state: &mut State, request: &ApiRequest) -> RouteResult {
    let (team, user) = (request.id("team_id")?, request.text("user_id"));
    state.require_admin(request)?;
    if !state.join_team_with_posts(team, user) {
        return Err(forbidden());
    }
    Ok(ApiResponse::created(&team_row(team, user)))
}
