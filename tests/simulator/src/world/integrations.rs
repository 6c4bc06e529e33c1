//! Slash commands, what buttons call, and the secrets that go with them: triggers and response URLs (facts 43 to 45).

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::hooks::SentHook;
use crate::state::State;
use crate::world::ids::new_id;
use crate::world::post::{Post, PostOptions};

/// How long a trigger opens dialogs (fact 45).
const TRIGGER_LIFETIME: Duration = Duration::from_secs(30);
/// How long a response URL takes answers, as the server's documentation has it.
const RESPONSE_URL_LIFETIME: Duration = Duration::from_secs(30 * 60);
/// The answers that a response URL takes (fact 43).
const RESPONSE_URL_ANSWERS: u32 = 5;
/// The bytes of a signature as ECDSA makes it.
const SIGNATURE_BYTES: usize = 70;

/// The integrations of a server.
#[derive(Debug, Default)]
pub(crate) struct Integrations {
    pub(crate) commands: BTreeMap<String, Command>,
    pub(crate) outgoing: Vec<OutgoingWebhook>,
    pub(crate) incoming: HashMap<String, IncomingWebhook>,
    /// The buttons and menus of posts, by post and id.
    pub(crate) actions: HashMap<(String, String), PostAction>,
    /// Triggers by their text.
    triggers: HashMap<String, Trigger>,
    response_urls: HashMap<String, ResponseUrl>,
    pub(crate) dialogs: Vec<OpenedDialog>,
    pub(crate) hooks: Vec<SentHook>,
}

/// A slash command, in the order of the wire.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Command {
    pub(crate) id: String,
    pub(crate) token: String,
    pub(crate) create_at: i64,
    pub(crate) update_at: i64,
    pub(crate) delete_at: i64,
    pub(crate) creator_id: String,
    pub(crate) team_id: String,
    pub(crate) trigger: String,
    /// `P` for POST, `G` for GET.
    pub(crate) method: String,
    pub(crate) username: String,
    pub(crate) icon_url: String,
    pub(crate) auto_complete: bool,
    pub(crate) auto_complete_desc: String,
    pub(crate) auto_complete_hint: String,
    pub(crate) display_name: String,
    pub(crate) description: String,
    pub(crate) url: String,
    pub(crate) plugin_id: String,
}

impl Command {
    /// Takes over what a request says, and keeps the rest.
    pub(crate) fn change(&mut self, body: &Value) {
        let texts = [
            ("team_id", &mut self.team_id),
            ("trigger", &mut self.trigger),
            ("method", &mut self.method),
            ("username", &mut self.username),
            ("icon_url", &mut self.icon_url),
            ("auto_complete_desc", &mut self.auto_complete_desc),
            ("auto_complete_hint", &mut self.auto_complete_hint),
            ("display_name", &mut self.display_name),
            ("description", &mut self.description),
            ("url", &mut self.url),
        ];
        for (name, place) in texts {
            if let Some(text) = body[name].as_str() {
                text.clone_into(place);
            }
        }
        self.auto_complete = body["auto_complete"].as_bool().unwrap_or(self.auto_complete);
    }
}

/// An outgoing webhook, in the order of the wire.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct OutgoingWebhook {
    pub(crate) id: String,
    pub(crate) token: String,
    pub(crate) create_at: i64,
    pub(crate) update_at: i64,
    pub(crate) delete_at: i64,
    pub(crate) creator_id: String,
    pub(crate) channel_id: String,
    pub(crate) team_id: String,
    pub(crate) trigger_words: Vec<String>,
    pub(crate) trigger_when: i64,
    pub(crate) callback_urls: Vec<String>,
    pub(crate) display_name: String,
    pub(crate) description: String,
    pub(crate) content_type: String,
    pub(crate) username: String,
    pub(crate) icon_url: String,
}

/// An incoming webhook, in the order of the wire.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct IncomingWebhook {
    pub(crate) id: String,
    pub(crate) create_at: i64,
    pub(crate) update_at: i64,
    pub(crate) delete_at: i64,
    pub(crate) user_id: String,
    pub(crate) channel_id: String,
    pub(crate) team_id: String,
    pub(crate) display_name: String,
    pub(crate) description: String,
    pub(crate) username: String,
    pub(crate) icon_url: String,
    pub(crate) channel_locked: bool,
}

/// A button or menu, with what only the server knows of it.
#[derive(Debug, Clone)]
pub(crate) struct PostAction {
    pub(crate) url: String,
    pub(crate) context: Map<String, Value>,
    pub(crate) kind: String,
    pub(crate) data_source: String,
}

/// The user who ran a command or pressed a button.
#[derive(Debug, Clone)]
struct Trigger {
    user: String,
    made: Instant,
}

/// The place for later answers to a command.
#[derive(Debug, Clone)]
pub(crate) struct ResponseUrl {
    pub(crate) user: String,
    pub(crate) channel: String,
    pub(crate) root: String,
    answers: u32,
    made: Instant,
}

/// A dialog that a user has open.
#[derive(Debug, Clone)]
pub struct OpenedDialog {
    /// The user.
    pub user_id: String,
    /// The URL for what is filled in.
    pub url: String,
    /// The dialog as it was given.
    pub dialog: Value,
}

/// The reason why a trigger opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadTrigger {
    NotBase64,
    Unknown,
    Expired,
}

impl State {
    /// A trigger for a user: its own id, and the text that integrations get.
    pub(crate) fn new_trigger(&mut self, user: &str) -> (String, String) {
        let (id, now) = (new_id(&mut self.random), self.world.now());
        let signature: Vec<u8> =
            std::iter::repeat_with(|| self.random.u8(..)).take(SIGNATURE_BYTES).collect();
        let signature = BASE64_STANDARD.encode(signature);
        let text = BASE64_STANDARD.encode(format!("{id}:{user}:{now}:{signature}"));
        let trigger = Trigger { user: user.to_owned(), made: Instant::now() };
        self.world.integrations.triggers.insert(text.clone(), trigger);
        (id, text)
    }

    /// The user of a trigger.
    pub(crate) fn trigger_user(&self, text: &str) -> Result<String, BadTrigger> {
        if BASE64_STANDARD.decode(text).is_err() {
            return Err(BadTrigger::NotBase64);
        }
        let trigger = self.world.integrations.triggers.get(text).ok_or(BadTrigger::Unknown)?;
        let is_fresh = trigger.made.elapsed() < TRIGGER_LIFETIME;
        if is_fresh { Ok(trigger.user.clone()) } else { Err(BadTrigger::Expired) }
    }

    /// The id of a new response URL.
    pub(crate) fn new_response_url(&mut self, user: &str, channel: &str, root: &str) -> String {
        let id = new_id(&mut self.random);
        let url = ResponseUrl {
            user: user.to_owned(),
            channel: channel.to_owned(),
            root: root.to_owned(),
            answers: 0,
            made: Instant::now(),
        };
        self.world.integrations.response_urls.insert(id.clone(), url);
        id
    }

    /// The place of a command's own answer.
    pub(crate) fn response_url(&self, id: &str) -> Option<ResponseUrl> {
        self.world.integrations.response_urls.get(id).cloned()
    }

    /// Takes one of the answers of a response URL, if one is left.
    pub(crate) fn use_response_url(&mut self, id: &str) -> Option<ResponseUrl> {
        let url = self.world.integrations.response_urls.get_mut(id)?;
        let is_usable = url.answers < RESPONSE_URL_ANSWERS && url.made.elapsed() < RESPONSE_URL_LIFETIME;
        url.answers += 1;
        is_usable.then(|| url.clone())
    }

    /// Takes what the buttons of a post call out of its props, which never show it.
    pub(crate) fn take_post_actions(&mut self, post: &mut Post) {
        let id = post.id.clone();
        let known = std::mem::take(&mut self.world.integrations.actions);
        self.world.integrations.actions = known.into_iter().filter(|((of, _), _)| *of != id).collect();
        let Some(Value::Array(attachments)) = post.props.get_mut("attachments") else {
            return;
        };
        let actions =
            attachments.iter_mut().filter_map(|row| row.get_mut("actions")?.as_array_mut()).flatten();
        for action in actions.filter_map(Value::as_object_mut) {
            let integration = action.remove("integration").unwrap_or_default();
            let text = |name: &str| action.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            let stored = PostAction {
                url: integration["url"].as_str().unwrap_or_default().to_owned(),
                context: integration["context"].as_object().cloned().unwrap_or_default(),
                kind: text("type"),
                data_source: text("data_source"),
            };
            self.world.integrations.actions.insert((id.clone(), text("id")), stored);
        }
    }

    /// Shows a command's answer in its channel, as a post of the person who ran it (`slash_commands`).
    pub(crate) fn show_command_answer(&mut self, url: &ResponseUrl, answer: &Value) {
        let text = answer["text"].as_str().unwrap_or_default();
        if text.is_empty() && !answer["attachments"].is_array() {
            return;
        }
        if answer["response_type"] != "in_channel" {
            self.ephemeral_post(&url.user, &url.channel, text, &url.user);
            return;
        }
        let mut props = answer["props"].as_object().cloned().unwrap_or_default();
        props.insert("from_webhook".to_owned(), json!("true"));
        if answer["attachments"].is_array() {
            props.insert("attachments".to_owned(), answer["attachments"].clone());
        }
        let root = Some(url.root.clone()).filter(|root| !root.is_empty());
        self.create_post(&PostOptions {
            user_id: url.user.clone(),
            channel_id: url.channel.clone(),
            message: text.to_owned(),
            root_id: root,
            props,
            ..PostOptions::default()
        });
    }
}
