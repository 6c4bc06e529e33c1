//! Webhooks: outgoing ones, which ask an integration about posts that begin with a word (fact 46), and incoming ones, by which
//! anybody who knows their address posts.

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::hooks::{Call, HookAnswer, HookRequest};
use crate::rest::request::{ApiRequest, RouteResult};
use crate::rest::response::{ApiResponse, invalid_body};
use crate::state::State;
use crate::wire::reply::AppError;
use crate::world::ids::new_id;
use crate::world::integrations::{IncomingWebhook, OutgoingWebhook};
use crate::world::post::{Post, PostOptions};

/// The name under which the posts of webhooks appear.
const USERNAME: &str = "webhook";

/// Makes an outgoing webhook.
pub(crate) fn create_outgoing(state: &mut State, request: &ApiRequest) -> RouteResult {
    state.require_admin(request)?;
    let text = |name: &str| request.text(name).to_owned();
    let texts = |name: &str| {
        let texts = request.body[name].as_array().into_iter().flatten();
        texts.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let now = state.world.now();
    let webhook = OutgoingWebhook {
        id: new_id(&mut state.random),
        token: new_id(&mut state.random),
        create_at: now,
        update_at: now,
        delete_at: 0,
        creator_id: request.user.clone(),
        channel_id: text("channel_id"),
        team_id: text("team_id"),
        trigger_words: texts("trigger_words"),
        trigger_when: request.body["trigger_when"].as_i64().unwrap_or_default(),
        callback_urls: texts("callback_urls"),
        display_name: text("display_name"),
        description: text("description"),
        content_type: text("content_type"),
        username: String::new(),
        icon_url: String::new(),
    };
    state.world.integrations.outgoing.push(webhook.clone());
    Ok(ApiResponse::created(&webhook))
}

/// Makes an incoming webhook.
pub(crate) fn create_incoming(state: &mut State, request: &ApiRequest) -> RouteResult {
    state.require_admin(request)?;
    let channel_id = request.text("channel_id").to_owned();
    let channel = state.world.channels.get(&channel_id).ok_or_else(|| invalid_body("channel_id"))?;
    let team_id = channel.team_id.clone();
    let now = state.world.now();
    let webhook = IncomingWebhook {
        id: new_id(&mut state.random),
        create_at: now,
        update_at: now,
        delete_at: 0,
        user_id: request.user.clone(),
        channel_id,
        team_id,
        display_name: request.text("display_name").to_owned(),
        description: request.text("description").to_owned(),
        username: String::new(),
        icon_url: String::new(),
        channel_locked: false,
    };
    state.world.integrations.incoming.insert(webhook.id.clone(), webhook.clone());
    Ok(ApiResponse::created(&webhook))
}

/// A post by an incoming webhook.
pub(crate) fn post(state: &mut State, request: &ApiRequest) -> RouteResult {
    let Some(webhook) = state.world.integrations.incoming.get(request.param("id")).cloned() else {
        return Err(AppError::new("web.incoming_webhook.invalid.app_error", "Invalid webhook.", 400));
    };
    let options = PostOptions {
        user_id: webhook.user_id,
        channel_id: webhook.channel_id,
        ..content(&request.body, &webhook.display_name)
    };
    state.create_post(&options);
    Ok(ApiResponse::new(StatusCode::OK, "text/plain", "ok".to_owned()))
}

/// Text, type and props of a webhook's post.
fn content(body: &Value, display_name: &str) -> PostOptions {
    let mut props = body["props"].as_object().cloned().unwrap_or_default();
    props.insert("from_webhook".to_owned(), json!("true"));
    props.insert("override_username".to_owned(), json!(body["username"].as_str().unwrap_or(USERNAME)));
    props.insert("webhook_display_name".to_owned(), json!(display_name));
    let attachments = &body["attachments"];
    if attachments.is_array() {
        props.insert("attachments".to_owned(), attachments.clone());
    }
    PostOptions {
        message: body["text"].as_str().unwrap_or_default().to_owned(),
        kind: if attachments.is_array() { "slack_attachment".to_owned() } else { String::new() },
        props,
        ..PostOptions::default()
    }
}

impl State {
    /// The request that a post of a client causes, if its first word triggers an outgoing webhook of its channel. It goes to the
    /// webhook's first address.
    pub(crate) fn triggered_webhook(&self, post: &Post) -> Option<Call> {
        let word = post.message.split_whitespace().next()?;
        let mut webhooks = self.world.integrations.outgoing.iter();
        let webhook = webhooks
            .find(|row| {
                row.channel_id == post.channel_id && row.trigger_words.iter().any(|known| known == word)
            })?
            .clone();
        let channel = self.world.channels.get(&post.channel_id)?;
        let body = json!({
            "token": webhook.token, "team_id": channel.team_id,
            "team_domain": self.world.teams.get(&channel.team_id).map_or("", |team| &team.name),
            "channel_id": post.channel_id, "channel_name": channel.name, "timestamp": post.create_at,
            "user_id": post.user_id, "user_name": self.username(&post.user_id), "post_id": post.id,
            "text": post.message, "trigger_word": word, "file_ids": post.file_ids.join(","),
        });
        let request = HookRequest::json(webhook.callback_urls.first()?, &body);
        let post = post.clone();
        let then = move |state: &mut State, answer: Option<&HookAnswer>| {
            state.show_webhook_answer(&webhook, &post, answer);
            Ok(ApiResponse::ok())
        };
        Some(Call { request, then: Box::new(then) })
    }

    /// Posts an integration's answer, below the post if it is a comment.
    fn show_webhook_answer(&mut self, webhook: &OutgoingWebhook, post: &Post, answer: Option<&HookAnswer>) {
        let Some(answer) = answer.filter(|answer| answer.status == 200).map(HookAnswer::json) else { return };
        if answer["text"].as_str().is_none_or(str::is_empty) && !answer["attachments"].is_array() {
            return;
        }
        let root = if post.root_id.is_empty() { &post.id } else { &post.root_id };
        self.create_post(&PostOptions {
            user_id: webhook.creator_id.clone(),
            channel_id: post.channel_id.clone(),
            root_id: (answer["response_type"] == "comment").then(|| root.clone()),
            ..content(&answer, &webhook.display_name)
        });
    }
}
