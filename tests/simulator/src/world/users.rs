//! Changes of users: creation, disabling, enabling, renaming, status.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::state::State;
use crate::wire::event::Broadcast;
use crate::wire::json::to_text;
use crate::world::account::{Account, BotRow, User};
use crate::world::ids::new_id;

/// A struct, as its fields go out in this order and not sorted like a map's.
#[derive(Serialize)]
struct UserUpdated<'a> {
    user: &'a User,
}

/// A custom status as it stands in a user's `props`.
#[derive(Serialize)]
struct CustomStatus<'a> {
    emoji: &'a str,
    text: &'a str,
    duration: &'a str,
    expires_at: &'a str,
}

#[derive(Serialize)]
struct Preference<'a> {
    user_id: &'a str,
    category: &'a str,
    name: &'a str,
    value: String,
}

impl State {
    /// Makes a user with a token.
    pub(crate) fn create_account(&mut self, name: &str, is_bot: bool) -> Account {
        let user_id = self.create_user_row(name, is_bot);
        let (token_id, token) = self.create_token(&user_id, "");
        Account { user_id, username: name.to_owned(), token, token_id }
    }

    /// Makes a user without a token.
    pub(crate) fn create_user_row(&mut self, name: &str, is_bot: bool) -> String {
        let id = new_id(&mut self.random);
        let now = self.world.now();
        let mut user = User::new(self.options.version, &id, name, now, is_bot);
        if is_bot {
            let owner_id = self.world.admin_id.clone();
            user.bot = Some(BotRow { owner_id, create_at: now, update_at: now, delete_at: 0 });
        }
        self.world.usernames.insert(name.to_owned(), id.clone());
        self.world.users.insert(id.clone(), user);
        id
    }

    /// Disables or enables a user. Its own sockets go deaf; 5.37 first tells them that it is offline, 11.1 tells them nothing.
    /// Every other user hears `user_updated` (facts 3, 6 and 30).
    pub(crate) fn set_active(&mut self, user_id: &str, active: bool) -> bool {
        let previous = self.world.users.get(user_id).map_or(0, |user| user.update_at);
        let now = self.world.now_after(previous);
        let Some(user) = self.world.users.get_mut(user_id) else {
            return false;
        };
        user.update_at = now;
        user.delete_at = if active { 0 } else { now };
        if let Some(bot) = &mut user.bot {
            bot.update_at = now;
            bot.delete_at = user.delete_at;
        }
        if !active && !self.options.version.is_current() {
            self.set_offline(user_id);
        }
        self.hub.invalidate(user_id);
        self.announce_user(user_id);
        true
    }

    /// Changes names; `None` leaves one as it is.
    pub(crate) fn rename_user(
        &mut self,
        user_id: &str,
        username: Option<&str>,
        display_name: Option<&str>,
    ) -> bool {
        self.touch(user_id, |user| {
            if let Some(name) = username {
                name.clone_into(&mut user.username);
            }
            if let Some(name) = display_name {
                name.clone_into(&mut user.first_name);
            }
        })
    }

    /// Changes a user and moves its `update_at`; everyone hears of it, itself too (events, fact 7).
    pub(crate) fn touch(&mut self, user_id: &str, change: impl FnOnce(&mut User)) -> bool {
        let previous = self.world.users.get(user_id).map_or(0, |user| user.update_at);
        let now = self.world.now_after(previous);
        let Some(user) = self.world.users.get_mut(user_id) else {
            return false;
        };
        let old_name = user.username.clone();
        change(user);
        user.update_at = now;
        if let Some(bot) = &mut user.bot {
            bot.update_at = now;
        }
        let new_name = user.username.clone();
        if new_name != old_name {
            self.world.usernames.remove(&old_name);
            self.world.usernames.insert(new_name, user_id.to_owned());
        }
        self.hub.invalidate(user_id);
        self.announce_user(user_id);
        true
    }

    /// One form for everyone on 5.37; on 11.1 one for the user itself and one for the others (fact 37).
    fn announce_user(&mut self, user_id: &str) {
        let Some(user) = self.world.users.get(user_id).cloned() else {
            return;
        };
        let version = self.options.version;
        if !version.is_current() {
            self.publish("user_updated", &UserUpdated { user: &user }, &Broadcast::everyone());
            return;
        }
        let others = Broadcast { is_sanitized: true, ..Broadcast::everyone().without(user_id) };
        self.publish("user_updated", &UserUpdated { user: &user }, &others);
        let private = user.private(version);
        self.publish("user_updated", &UserUpdated { user: &private }, &Broadcast::user(user_id));
    }

    /// Moves `update_at` and says nothing: whoever hears of it hears it otherwise (fact 48).
    pub(crate) fn touch_quietly(&mut self, user_id: &str) {
        let previous = self.world.users.get(user_id).map_or(0, |user| user.update_at);
        let now = self.world.now_after(previous);
        if let Some(user) = self.world.users.get_mut(user_id) {
            user.update_at = now;
        }
        self.hub.invalidate(user_id);
    }

    /// Sets a custom status: the user is touched, and its own sockets hear two events more (`own_changes`).
    pub(crate) fn set_custom_status(&mut self, user_id: &str, emoji: &str, text: &str) -> bool {
        let status = to_text(&CustomStatus { emoji, text, duration: "", expires_at: "0001-01-01T00:00:00Z" });
        let recent = Preference {
            user_id,
            category: "custom_status",
            name: "recent_custom_statuses",
            value: format!("[{status}]"),
        };
        let preferences = to_text(&[recent]);
        let found = self.touch(user_id, |user| {
            user.props.insert("customStatus".to_owned(), Value::from(status));
        });
        self.publish("sidebar_category_updated", &Map::new(), &Broadcast::user(user_id));
        let mut data = Map::new();
        data.insert("preferences".to_owned(), Value::from(preferences));
        self.publish("preferences_changed", &data, &Broadcast::user(user_id));
        found
    }

    /// Sets a status by hand; it moves nothing else (`own_changes`).
    pub(crate) fn set_status(&mut self, user_id: &str, status: &'static str) {
        if let Some(user) = self.world.users.get_mut(user_id) {
            user.status = Some(status);
        }
        self.announce_status(user_id, status);
    }

    /// Someone came or posted: online, said once.
    pub(crate) fn set_online(&mut self, user_id: &str) {
        let Some(user) = self.world.users.get_mut(user_id) else {
            return;
        };
        if user.status != Some("online") {
            user.status = Some("online");
            self.announce_status(user_id, "online");
        }
    }

    /// Someone went: offline, said each time (`cycle_while_away`).
    pub(crate) fn set_offline(&mut self, user_id: &str) {
        if let Some(user) = self.world.users.get_mut(user_id) {
            user.status = Some("offline");
        }
        self.announce_status(user_id, "offline");
    }

    fn announce_status(&mut self, user_id: &str, status: &str) {
        let mut data = Map::new();
        data.insert("status".to_owned(), Value::from(status));
        data.insert("user_id".to_owned(), Value::from(user_id));
        self.publish("status_change", &data, &Broadcast::user(user_id));
    }
}
