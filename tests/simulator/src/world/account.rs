//! Users, bots and tokens.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::ServerVersion;

/// The identity of an account, with which a test acts as it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The user id.
    pub user_id: String,
    /// The user name, without `@`.
    pub username: String,
    /// A personal access token that works until it is disabled or revoked.
    pub token: String,
    /// The token's public id.
    pub token_id: String,
}

/// A user as the server stores it. Serialised, it is what others see of it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) create_at: i64,
    pub(crate) update_at: i64,
    pub(crate) delete_at: i64,
    pub(crate) username: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_data: Option<&'static str>,
    auth_service: &'static str,
    pub(crate) email: String,
    pub(crate) nickname: String,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    position: String,
    pub(crate) roles: String,
    /// A custom status among them, as JSON in a string.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(crate) props: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notify_props: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_password_update: Option<i64>,
    locale: &'static str,
    timezone: Value,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_bot: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bot_description: Option<String>,
    /// On 11.1, where it was ever stored: not for bots.
    #[serde(skip_serializing_if = "Option::is_none")]
    remote_id: Option<&'static str>,
    disable_welcome_email: bool,
    /// Permissions beyond those of the roles.
    #[serde(skip)]
    pub(crate) permissions: BTreeSet<String>,
    #[serde(skip)]
    pub(crate) bot: Option<BotRow>,
    /// Known once the user has been seen: `online` or `offline`.
    #[serde(skip)]
    pub(crate) status: Option<&'static str>,
}

/// The bot's own row; its times differ from the user's by some milliseconds (fact 6).
#[derive(Debug, Clone)]
pub(crate) struct BotRow {
    pub(crate) owner_id: String,
    pub(crate) create_at: i64,
    pub(crate) update_at: i64,
    pub(crate) delete_at: i64,
}

impl User {
    pub(crate) fn new(version: ServerVersion, id: &str, username: &str, now: i64, is_bot: bool) -> Self {
        Self {
            id: id.to_owned(),
            create_at: now,
            update_at: now,
            delete_at: 0,
            username: username.to_owned(),
            auth_data: Some(""),
            auth_service: "",
            email: format!("{username}@localhost"),
            nickname: String::new(),
            first_name: if is_bot { username.to_owned() } else { String::new() },
            last_name: String::new(),
            position: String::new(),
            roles: "system_user".to_owned(),
            props: Map::new(),
            notify_props: None,
            last_password_update: None,
            locale: "en",
            timezone: json!({
                "automaticTimezone": "", "manualTimezone": "", "useAutomaticTimezone": "true"
            }),
            is_bot,
            bot_description: is_bot.then(|| "t".to_owned()),
            remote_id: (version.is_current() && !is_bot).then_some(""),
            disable_welcome_email: false,
            permissions: BTreeSet::new(),
            bot: None,
            status: None,
        }
    }

    pub(crate) fn is_active(&self) -> bool {
        self.delete_at == 0
    }

    pub(crate) fn is_admin(&self) -> bool {
        self.roles.contains("system_admin")
    }

    /// True when the user may do what is asked: admins may do all (fact 39).
    pub(crate) fn may(&self, permission: &str) -> bool {
        self.is_admin() || self.permissions.contains(permission)
    }

    /// Adds a permission, by a role of the user's own that is named as the user.
    pub(crate) fn grant(&mut self, permission: &str) {
        if self.permissions.is_empty() {
            self.roles = format!("{} {}", self.roles, self.id);
        }
        self.permissions.insert(permission.to_owned());
    }

    /// The form that the user sees of itself: with its settings (fact 37).
    pub(crate) fn private(&self, version: ServerVersion) -> Self {
        Self {
            auth_data: (!version.is_current()).then_some(""),
            notify_props: Some(notify_props(version)),
            last_password_update: Some(self.create_at),
            ..self.clone()
        }
    }

    /// The entity tag of `GET /users/me`; it names `update_at` (fact 9).
    pub(crate) fn etag(&self, version: &str) -> String {
        format!("{version}.{}.{}..0.true.true.0", self.id, self.update_at)
    }

    /// The answer of the bot routes.
    pub(crate) fn bot_row(&self) -> Option<Value> {
        let bot = self.bot.as_ref()?;
        Some(json!({
            "user_id": self.id, "username": self.username, "display_name": self.first_name,
            "description": self.bot_description, "owner_id": bot.owner_id,
            "create_at": bot.create_at, "update_at": bot.update_at, "delete_at": bot.delete_at,
        }))
    }
}

fn notify_props(version: ServerVersion) -> Value {
    let mut props = json!({
        "channel": "true", "comments": "never", "desktop": "mention", "desktop_sound": "true",
        "email": "true", "first_name": "false", "mention_keys": "", "push": "mention",
        "push_status": "away"
    });
    if version.is_current() {
        for name in ["desktop_threads", "email_threads", "push_threads"] {
            props[name] = json!("all");
        }
        props["push_status"] = json!("online");
    }
    props
}

/// A personal access token.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) id: String,
    pub(crate) user_id: String,
    pub(crate) description: String,
    pub(crate) is_active: bool,
}
