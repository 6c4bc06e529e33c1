//! Posts: making, editing, pinning, deleting, reacting, typing.

mod announce;

use std::time::Instant;

use serde_json::{Map, Value, json};

use crate::state::State;
use crate::wire::event::Broadcast;
use crate::wire::json::to_text;
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
        let mut post = self.new_post(&id, options, now);
        if self.world.users.get(&post.user_id).is_some_and(|user| user.is_bot) {
            post.props.insert("from_bot".to_owned(), json!("true"));
        }
        self.take_post_actions(&mut post);
        crate::world::attachment::normalise(&mut post);
        self.attach_files(&mut post);
        if let Some(key) = &options.pending_post_id {
            let key = (options.user_id.clone(), key.clone());
            self.world.pending.insert(key, (id.clone(), Instant::now()));
        }
        let hidden = options.visible_after.is_some_and(|delay| !delay.is_zero());
        self.world.posts.insert(post, hidden);
        if !hidden {
            self.commit_post(&id, &options.mentions);
        }
        let post = self.world.posts.rendered(&id).unwrap_or_else(|| self.new_post(&id, options, now));
        CreatedPost { post, hidden }
    }

    /// Stores a post without an event and without a trace in its channel.
    pub(crate) fn import_post(&mut self, options: &PostOptions) {
        let id = new_id(&mut self.random);
        let now = self.world.now();
        let post = self.new_post(&id, options, now);
        self.world.posts.insert(post, false);
    }

    /// A post in the form of this version.
    pub(crate) fn new_post(&self, id: &str, options: &PostOptions, now: i64) -> Post {
        Post { version: self.options.version, ..Post::new(id, options, now) }
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
            if let Some(current) = channel.current.as_mut().filter(|_| post.root_id.is_empty()) {
                current.last_root_post_at = current.last_root_post_at.max(post.create_at);
            }
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

    /// Changes a post. The old version stays as a history row that looks deleted (fact 25).
    pub(crate) fn edit_post_row(&mut self, id: &str, message: &str) -> Option<Post> {
        self.update_post(id, |post, now| {
            message.clone_into(&mut post.message);
            post.edit_at = now;
        })
    }

    /// Replaces a post's text and props, by an edit or by the answer to a button.
    pub(crate) fn replace_post_row(
        &mut self,
        id: &str,
        message: &str,
        props: Map<String, Value>,
    ) -> Option<Post> {
        let mut post = self.world.posts.get(id)?.clone();
        (post.props, post.metadata) = (props, json!({}));
        self.take_post_actions(&mut post);
        crate::world::attachment::normalise(&mut post);
        self.update_post(id, |stored, now| {
            message.clone_into(&mut stored.message);
            (stored.props, stored.metadata) = (post.props, post.metadata);
            stored.edit_at = now;
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
        self.publish_post("post_edited", &post, &Broadcast::channel(&post.channel_id));
        Some(post)
    }

    /// Deletes a post and its replies; `last_post_at` stays (fact 24).
    pub(crate) fn delete_post_row(&mut self, id: &str, actor: &str) -> bool {
        let Some(before) = self.world.posts.get(id).filter(|post| post.delete_at == 0) else {
            return false;
        };
        let previous = before.update_at;
        // The event has the post as it is stored: 5.37 counts no replies in it, 11.1 leaves the metadata out (events).
        let stored = if self.options.version.is_current() {
            self.world.posts.rendered(id).map(|post| Post { metadata: Value::Null, ..post })
        } else {
            Some(before.clone())
        };
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
            let broadcast = Broadcast { is_sanitized: true, ..Broadcast::channel(&post.channel_id) };
            self.publish_post("post_deleted", &post, &broadcast);
        }
        true
    }

    fn publish_post(&mut self, event: &str, post: &Post, broadcast: &Broadcast) {
        let mut data = Map::new();
        data.insert("post".to_owned(), Value::from(to_text(post)));
        self.publish(event, &data, broadcast);
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
            channel_id: self.options.version.is_current().then(|| channel.clone()),
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
        reaction.channel_id = reaction.channel_id.map(|_| String::new());
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
        self.publish("typing", &data, &Broadcast::channel(channel).without(user));
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
        let mut post = self.new_post(&id, &options, now);
        post.update_at = 0;
        let mut data = Map::new();
        data.insert("post".to_owned(), Value::from(to_text(&post)));
        let mut broadcast = Broadcast::user(user);
        channel.clone_into(&mut broadcast.channel_id);
        self.publish("ephemeral_message", &data, &broadcast);
        self.world.ephemeral.push((user.to_owned(), post.clone()));
        post
    }
}
