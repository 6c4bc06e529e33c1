//! Reactions.

use crate::rest::request::{ApiRequest, RouteResult};
use crate::rest::response::{ApiResponse, invalid_body};
use crate::state::State;

pub(crate) fn add(state: &mut State, request: &ApiRequest) -> RouteResult {
    let (user, post) = (request.text("user_id"), request.text("post_id"));
    state.require_self(request, user)?;
    let missing = || invalid_body("post_id");
    let channel = state.world.posts.get(post).ok_or_else(missing)?.channel_id.clone();
    state.require_member(request, &channel)?;
    state.require_in_channel(request, &channel, "add_reaction")?;
    let reaction = state.add_reaction(user, post, request.text("emoji_name"));
    Ok(ApiResponse::json(&reaction.ok_or_else(missing)?))
}

pub(crate) fn remove(state: &mut State, request: &ApiRequest) -> RouteResult {
    let (user, post) = (request.id("user_id")?, request.id("post_id")?);
    state.require_self(request, user)?;
    state.remove_reaction(user, post, request.param("emoji"));
    Ok(ApiResponse::ok())
}

pub(crate) fn list(state: &mut State, request: &ApiRequest) -> RouteResult {
    let post = request.id("post_id")?;
    let channel = state.world.posts.get(post).map(|p| p.channel_id.clone()).unwrap_or_default();
    state.require_member(request, &channel)?;
    Ok(ApiResponse::json(state.world.posts.reactions_mut(post)))
}
