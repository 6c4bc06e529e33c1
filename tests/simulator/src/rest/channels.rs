//! Channels: lists, single ones, members.

use serde_json::json;

use crate::rest::request::{ApiRequest, RouteResult};
use crate::rest::response::{ApiResponse, forbidden, invalid_body};
use crate::state::State;
use crate::wire::reply::AppError;
use crate::world::channel::{Channel, ChannelKind, member_row};

/// All channels of a user, by id and without an entity tag. 5.37 lacks it (fact 12), so there it is by option only.
pub(crate) fn of_user(state: &mut State, request: &ApiRequest) -> RouteResult {
    let user = request.id("user_id")?;
    state.require_self(request, user)?;
    list(state, request, user, |_| true)
}

/// A user's channels in a team; direct and group channels are in every team's list.
pub(crate) fn of_user_in_team(state: &mut State, request: &ApiRequest) -> RouteResult {
    let (user, team) = (request.id("user_id")?, request.id("team_id")?);
    state.require_self(request, user)?;
    if !state.world.teams.get(team).is_some_and(|t| t.members.contains(user)) {
        return Err(forbidden());
    }
    list(state, request, user, |c| !c.is_team_channel() || c.team_id == team)
}

fn list(state: &State, request: &ApiRequest, user: &str, wanted: impl Fn(&Channel) -> bool) -> RouteResult {
    let deleted = request.flag("include_deleted");
    let since: i64 = request.number("last_delete_at").unwrap_or(0);
    let mut channels: Vec<Channel> = state
        .world
        .channels
        .values()
        .filter(|c| c.members.contains(user) && wanted(c))
        .filter(|c| c.delete_at == 0 || (deleted && c.delete_at >= since))
        .map(Channel::listed)
        .collect();
    if channels.is_empty() {
        // No channels at all is a 404 of its own, not that of an absent route (fact 26).
        let text = "No channels were found.";
        return Err(AppError::new("app.channel.get_channels.not_found.app_error", text, 404));
    }
    let of_all_teams = state.options.version.is_current() && !request.params.contains_key("team_id");
    if of_all_teams {
        channels.sort_by(|a, b| a.id.cmp(&b.id));
        return Ok(ApiResponse::json(&channels));
    }
    channels.sort_by(|a, b| (&a.display_name, &a.id).cmp(&(&b.display_name, &b.id)));
    let newest = channels.iter().map(|c| (c.last_post_at.max(c.update_at), &c.id)).max();
    let (time, id) = newest.map_or((0, ""), |(time, id)| (time, id.as_str()));
    let etag = format!("{}.{id}.{time}.0.{}", state.options.version_name(), channels.len());
    Ok(ApiResponse::json(&channels).tagged(&etag, request.etag()))
}

/// One channel, with a `last_post_at` that is cached and not to be believed (fact 24).
pub(crate) fn get(state: &mut State, request: &ApiRequest) -> RouteResult {
    let id = request.id("channel_id")?;
    let Some(channel) = state.world.channels.get_mut(id) else {
        return Err(no_channel());
    };
    let mut shown = channel.clone();
    shown.last_post_at = *channel.cached_last_post_at.get_or_insert(channel.last_post_at);
    state.require_member(request, id)?;
    Ok(ApiResponse::json(&shown))
}

/// One channel by its team's name and its own. A private channel is not found by others (no recording has this).
pub(crate) fn by_name(state: &mut State, request: &ApiRequest) -> RouteResult {
    let (team, name) = (request.param("team"), request.param("channel"));
    let team = state.world.teams.values().find(|row| row.name == team).ok_or_else(no_channel)?.id.clone();
    let found = state.world.channels.values().find(|row| row.team_id == team && row.name == name);
    let channel = found.ok_or_else(no_channel)?;
    if channel.kind == ChannelKind::Private && !channel.members.contains(&request.user) {
        return Err(no_channel());
    }
    let id = channel.id.clone();
    show(state, &id)
}

pub(crate) fn no_channel() -> AppError {
    let text = "Unable to find the existing channel.";
    AppError::new("app.channel.get.existing.app_error", text, 404)
}

pub(crate) fn create(state: &mut State, request: &ApiRequest) -> RouteResult {
    let (team, name) = (request.text("team_id"), request.text("name"));
    if name.is_empty() || !state.world.teams.contains_key(team) {
        return Err(invalid_body("channel"));
    }
    let kind = if request.text("type") == "P" { ChannelKind::Private } else { ChannelKind::Open };
    let id = state.create_channel_row(team, name, kind);
    let display = request.body["display_name"].as_str().unwrap_or(name);
    state.change_channel(&id, |row| {
        display.clone_into(&mut row.display_name);
        row.creator_id.clone_from(&request.user);
    });
    state.join_channel_quietly(&id, &request.user);
    let answer = show(state, &id).map(|a| ApiResponse { status: hyper::StatusCode::CREATED, ..a });
    state.post_about_member(&id, &request.user, &request.user);
    answer
}

pub(crate) fn direct(state: &mut State, request: &ApiRequest) -> RouteResult {
    let users = request.texts();
    let [a, b] = users[..] else {
        return Err(invalid_body("user_ids"));
    };
    let other = if a == request.user { b } else { a };
    let id = state.direct_channel_row(&request.user, other);
    show(state, &id).map(|a| ApiResponse { status: hyper::StatusCode::CREATED, ..a })
}

pub(crate) fn group(state: &mut State, request: &ApiRequest) -> RouteResult {
    let users = request.texts();
    if !(3..=8).contains(&users.len()) {
        return Err(invalid_body("user_ids"));
    }
    let id = state.group_channel_row(&users);
    show(state, &id).map(|a| ApiResponse { status: hyper::StatusCode::CREATED, ..a })
}

pub(crate) fn patch(state: &mut State, request: &ApiRequest) -> RouteResult {
    let id = request.id("channel_id")?.to_owned();
    state.require_member(request, &id)?;
    let Some(header) = request.body["header"].as_str() else {
        return show(state, &id);
    };
    let old = state.set_header(&id, header).ok_or_else(no_channel)?;
    let shown = show(state, &id);
    state.post_about_header(&id, &old, header, &request.user);
    shown
}

pub(crate) fn archive(state: &mut State, request: &ApiRequest) -> RouteResult {
    let id = request.id("channel_id")?;
    state.require_member(request, id)?;
    state.archive_channel_row(id, &request.user);
    Ok(ApiResponse::ok())
}

fn show(state: &State, id: &str) -> RouteResult {
    state.world.channels.get(id).map(ApiResponse::json).ok_or_else(no_channel)
}

pub(crate) fn add_member(state: &mut State, request: &ApiRequest) -> RouteResult {
    let (channel, user) = (request.id("channel_id")?, request.text("user_id"));
    let exists = state.world.channels.contains_key(channel);
    if !exists || !(state.is_admin(&request.user) || state.is_member(channel, &request.user)) {
        return Err(forbidden());
    }
    let now = state.world.now();
    state.join_channel(channel, user, &request.user);
    Ok(ApiResponse::created(&member_row(state.options.version, channel, user, now)))
}

/// It has only a view time: there is no join time (fact 28).
pub(crate) fn get_member(state: &mut State, request: &ApiRequest) -> RouteResult {
    let (channel, user) = (request.id("channel_id")?, request.id("user_id")?);
    if !state.is_member(channel, user) {
        let text = "No channel member found for that user ID and channel ID.";
        return Err(AppError::new("app.channel.get_member.missing.app_error", text, 404));
    }
    let now = state.world.now();
    Ok(ApiResponse::json(&json!(member_row(state.options.version, channel, user, now))))
}

pub(crate) fn remove_member(state: &mut State, request: &ApiRequest) -> RouteResult {
    let (channel, user) = (request.id("channel_id")?, request.id("user_id")?);
    state.require_member(request, channel)?;
    state.leave_channel(channel, user, &request.user);
    Ok(ApiResponse::ok())
}
