//! The events that requests of the server become, for the account's sinks.

use std::{sync::Arc, time::SystemTime};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use matterhost_actors::model::{
    AccountName, AccountUser, ChannelInfo, Event, EventBody, Generation, ServerName,
};
use ring::digest::{SHA256, digest};
use serde_json::{Map, Value, json};

use super::{
    answer::HookKind,
    hook_request::{ActionRequest, CommandRequest, DialogRequest, Origin},
    signer::{ActionClaims, DialogClaims},
};

/// The account that a request is for.
#[derive(Debug, Clone)]
pub struct HookedAccount {
    /// The account.
    pub account: AccountName,
    /// Its server.
    pub server: ServerName,
    /// Its Mattermost user, as far as it is known.
    pub user: AccountUser,
}

/// A request whose origin was checked, as the data of an event.
#[derive(Debug, Clone, PartialEq)]
pub struct HookData {
    /// The kind.
    pub kind: HookKind,
    /// The person, the channel and the team.
    pub origin: Origin,
    /// The unique part of the event's id.
    pub id: String,
    /// The member `data`.
    pub data: Map<String, Value>,
}

impl HookData {
    /// Returns the data of a command.
    pub fn of_command(request: &CommandRequest) -> Self {
        let mut data = members(&request.origin);
        data.insert("command".into(), json!(request.command));
        data.insert("text".into(), json!(request.text));
        data.insert("root_id".into(), json!(request.root_id));
        data.insert("trigger_id".into(), json!(request.trigger_id));
        let id = unique_id(&request.trigger_id);
        Self { kind: HookKind::SlashCommand, origin: request.origin.clone(), id, data }
    }

    /// Returns the data of a button or menu.
    pub fn of_action(request: &ActionRequest, claims: ActionClaims) -> Self {
        let mut data = members(&request.origin);
        data.insert("id".into(), json!(claims.id));
        data.insert("context".into(), claims.context.into());
        data.insert("post_id".into(), json!(request.post_id));
        data.insert("trigger_id".into(), json!(request.trigger_id));
        let kind = match &request.selected_option {
            None => HookKind::Button,
            Some(chosen) => {
                data.insert("selected_option".into(), json!(chosen));
                HookKind::Menu
            }
        };
        Self { kind, origin: request.origin.clone(), id: unique_id(&request.trigger_id), data }
    }

    /// Returns the data of a dialog.
    pub fn of_dialog(request: DialogRequest, claims: &DialogClaims) -> Self {
        let mut data = members(&claims.origin);
        let id = format!("{}{}{}", claims.nonce, request.cancelled, json!(request.submission));
        data.insert("callback_id".into(), json!(request.callback_id));
        data.insert("state".into(), json!(claims.state));
        data.insert("submission".into(), request.submission.into());
        data.insert("cancelled".into(), json!(request.cancelled));
        Self { kind: HookKind::Dialog, origin: claims.origin.clone(), id: unique_id(&id), data }
    }

    /// Returns the event for the account's sinks.
    pub fn into_event(self, to: &HookedAccount, now: SystemTime) -> Event {
        let Self { kind, origin, id, data } = self;
        Event {
            account: to.account.clone(),
            server: to.server.clone(),
            user: to.user.clone(),
            channel: channel(&origin),
            sender: Some(origin.user_name).filter(|name| !name.is_empty()).map(Arc::from),
            generation: Generation::default(),
            connection_id: format!("{}/{id}", kind.event_name()).into(),
            received_at: now,
            recovered: false,
            last_recovered: false,
            own: false,
            body: EventBody {
                event: kind.event_name().into(),
                channel_id: origin.channel_id.as_str().into(),
                change: None,
                post: None,
                seq: 0,
                data: Value::Object(data).to_string().into(),
                broadcast: "{}".into(),
            },
        }
    }
}

/// Returns the channel as far as the request names it: not its kind.
fn channel(origin: &Origin) -> Option<Arc<ChannelInfo>> {
    let known = ChannelInfo {
        name: origin.channel_name.as_str().into(),
        team_id: origin.team_id.as_str().into(),
        team_name: origin.team_domain.as_str().into(),
        ..ChannelInfo::default()
    };
    (!origin.channel_name.is_empty()).then(|| Arc::new(known))
}

fn members(origin: &Origin) -> Map<String, Value> {
    let Origin { user_id, user_name, channel_id, channel_name, team_id, team_domain } = origin;
    let all = [
        ("user_id", user_id),
        ("user_name", user_name),
        ("channel_id", channel_id),
        ("channel_name", channel_name),
        ("team_id", team_id),
        ("team_domain", team_domain),
    ];
    let given = all.into_iter().filter(|(_, text)| !text.is_empty());
    given.map(|(name, text)| (name.to_owned(), json!(text))).collect()
}

/// Returns a short text that is the same for the same request. A trigger is secret and long; its hash is neither.
fn unique_id(request: &str) -> String {
    let hash = digest(&SHA256, request.as_bytes());
    BASE64_URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16])
}
