//! Posts.

use std::collections::BTreeMap;

use serde_json::json;

use crate::fault::{FaultKind, FaultSubject};
use crate::rest::request::{ApiRequest, RouteResult};
use crate::rest::response::{ApiResponse, DeferredCommit, forbidden, invalid_param};
use crate::state::State;
use crate::wire::reply::AppError;
use crate::world::listing::{self, Page, PostList, PostRange, Threads};
use crate::world::post::PostOptions;

const PER_PAGE: usize = 60;
const MAX_PER_PAGE: usize = 200;

pub(crate) fn list(state: &mut State, request: &ApiRequest) -> RouteResult {
    let channel = request.id("channel_id")?;
    if state.options.version.is_current() && !state.world.channels.contains_key(channel) {
        // On 5.37 it is forbidden, as a channel of others is (fact 32).
        let text = format!("Unable to find the existing channel {channel}.");
        return Err(AppError::new("app.channel.get.existing.app_error", &text, 404));
    }
    state.require_member(request, channel)?;
    let may_skip = request.flag("skipFetchThreads") && !state.world.brings_threads;
    let threads = if may_skip { Threads::Root } else { Threads::Whole };
    if let Some(since) = request.query.get("since") {
        let since = since.parse().map_err(|_| invalid_param("since"))?;
        let list = listing::since(&state.world.posts, channel, since, threads);
        return Ok(ApiResponse::json(&state.accessible(list)));
    }
    let range = if let Some(after) = request.query.get("after") {
        PostRange::After(after)
    } else if let Some(before) = request.query.get("before") {
        PostRange::Before(before)
    } else {
        PostRange::Latest
    };
    let number = request.number("page").unwrap_or(0);
    let size = request.number("per_page").unwrap_or(PER_PAGE).clamp(1, MAX_PER_PAGE);
    let rows = state.shortened(request).unwrap_or(size);
    let list = listing::page(&state.world.posts, channel, Page { range, number, size, rows, threads });
    let newest = state.world.posts.newest_update(channel);
    let etag = format!("{}.{newest}", state.options.version_name());
    Ok(ApiResponse::json(&state.accessible(list)).tagged(&etag, request.etag()))
}

impl State {
    /// The list as the plan shows it (fact 34).
    fn accessible(&self, mut list: PostList) -> PostList {
        list.first_inaccessible_post_time = self.options.version.is_current().then_some(0);
        if let Some(before) = self.world.inaccessible_before {
            listing::hide(&mut list, before);
        }
        list
    }

    /// The rows that a page has at most, by a fault.
    fn shortened(&mut self, request: &ApiRequest) -> Option<usize> {
        let subject =
            FaultSubject { user: Some(&request.user), route: Some("GET /channels/{channel_id}/posts") };
        match self.faults.trigger(&subject, |kind| matches!(kind, FaultKind::ShortPage(_)))? {
            FaultKind::ShortPage(rows) => Some(rows),
            _ => None,
        }
    }

    /// A root that is not deleted and no reply itself; 5.37 was not recorded, so it takes any (fact 38).
    fn require_root(&self, request: &ApiRequest) -> Result<(), AppError> {
        let id = request.text("root_id");
        let root = self.world.posts.get(id).filter(|post| post.delete_at == 0 && post.root_id.is_empty());
        if id.is_empty() || root.is_some() || !self.options.version.is_current() {
            return Ok(());
        }
        Err(AppError::new("api.post.create_post.root_id.app_error", "Invalid RootId parameter.", 400))
    }

    /// A text that is not longer than the server takes (fact 40).
    fn require_size(&self, text: &str) -> Result<(), AppError> {
        if text.chars().count() <= self.options.max_post_size {
            return Ok(());
        }
        Err(if self.options.version.is_current() {
            let text = "Post Message property is longer than the maximum permitted length.";
            AppError::new("model.post.is_valid.message_length.app_error", text, 400)
        } else {
            AppError::new("model.post.is_valid.msg.app_error", "Invalid message.", 400)
        })
    }
}

pub(crate) fn create(state: &mut State, request: &ApiRequest) -> RouteResult {
    let channel = request.text("channel_id");
    if !state.is_member(channel, &request.user) {
        return Err(forbidden());
    }
    state.require_in_channel(request, channel, "create_post")?;
    state.require_root(request)?;
    state.require_size(request.text("message"))?;
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
    answer.after = state.triggered_webhook(&made.post).filter(|_| !made.hidden);
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
    let etag = format!("{}.{id}.{}", state.options.version_name(), post.update_at);
    Ok(ApiResponse::json(&state.world.posts.rendered(id)).tagged(&etag, request.etag()))
}

pub(crate) fn thread(state: &mut State, request: &ApiRequest) -> RouteResult {
    let id = request.id("post_id")?;
    let post = state.world.posts.get(id).ok_or_else(no_post)?;
    state.require_member(request, &post.channel_id)?;
    let root = if post.root_id.is_empty() { id.to_owned() } else { post.root_id.clone() };
    let mut ids = state.world.posts.replies(&root);
    ids.push(root.clone());
    let store = &state.world.posts;
    let mut posts: Vec<_> = ids.iter().filter_map(|id| store.get(id)).collect();
    posts.sort_by_key(|post| (!post.root_id.is_empty(), post.create_at));
    let updated = posts.iter().map(|post| post.update_at).max().unwrap_or_default();
    let etag = format!("{}.{root}.{root}.{updated}", state.options.version_name());
    let list = PostList {
        order: posts.iter().map(|post| post.id.clone()).collect(),
        posts: posts
            .iter()
            .filter_map(|post| Some((post.id.clone(), store.rendered(&post.id)?)))
            .collect::<BTreeMap<_, _>>(),
        has_next: state.options.version.is_current().then_some(false),
        ..PostList::default()
    };
    Ok(ApiResponse::json(&state.accessible(list)).tagged(&etag, request.etag()))
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
    let channel = state.world.posts.get(&id).map(|post| post.channel_id.clone()).unwrap_or_default();
    state.require_in_channel(request, &channel, "edit_post")?;
    state.require_size(request.text("message"))?;
    let text = request.text("message");
    let edited = match request.body["props"].as_object() {
        Some(props) => state.replace_post_row(&id, text, props.clone()),
        None => state.edit_post_row(&id, text),
    };
    Ok(ApiResponse::json(&edited.ok_or_else(no_post)?))
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
    state.require_permission(request, "create_post_ephemeral")?;
    state.require_member(request, channel)?;
    let user = request.text("user_id");
    let made = state.ephemeral_post(user, channel, text("message"), &request.user);
    Ok(ApiResponse::created(&json!(made)))
}
