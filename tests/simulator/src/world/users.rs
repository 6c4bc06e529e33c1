//! What happens to users: creation, disabling, enabling, renaming, status.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::state::State;
use crate::wire::event::Broadcast;
use crate::world::account::{Account, BotRow, User};
use crate::world::ids::new_id;

/// A struct, as its fields go out in this order and not sorted like a map's.
#[derive(Serialize)]
struct UserUpdated<'a> {
    user: &'a User,
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
        let mut user = User::new(&id, name, now, is_bot);
        if is_bot {
            let owner_id = self.world.admin_id.clone();
            user.bot = Some(BotRow { owner_id, create_at: now, update_at: now, delete_at: 0 });
        }
        self.world.usernames.insert(name.to_owned(), id.clone());
        self.world.users.insert(id.clone(), user);
        id
    }

    /// Disables or enables a user. Its own sockets hear only that it is offline and go deaf at the
    /// next event; every other user hears `user_updated` (facts 3 and 6).
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
        if !active {
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

    fn announce_user(&mut self, user_id: &str) {
        if let Some(user) = self.world.users.get(user_id).cloned() {
            self.publish("user_updated", &UserUpdated { user: &user }, &Broadcast::everyone());
        }
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
