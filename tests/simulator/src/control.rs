//! Changes that a test makes to the world: accounts, tokens, teams, channels.

use crate::Simulator;
use crate::state::State;
use crate::world::account::Account;
use crate::world::channel::ChannelKind;

/// A script named something that is not in the world: its own mistake, said at once.
#[track_caller]
pub(crate) fn require(found: bool, what: &str, id: &str) {
    assert!(found, "the simulated world has no {what} {id:?}");
}

/// Accounts and tokens. All of these panic on an id that the world does not have.
impl Simulator {
    /// The admin, with a token.
    pub fn admin(&self) -> Account {
        let state = self.shared.lock();
        let id = &state.world.admin_id;
        let found = state.world.tokens.iter().find(|(_, row)| row.user_id == *id);
        let (token, row) = found.map(|(t, row)| (t.clone(), row.id.clone())).unwrap_or_default();
        Account { user_id: id.clone(), username: state.username(id), token, token_id: row }
    }

    /// Makes a bot with a token. Unlike the REST route it opens no direct channel to its owner.
    pub fn create_bot(&self, name: &str) -> Account {
        self.shared.change(|state| state.create_account(name, true))
    }

    /// Makes a person with a token.
    pub fn create_user(&self, name: &str) -> Account {
        self.shared.change(|state| state.create_account(name, false))
    }

    /// Makes a guest with a token.
    pub fn create_guest(&self, name: &str) -> Account {
        self.shared.change(|state| {
            let account = state.create_account(name, false);
            if let Some(user) = state.world.users.get_mut(&account.user_id) {
                "system_guest".clone_into(&mut user.roles);
            }
            account
        })
    }

    /// Disables an account: its sockets go deaf, REST answers 401, others hear of it (facts 3, 6, 8).
    pub fn disable(&self, user_id: &str) {
        self.on_user(user_id, |state| state.set_active(user_id, false));
    }

    /// Enables an account. Sockets that went deaf stay deaf (fact 3).
    pub fn enable(&self, user_id: &str) {
        self.on_user(user_id, |state| state.set_active(user_id, true));
    }

    /// Disables and enables an account with nothing between.
    pub fn cycle(&self, user_id: &str) {
        self.on_user(user_id, |state| state.set_active(user_id, false) && state.set_active(user_id, true));
    }

    /// Renames an account: `update_at` moves and everyone hears of it; nothing goes deaf (fact 7).
    pub fn rename(&self, user_id: &str, username: &str) {
        self.on_user(user_id, |state| state.rename_user(user_id, Some(username), None));
    }

    /// Sets a custom status, as a bot may do at each post: `update_at` moves, and its own socket hears so (fact 48).
    pub fn set_custom_status(&self, user_id: &str, text: &str) {
        self.on_user(user_id, |state| state.set_custom_status(user_id, "gear", text));
    }

    /// Gives an account a permission that its roles lack, such as `create_post_ephemeral` (fact 39).
    pub fn grant_permission(&self, user_id: &str, permission: &str) {
        self.on_user(user_id, |state| {
            let user = state.world.users.get_mut(user_id);
            user.map(|user| user.grant(permission)).is_some()
        });
    }

    /// Moves `update_at` and changes nothing else.
    pub fn touch(&self, user_id: &str) {
        self.on_user(user_id, |state| state.touch(user_id, |_| ()));
    }

    /// The user's `update_at`.
    pub fn update_at(&self, user_id: &str) -> i64 {
        let state = self.shared.lock();
        let found = state.world.users.get(user_id).map(|user| user.update_at);
        require(found.is_some(), "user", user_id);
        found.unwrap_or_default()
    }

    /// Makes the user's sockets deaf and touches nothing else: the server looked the session up in a bad
    /// moment (fact 22).
    pub fn deafen(&self, user_id: &str) {
        self.on_user(user_id, |state| {
            for key in state.hub.keys_of(user_id) {
                if let Some(connection) = state.hub.connections.get_mut(&key) {
                    connection.session = crate::hub::connection::SessionState::Deaf;
                }
            }
            state.world.users.contains_key(user_id)
        });
    }

    /// Disables a token by its id. Sockets hear on until their session is looked up (facts 8, 22).
    pub fn disable_token(&self, token_id: &str) {
        self.on_token(token_id, |state| state.set_token_active(token_id, false));
    }

    /// Enables a token by its id.
    pub fn enable_token(&self, token_id: &str) {
        self.on_token(token_id, |state| state.set_token_active(token_id, true));
    }

    /// Disables a token, makes the server look, and enables it: deaf without drift (fact 22).
    pub fn toggle_token(&self, token_id: &str) {
        self.on_token(token_id, |state| {
            let token = state.world.token_ids.get(token_id).cloned().unwrap_or_default();
            for connection in state.hub.connections.values_mut().filter(|c| c.token == token) {
                connection.session = crate::hub::connection::SessionState::Deaf;
            }
            state.set_token_active(token_id, true)
        });
    }

    /// Removes a token by its id (fact 8).
    pub fn revoke_token(&self, token_id: &str) {
        self.on_token(token_id, |state| state.revoke_token_id(token_id));
    }

    /// Makes one more token for a user; gives its id and itself.
    pub fn create_token(&self, user_id: &str) -> (String, String) {
        self.shared.change(|state| state.create_token(user_id, ""))
    }

    fn on_user(&self, user_id: &str, act: impl FnOnce(&mut State) -> bool) {
        let found = self.shared.change(act);
        require(found, "user", user_id);
    }

    fn on_token(&self, token_id: &str, act: impl FnOnce(&mut State) -> bool) {
        let found = self.shared.change(act);
        require(found, "token", token_id);
    }
}

/// Teams and channels. All of these panic on an id that the world does not have.
impl Simulator {
    /// Makes a team; gives its id.
    pub fn create_team(&self, name: &str) -> String {
        self.shared.change(|state| state.create_team_row(name))
    }

    /// Makes a public channel without members; gives its id.
    pub fn create_channel(&self, team_id: &str, name: &str) -> String {
        self.create_channel_of(team_id, name, ChannelKind::Open)
    }

    /// Makes a private channel without members; gives its id.
    pub fn create_private_channel(&self, team_id: &str, name: &str) -> String {
        self.create_channel_of(team_id, name, ChannelKind::Private)
    }

    fn create_channel_of(&self, team_id: &str, name: &str, kind: ChannelKind) -> String {
        self.shared.change(|state| state.create_channel_row(team_id, name, kind))
    }

    /// Takes permissions from the members of a channel, such as `create_post` where only admins may write.
    pub fn restrict_channel(&self, channel_id: &str, permissions: &[&str]) {
        let found = self.shared.change(|state| {
            let taken = permissions.iter().map(|name| (*name).to_owned()).collect();
            state.world.restricted.insert(channel_id.to_owned(), taken);
            state.world.channels.contains_key(channel_id)
        });
        require(found, "channel", channel_id);
    }

    /// The direct channel of two users; gives its id.
    pub fn direct_channel(&self, a: &str, b: &str) -> String {
        self.shared.change(|state| state.direct_channel_row(a, b))
    }

    /// Makes a group channel; gives its id.
    pub fn group_channel(&self, users: &[&str]) -> String {
        self.shared.change(|state| state.group_channel_row(users))
    }

    /// Adds a user to a team and its two standing channels; its `update_at` moves (fact 7).
    pub fn add_to_team(&self, team_id: &str, user_id: &str) {
        let found = self.shared.change(|state| state.join_team(team_id, user_id));
        require(found, "team", team_id);
    }

    /// Adds a user to a channel: `user_added`, and the admin's `system_add_to_channel` post (fact 18).
    pub fn add_to_channel(&self, channel_id: &str, user_id: &str) {
        let found = self.shared.change(|state| {
            let admin = state.world.admin_id.clone();
            state.join_channel(channel_id, user_id, &admin)
        });
        require(found, "channel", channel_id);
    }

    /// Adds a user to a channel without an event and without a post.
    pub fn add_to_channel_quietly(&self, channel_id: &str, user_id: &str) {
        let found = self.shared.change(|state| state.join_channel_quietly(channel_id, user_id));
        require(found, "channel", channel_id);
    }

    /// Removes a user from a channel: `user_removed` for it and for those who stay.
    pub fn remove_from_channel(&self, channel_id: &str, user_id: &str) {
        self.shared.change(|state| {
            let admin = state.world.admin_id.clone();
            state.leave_channel(channel_id, user_id, &admin)
        });
    }

    /// Archives a channel: it leaves the lists, its posts can still be read (fact 26).
    pub fn archive_channel(&self, channel_id: &str) {
        let found = self.shared.change(|state| {
            let admin = state.world.admin_id.clone();
            state.archive_channel_row(channel_id, &admin)
        });
        require(found, "channel", channel_id);
    }

    /// Channel lists answer from now on with the `last_post_at` that they have now (fact 24).
    pub fn freeze_channel_lists(&self) {
        self.shared.change(|state| {
            for channel in state.world.channels.values_mut() {
                channel.frozen_last_post_at = Some(channel.last_post_at);
            }
        });
    }

    /// Channel lists are up to date again.
    pub fn unfreeze_channel_lists(&self) {
        self.shared.change(|state| {
            for channel in state.world.channels.values_mut() {
                channel.frozen_last_post_at = None;
            }
        });
    }
}
