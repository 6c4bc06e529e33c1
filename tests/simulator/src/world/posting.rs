//! Posts: making, editing, pinning, deleting, reacting, typing.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::{Map, Value, json};

use crate::state::State;
use crate::wire::event::Broadcast;
use crate::wire::json::to_text;
use crate::world::channel::ChannelKind;
use crate::world::ids::new_id;
use crate::world::post::{Post, PostOptions, Reaction};

/// A post, and whether its making waits for [`State::reveal_post`].
pub(crate) struct CreatedPost {
    pub(crate) post: Post,
    pub(crate) hidden: bool,
}

impl State {
    /// Makes a post, or finds the one that the same `pending_post_id` made a moment ago (fact 19).
    pub(crate) fn create_post(&mut self, options: &PostOptions) -> CreatedPost {
        if let Some(post) = self.pending_post(options) {
            return CreatedPost { post, hidden: false };
        }
        let id = new_id(&mut self.random);
        let now = self.world.now();
        let mut post = Post::new(&id, options, now);
        if self.world.users.get(&post.user_id).is_some_and(|user| user.is_bot) {
            post.props.insert("from_bot".to_owned(), json!("true"));
        }
        crate::world::attachment::normalise(&mut post);
        if let Some(key) = &options.pending_post_id {
            let key = (options.user_id.clone(), key.clone());
            self.world.pending.insert(key, (id.clone(), Instant::now()));
        }
        let hidden = options.visible_after.is_some_and(|delay| !delay.is_zero());
        self.world.posts.insert(post, hidden);
        if !hidden {
            self.commit_post(&id, &options.mentions);
        }
        let post = self.world.posts.rendered(&id).unwrap_or_else(|| Post::new(&id, options, now));
        CreatedPost { post, hidden }
    }

    fn pending_post(&mut self, options: &PostOptions) -> Option<Post> {
        let key = options.pending_post_id.as_ref().filter(|key| !key.is_empty())?;
        let window = self.options.timings.pending_post_window;
        self.world.pending.retain(|_, (_, made)| made.elapsed() < window);
        let (id, _) = self.world.pending.get(&(options.user_id.clone(), key.clone()))?;
        self.world.posts.rendered(id)
    }

    /// Commits a hidden post: from now on it is listed, and its event goes out.
    pub(crate) fn reveal_post(&mut self, id: &str, mentions: &[String]) {
        if self.world.posts.reveal(id) {
            self.commit_post(id, mentions);
        }
    }

    fn commit_post(&mut self, id: &str, mentions: &[String]) {
        let Some(post) = self.world.posts.rendered(id) else {
            return;
        };
        self.counters.posts_created += 1;
        if let Some(channel) = self.world.channels.get_mut(&post.channel_id) {
            channel.last_post_at = channel.last_post_at.max(post.create_at);
            if post.is_counted() {
                channel.total_msg_count += 1;
                channel.total_msg_count_root += u64::from(post.root_id.is_empty());
            }
        }
        if let Some(root) = self.world.posts.get_mut(&post.root_id) {
            // A reply moves its root's `update_at` without `edit_at` (fact 25).
            root.update_at = root.update_at.max(post.create_at);
        }
        self.publish_posted(&post, mentions);
    }

    fn publish_posted(&mut self, post: &Post, mentions: &[String]) {
        if let Some(data) = self.posted_data(post, mentions) {
            self.publish("posted", &data, &Broadcast::channel(&post.channel_id));
        }
    }

    /// The data of a `posted` event.
    pub(crate) fn posted_data(&self, post: &Post, mentions: &[String]) -> Option<Map<String, Value>> {
        let channel = self.world.channels.get(&post.channel_id)?;
        let author = self.username(&post.user_id);
        let display = match channel.kind {
            ChannelKind::Direct => format!("@{author}"),
            _ => channel.display_name.clone(),
        };
        let sender = if post.is_system() { "System".to_owned() } else { format!("@{author}") };
        let mut data = Map::new();
        data.insert("channel_display_name".to_owned(), json!(display));
        data.insert("channel_name".to_owned(), json!(channel.name));
        data.insert("channel_type".to_owned(), json!(channel.kind));
        data.insert("team_id".to_owned(), json!(channel.team_id));
        let mentioned = self.mentions(post, mentions);
        if !mentioned.is_empty() {
            data.insert("mentions".to_owned(), Value::from(to_text(&mentioned)));
        }
        data.insert("post".to_owned(), Value::from(to_text(post)));
        data.insert("sender_name".to_owned(), json!(sender));
        data.insert("set_online".to_owned(), json!(true));
        Some(data)
    }

    /// Whom the event names: `@name` in the text, the other side of a direct channel, and who is given.
    fn mentions(&self, post: &Post, given: &[String]) -> Vec<String> {
        let mut ids = given.to_vec();
        let Some(channel) = self.world.channels.get(&post.channel_id) else {
            return ids;
        };
        if channel.kind == ChannelKind::Direct {
            ids.extend(channel.members.iter().filter(|id| **id != post.user_id).cloned());
        }
        let not_name = |c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '.'));
        for word in post.message.split('@').skip(1) {
            let name = word.split(not_name).next().unwrap_or_default().trim_end_matches('.');
            if let Some(id) = self.world.usernames.get(name).filter(|id| channel.members.contains(*id))
                && !ids.contains(id)
            {
                ids.push(id.clone());
            }
        }
        ids
    }

    /// Changes a post. The old version stays as a history row that looks deleted (fact 25).
    pub(crate) fn edit_post_row(&mut self, id: &str, message: &str) -> Option<Post> {
        self.update_post(id, |post, now| {
            message.clone_into(&mut post.message);
            post.edit_at = now;
        })
    }

    /// Pins or unpins a post; it leaves a history row and moves `last_post_at`, like an edit (fact 24).
    pub(crate) fn set_pinned(&mut self, id: &str, pinned: bool) -> Option<Post> {
        self.update_post(id, |post, _| post.is_pinned = pinned)
    }

    fn update_post(&mut self, id: &str, change: impl FnOnce(&mut Post, i64)) -> Option<Post> {
        let mut history = self.world.posts.get(id).filter(|post| post.delete_at == 0)?.clone();
        let now = self.world.now_after(history.update_at);
        let post = self.world.posts.get_mut(id)?;
        change(post, now);
        post.update_at = now;
        let channel_id = post.channel_id.clone();
        history.original_id = std::mem::replace(&mut history.id, new_id(&mut self.random));
        history.update_at = now;
        history.delete_at = now;
        self.world.posts.insert(history, false);
        if let Some(channel) = self.world.channels.get_mut(&channel_id) {
            channel.last_post_at = channel.last_post_at.max(now);
        }
        let post = self.world.posts.rendered(id)?;
        self.publish_post("post_edited", &post);
        Some(post)
    }

    /// Deletes a post and its replies; `last_post_at` stays (fact 24).
    pub(crate) fn delete_post_row(&mut self, id: &str, actor: &str) -> bool {
        let Some(before) = self.world.posts.get(id).filter(|post| post.delete_at == 0) else {
            return false;
        };
        let previous = before.update_at;
        // The event has the post as it is stored: replies are not counted in it (events).
        let stored = Some(before.clone());
        let now = self.world.now_after(previous);
        let mut ids = self.world.posts.replies(id);
        ids.push(id.to_owned());
        for id in &ids {
            if let Some(post) = self.world.posts.get_mut(id).filter(|post| post.delete_at == 0) {
                post.delete_at = now;
                post.update_at = now;
                post.props.insert("deleteBy".to_owned(), json!(actor));
            }
        }
        if let Some(post) = stored {
            self.publish_post("post_deleted", &post);
        }
        true
    }

    fn publish_post(&mut self, event: &str, post: &Post) {
        let mut data = Map::new();
        data.insert("post".to_owned(), Value::from(to_text(post)));
        self.publish(event, &data, &Broadcast::channel(&post.channel_id));
    }

    /// Adds a reaction; it moves the post's `update_at` without `edit_at` (fact 25).
    pub(crate) fn add_reaction(&mut self, user: &str, post_id: &str, emoji: &str) -> Option<Reaction> {
        let known = self.world.posts.reactions_mut(post_id).iter();
        if let Some(known) = known.clone().find(|r| r.user_id == user && r.emoji_name == emoji) {
            return Some(known.clone());
        }
        let now = self.world.now();
        let post = self.world.posts.get_mut(post_id)?;
        post.update_at = now.max(post.update_at);
        let channel = post.channel_id.clone();
        let reaction = Reaction {
            user_id: user.to_owned(),
            post_id: post_id.to_owned(),
            emoji_name: emoji.to_owned(),
            create_at: now,
            update_at: now,
            delete_at: 0,
            remote_id: "",
        };
        self.world.posts.reactions_mut(post_id).push(reaction.clone());
        self.publish_reaction("reaction_added", &reaction, &channel);
        Some(reaction)
    }

    /// Takes a reaction away; tells whether there was one.
    pub(crate) fn remove_reaction(&mut self, user: &str, post_id: &str, emoji: &str) -> bool {
        let now = self.world.now();
        let Some(post) = self.world.posts.get_mut(post_id) else {
            return false;
        };
        post.update_at = now.max(post.update_at);
        let channel = post.channel_id.clone();
        let reactions = self.world.posts.reactions_mut(post_id);
        let found = reactions.iter().position(|r| r.user_id == user && r.emoji_name == emoji);
        let Some(found) = found else { return false };
        let mut reaction = reactions.remove(found);
        reaction.create_at = 0;
        reaction.update_at = now;
        self.publish_reaction("reaction_removed", &reaction, &channel);
        true
    }

    fn publish_reaction(&mut self, event: &str, reaction: &Reaction, channel: &str) {
        let mut data = Map::new();
        data.insert("reaction".to_owned(), Value::from(to_text(reaction)));
        self.publish(event, &data, &Broadcast::channel(channel));
    }

    /// Someone types; everyone else in the channel hears of it.
    pub(crate) fn announce_typing(&mut self, user: &str, channel: &str, parent: &str) {
        let mut data = Map::new();
        data.insert("parent_id".to_owned(), json!(parent));
        data.insert("user_id".to_owned(), json!(user));
        let mut broadcast = Broadcast::channel(channel);
        broadcast.omit_users = Some(BTreeMap::from([(user.to_owned(), true)]));
        self.publish("typing", &data, &broadcast);
    }

    /// A post that only one user sees, and that is not stored.
    pub(crate) fn ephemeral_post(&mut self, user: &str, channel: &str, text: &str, actor: &str) -> Post {
        let options = PostOptions {
            user_id: actor.to_owned(),
            channel_id: channel.to_owned(),
            message: text.to_owned(),
            kind: "system_ephemeral".to_owned(),
            ..PostOptions::default()
        };
        let id = new_id(&mut self.random);
        let now = self.world.now();
        let mut post = Post::new(&id, &options, now);
        post.update_at = 0;
        let mut data = Map::new();
        data.insert("post".to_owned(), Value::from(to_text(&post)));
        let mut broadcast = Broadcast::user(user);
        channel.clone_into(&mut broadcast.channel_id);
        self.publish("ephemeral_message", &data, &broadcast);
        post
    }
}
