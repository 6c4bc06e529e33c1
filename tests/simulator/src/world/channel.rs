//! Teams and channels.

use std::{collections::BTreeSet, sync::Arc};

use serde::Serialize;
use serde_json::{Value, json};

use crate::ServerVersion;

/// The four kinds of channel, as the server spells them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum ChannelKind {
    /// Public.
    #[serde(rename = "O")]
    Open,
    /// Private.
    #[serde(rename = "P")]
    Private,
    /// Between two users, in no team.
    #[serde(rename = "D")]
    Direct,
    /// Between three to eight users, in no team.
    #[serde(rename = "G")]
    Group,
}

/// A team.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Team {
    pub(crate) id: String,
    pub(crate) create_at: i64,
    pub(crate) update_at: i64,
    delete_at: i64,
    pub(crate) display_name: String,
    pub(crate) name: String,
    description: &'static str,
    email: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    company_name: &'static str,
    allowed_domains: &'static str,
    invite_id: String,
    allow_open_invite: bool,
    scheme_id: Value,
    group_constrained: Value,
    policy_id: Value,
    /// On 11.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    cloud_limits_archived: Option<bool>,
    #[serde(skip)]
    pub(crate) members: BTreeSet<String>,
}

impl Team {
    pub(crate) fn new(version: ServerVersion, id: &str, name: &str, invite_id: &str, now: i64) -> Self {
        Self {
            id: id.to_owned(),
            create_at: now,
            update_at: now,
            delete_at: 0,
            display_name: name.to_owned(),
            name: name.to_owned(),
            description: "",
            email: "",
            kind: "O",
            company_name: "",
            allowed_domains: "",
            invite_id: invite_id.to_owned(),
            allow_open_invite: false,
            scheme_id: Value::Null,
            group_constrained: Value::Null,
            policy_id: Value::Null,
            cloud_limits_archived: version.is_current().then_some(false),
            members: BTreeSet::new(),
        }
    }
}

/// A channel. Serialised, it is what lists and `GET /channels/{id}` answer.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Channel {
    pub(crate) id: String,
    pub(crate) create_at: i64,
    pub(crate) update_at: i64,
    pub(crate) delete_at: i64,
    pub(crate) team_id: String,
    #[serde(rename = "type")]
    pub(crate) kind: ChannelKind,
    pub(crate) display_name: String,
    pub(crate) name: String,
    pub(crate) header: String,
    purpose: String,
    pub(crate) last_post_at: i64,
    pub(crate) total_msg_count: u64,
    extra_update_at: i64,
    pub(crate) creator_id: String,
    scheme_id: Value,
    props: Value,
    group_constrained: Value,
    shared: Option<bool>,
    pub(crate) total_msg_count_root: u64,
    policy_id: Value,
    /// The fields that 11.1 adds.
    #[serde(flatten)]
    pub(crate) current: Option<CurrentChannel>,
    /// Shared with the copies that lists are made of: a channel may have ten thousand.
    #[serde(skip)]
    pub(crate) members: Arc<BTreeSet<String>>,
    /// The `last_post_at` that `GET /channels/{id}` goes on answering once asked (fact 24).
    #[serde(skip)]
    pub(crate) cached_last_post_at: Option<i64>,
    /// The `last_post_at` that lists answer while they lag (fact 24).
    #[serde(skip)]
    pub(crate) frozen_last_post_at: Option<i64>,
}

impl Channel {
    pub(crate) fn new(version: ServerVersion, id: &str, kind: ChannelKind, name: &str, now: i64) -> Self {
        let is_private = kind == ChannelKind::Direct || (version.is_current() && kind == ChannelKind::Group);
        Self {
            id: id.to_owned(),
            create_at: now,
            update_at: now,
            delete_at: 0,
            team_id: String::new(),
            kind,
            display_name: String::new(),
            name: name.to_owned(),
            header: String::new(),
            purpose: String::new(),
            last_post_at: 0,
            total_msg_count: 0,
            extra_update_at: 0,
            creator_id: String::new(),
            scheme_id: Value::Null,
            props: Value::Null,
            group_constrained: Value::Null,
            shared: is_private.then_some(false),
            total_msg_count_root: 0,
            policy_id: Value::Null,
            current: version.is_current().then(CurrentChannel::default),
            members: Arc::default(),
            cached_last_post_at: None,
            frozen_last_post_at: None,
        }
    }

    pub(crate) fn is_team_channel(&self) -> bool {
        matches!(self.kind, ChannelKind::Open | ChannelKind::Private)
    }

    /// The channel as lists show it: possibly late.
    pub(crate) fn listed(&self) -> Self {
        let mut listed = self.clone();
        if let Some(frozen) = self.frozen_last_post_at {
            listed.last_post_at = frozen;
        }
        listed
    }
}

/// The fields that a channel has on 11.1 alone.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct CurrentChannel {
    pub(crate) last_root_post_at: i64,
    banner_info: Option<()>,
    policy_enforced: bool,
    default_category_name: &'static str,
}

/// The answer to adding a member.
pub(crate) fn member_row(version: ServerVersion, channel_id: &str, user_id: &str, now: i64) -> Value {
    let mut row = member_fields(channel_id, user_id, now);
    if version.is_current() {
        row["urgent_mention_count"] = json!(0);
        row["notify_props"]["channel_auto_follow_threads"] = json!("off");
        row["last_viewed_at"] = json!(-1);
        row["last_update_at"] = json!(-1);
    }
    row
}

fn member_fields(channel_id: &str, user_id: &str, now: i64) -> Value {
    json!({
        "channel_id": channel_id, "user_id": user_id, "roles": "channel_user",
        "last_viewed_at": 0, "msg_count": 0, "mention_count": 0, "mention_count_root": 0,
        "msg_count_root": 0,
        "notify_props": {
            "desktop": "default", "email": "default", "ignore_channel_mentions": "default",
            "mark_unread": "all", "push": "default"
        },
        "last_update_at": now, "scheme_guest": false, "scheme_user": true,
        "scheme_admin": false, "explicit_roles": ""
    })
}
