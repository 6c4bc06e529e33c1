//! Teams and channels: making them, joining, leaving, archiving.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::state::State;
use crate::wire::event::Broadcast;
use crate::wire::json::to_text;
use crate::world::channel::{Channel, ChannelKind, Team};
use crate::world::ids::new_id;
use crate::world::post::PostOptions;

fn member_data(team_id: &str, user_id: &str) -> Map<String, Value> {
    let mut data = Map::new();
    data.insert("team_id".to_owned(), json!(team_id));
    data.insert("user_id".to_owned(), json!(user_id));
    data
}

impl State {
    /// Makes a team with its two standing channels.
    pub(crate) fn create_team_row(&mut self, name: &str) -> String {
        let id = new_id(&mut self.random);
        let invite = new_id(&mut self.random);
        let now = self.world.now();
        self.world.teams.insert(id.clone(), Team::new(self.options.version, &id, name, &invite, now));
        for (name, display) in [("town-square", "Town Square"), ("off-topic", "Off-Topic")] {
            let channel = self.create_channel_row(&id, name, ChannelKind::Open);
            self.change_channel(&channel, |row| display.clone_into(&mut row.display_name));
        }
        id
    }

    /// Makes an empty team channel without members.
    pub(crate) fn create_channel_row(&mut self, team_id: &str, name: &str, kind: ChannelKind) -> String {
        let id = new_id(&mut self.random);
        let now = self.world.now();
        let mut channel = Channel::new(self.options.version, &id, kind, name, now);
        team_id.clone_into(&mut channel.team_id);
        name.clone_into(&mut channel.display_name);
        self.world.channels.insert(id.clone(), channel);
        id
    }

    /// The direct channel of two users; made when there is none.
    pub(crate) fn direct_channel_row(&mut self, creator: &str, other: &str) -> String {
        let mut pair = [creator, other];
        pair.sort_unstable();
        let name = pair.join("__");
        let found = self.world.channels.values().find(|c| c.name == name).map(|c| c.id.clone());
        if let Some(id) = found {
            return id;
        }
        let id = self.insert_private_row(ChannelKind::Direct, &name, &[creator, other]);
        self.change_channel(&id, |row| creator.clone_into(&mut row.creator_id));
        let mut data = Map::new();
        data.insert("creator_id".to_owned(), json!(creator));
        data.insert("teammate_id".to_owned(), json!(other));
        self.publish("direct_added", &data, &Broadcast::channel(&id));
        id
    }

    /// A group channel of three or more users.
    pub(crate) fn group_channel_row(&mut self, users: &[&str]) -> String {
        let mut ids: Vec<&str> = users.to_vec();
        ids.sort_unstable();
        let name: String = (0..40).map(|_| self.random.digit(16)).collect();
        let mut names: Vec<&str> = ids
            .iter()
            .filter_map(|id| self.world.users.get(*id))
            .map(|user| user.username.as_str())
            .collect();
        names.sort_unstable();
        let display = names.join(", ");
        let id = self.insert_private_row(ChannelKind::Group, &name, &ids);
        self.change_channel(&id, |row| row.display_name = display);
        let mut data = Map::new();
        data.insert("teammate_ids".to_owned(), Value::from(to_text(&ids)));
        // 11.1 tells each member by itself.
        if self.options.version.is_current() {
            for user in &ids {
                let broadcast = Broadcast { channel_id: id.clone(), ..Broadcast::user(user) };
                self.publish("group_added", &data, &broadcast);
            }
        } else {
            self.publish("group_added", &data, &Broadcast::channel(&id));
        }
        id
    }

    fn insert_private_row(&mut self, kind: ChannelKind, name: &str, members: &[&str]) -> String {
        let id = new_id(&mut self.random);
        let now = self.world.now();
        let mut channel = Channel::new(self.options.version, &id, kind, name, now);
        channel.members = Arc::new(members.iter().map(|id| (*id).to_owned()).collect());
        self.world.channels.insert(id.clone(), channel);
        id
    }

    /// Adds a user to a team and its standing channels, without posts. It moves `update_at` (fact 7), and the user hears
    /// `added_to_team`, twice, in place of `user_updated` (fact 48).
    pub(crate) fn join_team(&mut self, team_id: &str, user_id: &str) -> bool {
        if !self.join_team_quietly(team_id, user_id) {
            return false;
        }
        self.announce_team(team_id, user_id);
        true
    }

    fn join_team_quietly(&mut self, team_id: &str, user_id: &str) -> bool {
        let Some(team) = self.world.teams.get_mut(team_id) else {
            return false;
        };
        team.members.insert(user_id.to_owned());
        for channel in self.standing_channels(team_id) {
            self.join_channel_quietly(&channel, user_id);
        }
        self.touch_quietly(user_id);
        true
    }

    fn announce_team(&mut self, team_id: &str, user_id: &str) {
        let data = member_data(team_id, user_id);
        for _ in 0..2 {
            self.publish("added_to_team", &data, &Broadcast::user(user_id));
        }
    }

    /// The same as the REST route does it: with the post in Town Square that the user hears, and one in Off-Topic that comes
    /// before it is a member there (`own_changes`).
    pub(crate) fn join_team_with_posts(&mut self, team_id: &str, user_id: &str) -> bool {
        let standing = self.standing_channels(team_id);
        let [town_square, off_topic] = &standing[..] else {
            return false;
        };
        self.post_about_member(off_topic, user_id, user_id);
        if !self.join_team_quietly(team_id, user_id) {
            return false;
        }
        let name = self.username(user_id);
        let text = format!("{name} joined the team.");
        self.system_post(town_square, user_id, "system_join_team", text, &[("username", &name)]);
        let data = member_data(team_id, user_id);
        self.publish("user_added", &data, &Broadcast::channel(town_square));
        self.announce_team(team_id, user_id);
        true
    }

    /// Town Square and Off-Topic, in this order.
    fn standing_channels(&self, team_id: &str) -> Vec<String> {
        let named = |name: &str| {
            let mut channels = self.world.channels.values();
            channels.find(|c| c.team_id == team_id && c.name == name).map(|c| c.id.clone())
        };
        ["town-square", "off-topic"].into_iter().filter_map(named).collect()
    }

    /// Adds a member: `user_added`, then the post about it (events).
    pub(crate) fn join_channel(&mut self, channel_id: &str, user_id: &str, actor: &str) -> bool {
        if !self.join_channel_quietly(channel_id, user_id) {
            return false;
        }
        let team = self.world.channels.get(channel_id).map(|c| c.team_id.clone());
        let data = member_data(&team.unwrap_or_default(), user_id);
        let channel = Broadcast::channel(channel_id);
        if self.options.version.is_current() {
            // One for those who are there, one for the new one.
            self.publish("user_added", &data, &channel.clone().without(user_id));
            self.publish("user_added", &data, &Broadcast { user_id: user_id.to_owned(), ..channel });
        } else {
            self.publish("user_added", &data, &channel);
        }
        self.post_about_member(channel_id, user_id, actor);
        true
    }

    /// Adds a member and says nothing.
    pub(crate) fn join_channel_quietly(&mut self, channel_id: &str, user_id: &str) -> bool {
        let Some(channel) = self.world.channels.get_mut(channel_id) else {
            return false;
        };
        Arc::make_mut(&mut channel.members).insert(user_id.to_owned());
        self.hub.invalidate(user_id);
        true
    }

    /// The post about a new member: added by somebody, or come by itself.
    pub(crate) fn post_about_member(&mut self, channel_id: &str, user_id: &str, actor: &str) {
        let name = self.username(user_id);
        let by = self.username(actor);
        let mut post = PostOptions {
            user_id: actor.to_owned(),
            channel_id: channel_id.to_owned(),
            ..PostOptions::default()
        };
        if user_id == actor {
            post.message = format!("{name} joined the channel.");
            "system_join_channel".clone_into(&mut post.kind);
            post.props.insert("username".to_owned(), json!(name));
        } else {
            post.message = format!("{name} added to the channel by {by}.");
            "system_add_to_channel".clone_into(&mut post.kind);
            for (key, value) in
                [("addedUserId", user_id), ("addedUsername", &name), ("userId", actor), ("username", &by)]
            {
                post.props.insert(key.to_owned(), json!(value));
            }
            post.mentions.push(user_id.to_owned());
        }
        self.create_post(&post);
    }

    /// Removes a member; it hears of it, and so do those who stay.
    pub(crate) fn leave_channel(&mut self, channel_id: &str, user_id: &str, actor: &str) -> bool {
        let Some(channel) = self.world.channels.get_mut(channel_id) else {
            return false;
        };
        if !Arc::make_mut(&mut channel.members).remove(user_id) {
            return false;
        }
        let name = self.username(user_id);
        self.hub.invalidate(user_id);
        let mut data = Map::new();
        data.insert("remover_id".to_owned(), json!(actor));
        data.insert("user_id".to_owned(), json!(user_id));
        self.publish("user_removed", &data, &Broadcast::channel(channel_id));
        data.remove("user_id");
        data.insert("channel_id".to_owned(), json!(channel_id));
        self.publish("user_removed", &data, &Broadcast::user(user_id));
        if user_id == actor {
            let text = format!("{name} left the channel.");
            self.system_post(channel_id, actor, "system_leave_channel", text, &[("username", &name)]);
        } else {
            let text = format!("{name} removed from the channel.");
            let props = [("removedUserId", user_id), ("removedUsername", &name)];
            self.system_post(channel_id, actor, "system_remove_from_channel", text, &props);
        }
        true
    }

    /// Archives a channel: the post about it, then the event to the team (events).
    pub(crate) fn archive_channel_row(&mut self, channel_id: &str, actor: &str) -> bool {
        if !self.world.channels.contains_key(channel_id) {
            return false;
        }
        let by = self.username(actor);
        let text = format!("{by} archived the channel.");
        self.system_post(channel_id, actor, "system_channel_deleted", text, &[("username", &by)]);
        let now = self.world.now();
        let mut team = String::new();
        self.change_channel(channel_id, |row| {
            row.delete_at = now;
            row.update_at = now;
            team.clone_from(&row.team_id);
        });
        let mut data = Map::new();
        data.insert("channel_id".to_owned(), json!(channel_id));
        data.insert("delete_at".to_owned(), json!(now));
        self.publish("channel_deleted", &data, &Broadcast::team(&team));
        true
    }

    /// Changes the header and says so with `channel_updated`; gives the header that was.
    pub(crate) fn set_header(&mut self, channel_id: &str, header: &str) -> Option<String> {
        let now = self.world.now();
        let mut old = None;
        self.change_channel(channel_id, |row| {
            old = Some(std::mem::replace(&mut row.header, header.to_owned()));
            row.update_at = now;
        });
        let channel = self.world.channels.get(channel_id)?;
        let mut data = Map::new();
        data.insert("channel".to_owned(), Value::from(to_text(channel)));
        self.publish("channel_updated", &data, &Broadcast::channel(channel_id));
        old
    }

    /// The post about a new header; the answer to the change is older than it (events).
    pub(crate) fn post_about_header(&mut self, channel_id: &str, old: &str, new: &str, by: &str) {
        let name = self.username(by);
        let text = if old.is_empty() {
            format!("{name} updated the channel header to: {new}")
        } else {
            format!("{name} updated the channel header from: {old} to: {new}")
        };
        let props = [("new_header", new), ("old_header", old), ("username", &name)];
        self.system_post(channel_id, by, "system_header_change", text, &props);
    }

    fn system_post(
        &mut self,
        channel_id: &str,
        actor: &str,
        kind: &str,
        text: String,
        props: &[(&str, &str)],
    ) {
        let props = props.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
        self.create_post(&PostOptions {
            user_id: actor.to_owned(),
            channel_id: channel_id.to_owned(),
            message: text,
            kind: kind.to_owned(),
            props,
            ..PostOptions::default()
        });
    }

    /// Changes a channel's own fields; what `GET /channels/{id}` has cached is forgotten.
    pub(crate) fn change_channel(&mut self, id: &str, change: impl FnOnce(&mut Channel)) {
        if let Some(channel) = self.world.channels.get_mut(id) {
            change(channel);
            channel.cached_last_post_at = None;
        }
    }

    pub(crate) fn username(&self, user_id: &str) -> String {
        self.world.users.get(user_id).map(|user| user.username.clone()).unwrap_or_default()
    }

    pub(crate) fn is_member(&self, channel_id: &str, user_id: &str) -> bool {
        self.world.channels.get(channel_id).is_some_and(|c| c.members.contains(user_id))
    }
}
