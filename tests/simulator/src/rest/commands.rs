//! Slash commands: making and changing them, and running one (fact 43).

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::hooks::{Call, HookAnswer, HookRequest, encode_form};
use crate::rest::request::{ApiRequest, RouteResult};
use crate::rest::response::{ApiResponse, forbidden};
use crate::state::State;
use crate::wire::reply::AppError;
use crate::world::ids::new_id;
use crate::world::integrations::Command;

/// The permissions that name either way who may make slash commands (fact 39).
const PERMISSIONS: [&str; 2] = ["manage_slash_commands", "manage_own_slash_commands"];

fn require_commands(state: &State, request: &ApiRequest) -> Result<(), AppError> {
    let may = PERMISSIONS.iter().any(|name| state.require_permission(request, name).is_ok());
    if may { Ok(()) } else { Err(forbidden()) }
}

/// Makes a slash command.
pub(crate) fn create(state: &mut State, request: &ApiRequest) -> RouteResult {
    require_commands(state, request)?;
    let (team, trigger) = (request.text("team_id"), request.text("trigger"));
    let taken = |c: &Command| !team.is_empty() && c.team_id == team && c.trigger == trigger;
    if state.world.integrations.commands.values().any(taken) {
        let text = "This trigger word is already in use. Please choose another word.";
        return Err(AppError::new("api.command.duplicate_trigger.app_error", text, 400));
    }
    let now = state.world.now();
    let mut command = Command {
        id: new_id(&mut state.random),
        token: new_id(&mut state.random),
        create_at: now,
        update_at: now,
        creator_id: request.user.clone(),
        ..Command::default()
    };
    command.change(&request.body);
    state.world.integrations.commands.insert(command.id.clone(), command.clone());
    Ok(ApiResponse { status: StatusCode::CREATED, ..ApiResponse::json(&command) })
}

/// The commands of a team.
pub(crate) fn list(state: &mut State, request: &ApiRequest) -> RouteResult {
    require_commands(state, request)?;
    let team = request.query.get("team_id").map_or("", String::as_str);
    let rows = state.world.integrations.commands.values().filter(|command| command.team_id == team);
    Ok(ApiResponse::json(&rows.collect::<Vec<_>>()))
}

pub(crate) fn change(state: &mut State, request: &ApiRequest) -> RouteResult {
    let now = state.world.now();
    let command = find(state, request)?;
    command.change(&request.body);
    command.update_at = now;
    Ok(ApiResponse::json(command))
}

pub(crate) fn remove(state: &mut State, request: &ApiRequest) -> RouteResult {
    let id = find(state, request)?.id.clone();
    state.world.integrations.commands.remove(&id);
    Ok(ApiResponse::ok())
}

pub(crate) fn new_token(state: &mut State, request: &ApiRequest) -> RouteResult {
    let token = new_id(&mut state.random);
    find(state, request)?.token.clone_from(&token);
    Ok(ApiResponse::json(&json!({ "token": token })))
}

fn find<'a>(state: &'a mut State, request: &ApiRequest) -> Result<&'a mut Command, AppError> {
    require_commands(state, request)?;
    let missing =
        || AppError::new("app.command.getcommand.internal_error", "Unable to get the command.", 404);
    state.world.integrations.commands.get_mut(request.id("command_id")?).ok_or_else(missing)
}

/// Runs a command as the user who asks.
pub(crate) fn execute(state: &mut State, request: &ApiRequest) -> RouteResult {
    let channel_id = request.text("channel_id");
    state.require_member(request, channel_id)?;
    let line = request.text("command");
    let (trigger, text) = line.trim_start_matches('/').split_once(' ').unwrap_or((&line[1..], ""));
    let team_id = Some(request.text("team_id")).filter(|id| !id.is_empty());
    let channel = state.world.channels.get(channel_id).ok_or_else(forbidden)?;
    let team_id = team_id.unwrap_or(&channel.team_id).to_owned();
    let mut commands = state.world.integrations.commands.values();
    let command = commands.find(|c| c.trigger == trigger && c.team_id == team_id).cloned();
    let missing = || {
        let text = format!("Command with a trigger of '/{trigger}' not found.");
        AppError::new("api.command.execute_command.not_found.app_error", &text, 404)
    };
    let command = command.ok_or_else(missing)?;
    let channel_name = channel.name.clone();
    let root = request.text("root_id");
    let (trigger_id, trigger_text) = state.new_trigger(&request.user);
    let response = state.new_response_url(&request.user, channel_id, root);
    let form = [
        ("channel_id", channel_id.to_owned()),
        ("channel_name", channel_name),
        ("command", format!("/{trigger}")),
        ("response_url", format!("{}/hooks/commands/{response}", state.site_url)),
        ("root_id", root.to_owned()),
        ("team_domain", state.world.teams.get(&team_id).map(|team| team.name.clone()).unwrap_or_default()),
        ("team_id", team_id),
        ("text", text.to_owned()),
        ("token", command.token.clone()),
        ("trigger_id", trigger_text),
        ("user_id", request.user.clone()),
        ("user_name", state.world.users.get(&request.user).map(|u| u.username.clone()).unwrap_or_default()),
    ];
    let call = Call {
        request: command_request(&command, &encode_form(&form)),
        then: Box::new(move |state, answer| {
            answered(state, &command.trigger, &response, &trigger_id, answer)
        }),
    };
    Ok(ApiResponse::calling(call))
}

fn command_request(command: &Command, form: &str) -> HookRequest {
    let is_get = command.method == "G";
    let url = if is_get { format!("{}?{form}", command.url) } else { command.url.clone() };
    let body = if is_get { String::new() } else { form.to_owned() };
    let mut request = HookRequest::new(if is_get { "GET" } else { "POST" }, &url, &body);
    request.header("Accept", "application/json");
    request.header("Authorization", &format!("Token {}", command.token));
    if !is_get {
        request.header("Content-Type", "application/x-www-form-urlencoded");
    }
    request
}

/// Shows the answer to the command, and tells the caller of it.
fn answered(
    state: &mut State,
    trigger: &str,
    response: &str,
    trigger_id: &str,
    answer: Option<&HookAnswer>,
) -> RouteResult {
    let failed = |status: &str| {
        let text = format!("Command with a trigger of '{trigger}' returned response {status}.");
        AppError::new("api.command.execute_command.failed_resp.app_error", &text, 500)
    };
    let Some(answer) = answer else {
        let text = format!("Command with a trigger of '{trigger}' failed.");
        return Err(AppError::new("api.command.execute_command.failed.app_error", &text, 500));
    };
    if answer.status != 200 {
        let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        return Err(failed(&status.to_string()));
    }
    let shown = answer.as_command_answer().ok_or_else(|| failed("200 OK with an answer that is no JSON"))?;
    // It does not count among the five later ones.
    if let Some(url) = state.response_url(response) {
        state.show_command_answer(&url, &shown);
    }
    let or = |name: &str, empty: Value| if shown[name].is_null() { empty } else { shown[name].clone() };
    Ok(ApiResponse::json(&json!({
        "response_type": or("response_type", json!("")), "text": or("text", json!("")), "username": "",
        "channel_id": "", "icon_url": "", "type": "", "props": shown["props"], "goto_location": "",
        "trigger_id": trigger_id, "skip_slack_parsing": false, "attachments": shown["attachments"],
        "extra_responses": null,
    })))
}

/// A later answer to a command.
pub(crate) fn respond(state: &mut State, request: &ApiRequest) -> RouteResult {
    let Some(url) = state.use_response_url(request.param("id")) else {
        let text = "Unable to handle the command response.";
        return Err(AppError::new("web.command_webhook.invalid.app_error", text, 400));
    };
    state.show_command_answer(&url, &request.body);
    Ok(ApiResponse::new(StatusCode::OK, "text/plain", "ok".to_owned()))
}
