//! Buttons, menus and dialogs (facts 44 and 45).

use serde_json::{Value, json};

use crate::hooks::{Call, HookAnswer, HookRequest};
use crate::rest::request::{ApiRequest, RouteResult};
use crate::rest::response::{ApiResponse, forbidden, invalid_body};
use crate::state::State;
use crate::wire::reply::AppError;
use crate::world::integrations::{BadTrigger, OpenedDialog};

/// Presses a button, or chooses in a menu.
pub(crate) fn press(state: &mut State, request: &ApiRequest) -> RouteResult {
    let (post_id, action_id) = (request.id("post_id")?.to_owned(), request.param("action_id").to_owned());
    let post = state.world.posts.get(&post_id).filter(|post| post.delete_at == 0).ok_or_else(forbidden)?;
    let channel_id = post.channel_id.clone();
    state.require_member(request, &channel_id)?;
    let action = state.world.integrations.actions.get(&(post_id.clone(), action_id));
    let action = action.cloned().ok_or_else(failed)?;
    let (trigger_id, trigger_text) = state.new_trigger(&request.user);
    let channel = state.world.channels.get(&channel_id).ok_or_else(forbidden)?;
    let team_domain = state.world.teams.get(&channel.team_id).map_or("", |team| &team.name);
    let mut context = action.context;
    if let Some(selected) = request.body["selected_option"].as_str() {
        context.insert("selected_option".to_owned(), json!(selected));
    }
    let body = json!({
        "user_id": request.user, "user_name": user_name(state, &request.user), "channel_id": channel_id,
        "channel_name": channel.name, "team_id": channel.team_id, "team_domain": team_domain,
        "post_id": post_id, "trigger_id": trigger_text, "type": action.kind,
        "data_source": action.data_source, "context": context,
    });
    let user = request.user.clone();
    let then = move |state: &mut State, answer: Option<&HookAnswer>| {
        let answer = answer.filter(|answer| answer.status == 200).ok_or_else(failed)?;
        show(state, &post_id, &user, &answer.json());
        Ok(ApiResponse::json(&json!({ "status": "OK", "trigger_id": trigger_id })))
    };
    Ok(ApiResponse::calling(Call { request: HookRequest::json(&action.url, &body), then: Box::new(then) }))
}

fn user_name(state: &State, user: &str) -> String {
    state.world.users.get(user).map(|user| user.username.clone()).unwrap_or_default()
}

fn failed() -> AppError {
    AppError::new("api.post.do_action.action_integration.app_error", "Action integration error.", 400)
}

fn show(state: &mut State, post_id: &str, user: &str, answer: &Value) {
    if answer["update"].is_object() {
        let text = answer["update"]["message"].as_str().unwrap_or_default();
        let props = answer["update"]["props"].as_object().cloned().unwrap_or_default();
        state.replace_post_row(post_id, text, props);
    }
    if let Some(text) = answer["ephemeral_text"].as_str().filter(|text| !text.is_empty()) {
        let Some(post) = state.world.posts.get(post_id).cloned() else { return };
        state.ephemeral_post(user, &post.channel_id, text, &post.user_id);
    }
}

/// Opens a dialog for the user of a trigger.
pub(crate) fn open_dialog(state: &mut State, request: &ApiRequest) -> RouteResult {
    let refused = |reason| match reason {
        BadTrigger::NotBase64 => AppError::new(
            "interactive_message.decode_trigger_id.base64_decode_failed",
            "Failed to decode base64 for trigger ID for interactive dialog.",
            400,
        ),
        BadTrigger::Unknown => AppError::new(
            "interactive_message.decode_trigger_id.verify_signature_failed",
            "Signature verification failed of trigger ID for interactive dialog.",
            400,
        ),
        BadTrigger::Expired => AppError::new(
            "interactive_message.decode_trigger_id.expired",
            "Trigger ID for interactive dialog is expired. Trigger IDs live for a maximum of 30 seconds.",
            400,
        ),
    };
    let user_id = state.trigger_user(request.text("trigger_id")).map_err(refused)?;
    if request.text("url").is_empty() {
        return Err(invalid_body("url"));
    }
    let (url, dialog) = (request.text("url").to_owned(), request.body["dialog"].clone());
    state.world.integrations.dialogs.push(OpenedDialog { user_id, url, dialog });
    Ok(ApiResponse::ok())
}

/// Sends what a user filled in. The server checks none of it.
pub(crate) fn submit_dialog(state: &mut State, request: &ApiRequest) -> RouteResult {
    state.require_member(request, request.text("channel_id"))?;
    let body = json!({
        "type": "dialog_submission", "callback_id": request.text("callback_id"), "state": request.text("state"),
        "user_id": request.user, "channel_id": request.text("channel_id"), "team_id": request.text("team_id"),
        "submission": request.body["submission"], "cancelled": request.body["cancelled"] == true,
    });
    let empty = json!({});
    let then = move |_: &mut State, answer: Option<&HookAnswer>| {
        let answer = answer.filter(|answer| answer.status == 200).ok_or_else(failed)?;
        let answer = answer.json();
        Ok(ApiResponse::json(if answer.is_object() { &answer } else { &empty }))
    };
    Ok(ApiResponse::calling(Call {
        request: HookRequest::json(request.text("url"), &body),
        then: Box::new(then),
    }))
}
