//! Teams.

use crate::rest::permissions::team_row;
use crate::rest::request::{ApiRequest, RouteResult};
use crate::rest::response::{ApiResponse, forbidden, invalid_body};
use crate::state::State;
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
