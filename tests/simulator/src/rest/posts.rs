//! Posts.

use std::collections::BTreeMap;

use serde_json::json;

use crate::rest::request::{ApiRequest, RouteResult};
use crate::rest::response::{ApiResponse, DeferredCommit, forbidden, invalid_param};
use crate::state::State;
use crate::wire::reply::AppError;
use crate::world::listing::{self, PostList, PostRange};
use crate::world::post::PostOptions;

const PER_PAGE: usize = 60;
const MAX_PER_PAGE: usize = 200;
/// Longest text of a post, in characters (fact 13).
const MAX_MESSAGE: usize = 16_383;

pub(crate) fn list(state: &mut State, request: &ApiRequest) -> RouteResult {
    let channel = request.id("channel_id")?;
    state.require_member(request, channel)?;
    let store = &state.world.posts;
    if let Some(since) = request.query.get("since") {
        let since = since.parse().map_err(|_| invalid_param("since"))?;
        return Ok(ApiResponse::json(&listing::since(store, channel, since)));
    }
    let span = if let Some(after) = request.query.get("after") {
        PostRange::After(after)
    } else if let Some(before) = request.query.get("before") {
        PostRange::Before(before)
    } else {
        PostRange::Latest
    };
    let page = request.number("page").unwrap_or(0);
    let per_page = request.number("per_page").unwrap_or(PER_PAGE).clamp(1, MAX_PER_PAGE);
    let list = listing::page(store, channel, span, page, per_page);
    let etag = format!("{}.{}", state.options.version, store.newest_update(channel));
    Ok(ApiResponse::json(&list).tagged(&etag, request.etag()))
}

pub(crate) fn create(state: &mut State, request: &ApiRequest) -> RouteResult {
    let channel = request.text("channel_id");
    if !state.is_member(channel, &request.user) {
        return Err(forbidden());
    }
    if request.text("message").chars().count() > MAX_MESSAGE {
        let id = "model.post.is_valid.msg.app_error";
        return Err(AppError::new(id, "Invalid message.", 400));
    }
    let text = |name: &str| request.body[name].as_str().filter(|t| !t.is_empty()).map(str::to_owned);
    let file_ids = state.own_files(&request.user, &request.body["file_ids"]);
    let options = PostOptions {
        user_id: request.user.clone(),
        file_ids,
        channel_id: channel.to_owned(),
        message: request.text("message").to_owned(),
        root_id: text("root_id"),
        // Only an admin may set a creation time: imports do (fact 29).
        create_at: request.body["create_at"].as_i64().filter(|t| *t > 0 && state.is_admin(&request.user)),
        visible_after: state.random_commit_delay(),
        props: request.body["props"].as_object().cloned().unwrap_or_default(),
        pending_post_id: text("pending_post_id"),
        ..PostOptions::default()
    };
    let made = state.create_post(&options);
    let mut answer = ApiResponse::created(&made.post);
    if made.hidden {
        answer.commit = options.visible_after.map(|after| DeferredCommit {
            post_id: made.post.id,
            mentions: Vec::new(),
            after,
        });
    }
    state.set_online(&request.user);
    Ok(answer)
}

pub(crate) fn get(state: &mut State, request: &ApiRequest) -> RouteResult {
    let id = request.id("post_id")?;
    let post = state.world.posts.get(id).filter(|post| post.delete_at == 0).ok_or_else(no_post)?;
    state.require_member(request, &post.channel_id)?;
    Ok(ApiResponse::json(&state.world.posts.rendered(id)))
}

pub(crate) fn thread(state: &mut State, request: &ApiRequest) -> RouteResult {
    let id = request.id("post_id")?;
    let post = state.world.posts.get(id).ok_or_else(no_post)?;
    state.require_member(request, &post.channel_id)?;
    let root = if post.root_id.is_empty() { id.to_owned() } else { post.root_id.clone() };
    let mut ids = state.world.posts.replies(&root);
    ids.push(root);
    let store = &state.world.posts;
    let mut posts: Vec<_> = ids.iter().filter_map(|id| store.get(id)).collect();
    posts.sort_by_key(|post| std::cmp::Reverse(post.create_at));
    let list = PostList {
        order: posts.iter().map(|post| post.id.clone()).collect(),
        posts: posts
            .iter()
            .filter_map(|post| Some((post.id.clone(), store.rendered(&post.id)?)))
            .collect::<BTreeMap<_, _>>(),
        ..PostList::default()
    };
    Ok(ApiResponse::json(&list))
}

fn no_post() -> AppError {
    AppError::new("app.post.get.app_error", "Unable to get the post.", 404)
}

/// The post's author or an admin passes.
fn require_author(state: &State, request: &ApiRequest) -> Result<String, AppError> {
    let id = request.id("post_id")?;
    let post = state.world.posts.get(id).filter(|post| post.delete_at == 0).ok_or_else(no_post)?;
    state.require_self(request, &post.user_id)?;
    Ok(id.to_owned())
}

pub(crate) fn edit(state: &mut State, request: &ApiRequest) -> RouteResult {
    let id = require_author(state, request)?;
    let post = state.edit_post_row(&id, request.text("message")).ok_or_else(no_post)?;
    Ok(ApiResponse::json(&post))
}

pub(crate) fn delete(state: &mut State, request: &ApiRequest) -> RouteResult {
    let id = require_author(state, request)?;
    state.delete_post_row(&id, &request.user);
    Ok(ApiResponse::ok())
}

pub(crate) fn pin(state: &mut State, request: &ApiRequest) -> RouteResult {
    set_pinned(state, request, true)
}

pub(crate) fn unpin(state: &mut State, request: &ApiRequest) -> RouteResult {
    set_pinned(state, request, false)
}

fn set_pinned(state: &mut State, request: &ApiRequest, pinned: bool) -> RouteResult {
    let id = request.id("post_id")?;
    let post = state.world.posts.get(id).ok_or_else(no_post)?;
    state.require_member(request, &post.channel_id)?;
    state.set_pinned(id, pinned).ok_or_else(no_post)?;
    Ok(ApiResponse::ok())
}

pub(crate) fn typing(state: &mut State, request: &ApiRequest) -> RouteResult {
    let (user, channel) = (request.id("user_id")?, request.text("channel_id"));
    state.require_member(request, channel)?;
    state.announce_typing(user, channel, request.text("parent_id"));
    Ok(ApiResponse::ok())
}

pub(crate) fn ephemeral(state: &mut State, request: &ApiRequest) -> RouteResult {
    let post = &request.body["post"];
    let text = |name: &str| post[name].as_str().unwrap_or_default();
    let channel = text("channel_id");
    state.require_member(request, channel)?;
    let user = request.text("user_id");
    let made = state.ephemeral_post(user, channel, text("message"), &request.user);
    Ok(ApiResponse::created(&json!(made)))
}
