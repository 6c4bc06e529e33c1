//! The events about a new post: one for all on 5.37; on 11.1 an event of its own for whoever is mentioned or follows,
//! and the thread's news for its followers (fact 36).

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::state::State;
use crate::wire::event::{Broadcast, Event};
use crate::wire::json::to_text;
use crate::world::account::User;
use crate::world::channel::ChannelKind;
use crate::world::post::Post;

/// The news of a thread, in the order of the wire.
#[derive(Serialize)]
struct Thread<'a> {
    id: &'a str,
    reply_count: u64,
    last_reply_at: i64,
    last_viewed_at: i64,
    participants: Vec<&'a User>,
    post: Post,
    unread_replies: u64,
    unread_mentions: u64,
    is_urgent: bool,
    delete_at: i64,
}

impl State {
    pub(super) fn publish_posted(&mut self, post: &Post, mentions: &[String]) {
        let Some(mut data) = self.posted_data(post) else {
            return;
        };
        let mentioned = self.mentions(post, mentions);
        let broadcast = Broadcast::channel(&post.channel_id);
        if self.options.version.is_current() {
            self.publish_to_each(post, &data, &mentioned, &broadcast);
            return;
        }
        if !mentioned.is_empty() {
            data.insert("mentions".to_owned(), Value::from(to_text(&mentioned)));
        }
        self.publish("posted", &data, &broadcast);
    }

    /// The event for each receiver: who is mentioned or follows reads its own name in it and nobody else's.
    fn publish_to_each(
        &mut self,
        post: &Post,
        data: &Map<String, Value>,
        mentioned: &[String],
        broadcast: &Broadcast,
    ) {
        let version = self.options.version;
        let followers = self.world.posts.followers(&post.root_id);
        let common = Event::new(version, "posted", data, broadcast);
        for user in self.receivers(broadcast) {
            let named = |list: bool| (list && user != post.user_id).then(|| Value::from(to_text(&[&user])));
            let added = [
                ("followers", named(followers.contains(&user))),
                ("mentions", named(mentioned.contains(&user))),
            ];
            let mut own = data.clone();
            own.extend(added.into_iter().filter_map(|(key, names)| Some((key.to_owned(), names?))));
            if own.len() == data.len() {
                self.deliver(&user, &common);
            } else {
                self.deliver(&user, &Event::compact(version, "posted", &own, broadcast));
            }
        }
        if !post.root_id.is_empty() {
            self.follow_thread(post, mentioned);
        }
    }

    /// Author, root's author and whoever is mentioned follow from now on; all followers hear the news.
    fn follow_thread(&mut self, post: &Post, mentioned: &[String]) {
        let root = &post.root_id;
        let Some(root_author) = self.world.posts.get(root).map(|root| root.user_id.clone()) else {
            return;
        };
        for user in [&post.user_id, &root_author].into_iter().chain(mentioned) {
            if self.is_member(&post.channel_id, user) {
                self.world.posts.follow(root, user);
            }
        }
        for user in self.world.posts.followers(root) {
            let broadcast = Broadcast { team_id: self.team_of(&post.channel_id), ..Broadcast::user(&user) };
            if let Some(data) = self.thread_data(root, &user, post) {
                self.publish("thread_updated", &data, &broadcast);
            }
        }
    }

    fn thread_data(&self, root: &str, reader: &str, newest: &Post) -> Option<Map<String, Value>> {
        let store = &self.world.posts;
        let ids = store.replies(root);
        let mut replies: Vec<&Post> =
            ids.iter().filter_map(|id| store.get(id)).filter(|reply| reply.delete_at == 0).collect();
        replies.sort_by_key(|reply| reply.create_at);
        let unread = replies.iter().rev().take_while(|reply| reply.user_id != reader).count();
        let name = format!("@{}", self.username(reader));
        let mentions =
            replies.iter().filter(|reply| reply.user_id != reader && reply.message.contains(&name));
        let unread_mentions = mentions.count();
        let mentions_before =
            unread_mentions - usize::from(newest.user_id != reader && newest.message.contains(&name));
        let participants: BTreeSet<&str> = replies.iter().map(|reply| reply.user_id.as_str()).collect();
        let thread = Thread {
            id: root,
            reply_count: replies.len() as u64,
            last_reply_at: newest.create_at,
            last_viewed_at: 0,
            participants: participants.into_iter().filter_map(|id| self.world.users.get(id)).collect(),
            post: Post { metadata: Value::Null, ..store.get(root)?.clone() },
            unread_replies: unread as u64,
            unread_mentions: unread_mentions as u64,
            is_urgent: false,
            delete_at: 0,
        };
        let mut data = Map::new();
        data.insert("previous_unread_mentions".to_owned(), json!(mentions_before));
        data.insert("previous_unread_replies".to_owned(), json!(unread.saturating_sub(1)));
        data.insert("thread".to_owned(), Value::from(to_text(&thread)));
        Some(data)
    }

    fn team_of(&self, channel: &str) -> String {
        self.world.channels.get(channel).map(|c| c.team_id.clone()).unwrap_or_default()
    }

    /// The data of a `posted` event, but for who is mentioned.
    pub(crate) fn posted_data(&self, post: &Post) -> Option<Map<String, Value>> {
        let channel = self.world.channels.get(&post.channel_id)?;
        let author = self.username(&post.user_id);
        let display = match channel.kind {
            ChannelKind::Direct => format!("@{author}"),
            _ => channel.display_name.clone(),
        };
        let webhook = post.webhook_name();
        let sender = match webhook {
            Some(name) => name.to_owned(),
            None if post.is_system() => "System".to_owned(),
            None => format!("@{author}"),
        };
        let mut data = Map::new();
        data.insert("channel_display_name".to_owned(), json!(display));
        data.insert("channel_name".to_owned(), json!(channel.name));
        data.insert("channel_type".to_owned(), json!(channel.kind));
        data.insert("team_id".to_owned(), json!(channel.team_id));
        data.insert("post".to_owned(), Value::from(to_text(post)));
        data.insert("sender_name".to_owned(), json!(sender));
        data.insert("set_online".to_owned(), json!(webhook.is_none()));
        if !post.file_ids.is_empty() {
            data.insert("otherFile".to_owned(), json!("true"));
        }
        Some(data)
    }

    /// Returns the users that a post mentions: `@name` in the text, the other side of a direct channel, and those given.
    /// On 11.1 the other members of a group channel too.
    fn mentions(&self, post: &Post, given: &[String]) -> Vec<String> {
        let mut ids = given.to_vec();
        let Some(channel) = self.world.channels.get(&post.channel_id) else {
            return ids;
        };
        let all = match channel.kind {
            ChannelKind::Direct => true,
            ChannelKind::Group => self.options.version.is_current(),
            ChannelKind::Open | ChannelKind::Private => false,
        };
        if all {
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
}
