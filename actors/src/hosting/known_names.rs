//! The names that the accounts of a server have learned: of channels and of users.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use parking_lot::RwLock;
use serde::Deserialize;

use crate::{
    mattermost::{Channel, ChannelKind, EventEnvelope, User},
    model::{ChannelId, ChannelInfo, UserId},
};

/// The most channels, and the most users, that are remembered for a server. Beyond it all are forgotten, and learned again
/// from the next events and lists.
const MOST_NAMES: usize = 100_000;

/// The names of one server, shared by its accounts. The lock is never held across an `.await`.
#[derive(Clone, Default)]
pub(super) struct Directory(Arc<RwLock<Names>>);

#[derive(Default)]
struct Names {
    channels: HashMap<ChannelId, Arc<ChannelInfo>>,
    users: HashMap<UserId, Arc<str>>,
}

/// The names of an event, each if it is known.
pub(super) struct EventNames {
    pub(super) channel: Option<Arc<ChannelInfo>>,
    /// The author of the post, or the user who reacted.
    pub(super) sender: Option<Arc<str>>,
}

/// The members of a live `posted` that describe its channel and its author.
#[derive(Default, Deserialize)]
struct PostedNames<'a> {
    #[serde(borrow, default)]
    channel_type: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    channel_name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    channel_display_name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    team_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    sender_name: Option<Cow<'a, str>>,
}

impl Directory {
    /// Returns a channel, if it is known.
    pub(super) fn channel(&self, id: &ChannelId) -> Option<Arc<ChannelInfo>> {
        self.0.read().channels.get(id).cloned()
    }

    /// Returns the name of a user, if it is known.
    pub(super) fn username(&self, id: &UserId) -> Option<Arc<str>> {
        self.0.read().users.get(id).cloned()
    }

    /// Returns the names of an event.
    pub(super) fn event_names(&self, channel: &ChannelId, author: Option<&UserId>) -> EventNames {
        let names = self.0.read();
        let sender = author.and_then(|id| names.users.get(id).cloned());
        EventNames { channel: names.channels.get(channel).cloned(), sender }
    }

    /// Returns the users whose names are not known, each once.
    pub(super) fn unknown_users<'a>(&self, users: impl Iterator<Item = &'a UserId>) -> Vec<UserId> {
        let names = self.0.read();
        let mut unknown: Vec<UserId> =
            users.filter(|id| !id.as_str().is_empty() && !names.users.contains_key(*id)).cloned().collect();
        unknown.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        unknown.dedup();
        unknown
    }

    /// Learns channels from a list, or from their own description.
    pub(super) fn add_channels<'a>(&self, channels: impl Iterator<Item = &'a Channel>) {
        let mut names = self.0.write();
        for channel in channels {
            names.add_channel(&channel.id, info(channel));
        }
    }

    /// Learns users.
    pub(super) fn add_users<'a>(&self, users: impl Iterator<Item = &'a User>) {
        let mut names = self.0.write();
        users.for_each(|user| names.add_user(&user.id, &user.username));
    }

    /// Learns what an event tells. `author` is the author of its post.
    pub(super) fn learn(&self, envelope: &EventEnvelope<'_>, channel: &ChannelId, author: Option<&UserId>) {
        match &*envelope.event {
            "posted" => self.learn_from_post(envelope, channel, author),
            "channel_updated" => self.learn_from_update(envelope),
            "channel_converted" => self.learn_from_conversion(envelope),
            "user_updated" => self.learn_from_user(envelope),
            _ => {}
        }
    }

    fn learn_from_post(&self, envelope: &EventEnvelope<'_>, channel: &ChannelId, author: Option<&UserId>) {
        let (knows_channel, knows_author) = {
            let names = self.0.read();
            (names.channels.contains_key(channel), author.is_none_or(|id| names.users.contains_key(id)))
        };
        if knows_channel && knows_author {
            return;
        }
        let described: PostedNames<'_> = serde_json::from_str(envelope.data.get()).unwrap_or_default();
        let mut names = self.0.write();
        if let (false, Some(author), Some(name)) = (knows_author, author, &described.sender_name) {
            names.add_user(author, name.trim_start_matches('@'));
        }
        if let (false, Some(kind)) = (knows_channel, &described.channel_type) {
            let text = |member: &Option<Cow<'_, str>>| member.as_deref().unwrap_or_default().into();
            names.add_channel(
                channel,
                ChannelInfo {
                    kind: kind.as_ref().into(),
                    name: text(&described.channel_name),
                    display_name: text(&described.channel_display_name),
                    team_id: text(&described.team_id),
                },
            );
        }
    }

    fn learn_from_update(&self, envelope: &EventEnvelope<'_>) {
        #[derive(Deserialize)]
        struct Data<'a> {
            #[serde(borrow)]
            channel: Cow<'a, str>,
        }
        let channel = serde_json::from_str::<Data<'_>>(envelope.data.get())
            .and_then(|data| serde_json::from_str::<Channel>(&data.channel));
        if let Ok(channel) = channel {
            self.add_channels(std::iter::once(&channel));
        }
    }

    /// Learns that a channel has become private.
    fn learn_from_conversion(&self, envelope: &EventEnvelope<'_>) {
        #[derive(Deserialize)]
        struct Data {
            channel_id: ChannelId,
        }
        let Ok(Data { channel_id }) = serde_json::from_str(envelope.data.get()) else { return };
        let mut names = self.0.write();
        if let Some(channel) = names.channels.get_mut(&channel_id) {
            Arc::make_mut(channel).kind = ChannelKind::Private.as_str().into();
        }
    }

    fn learn_from_user(&self, envelope: &EventEnvelope<'_>) {
        #[derive(Deserialize)]
        struct Data {
            user: Renamed,
        }
        #[derive(Deserialize)]
        struct Renamed {
            id: UserId,
            username: Box<str>,
        }
        let Ok(Data { user }) = serde_json::from_str(envelope.data.get()) else { return };
        let mut names = self.0.write();
        if names.users.contains_key(&user.id) {
            names.add_user(&user.id, &user.username);
        }
    }
}

impl Names {
    fn add_channel(&mut self, id: &ChannelId, channel: ChannelInfo) {
        match self.channels.get_mut(id) {
            Some(known) if **known == channel => {}
            Some(known) => *known = Arc::new(channel),
            None => {
                if self.channels.len() >= MOST_NAMES {
                    self.channels.clear();
                }
                self.channels.insert(id.clone(), Arc::new(channel));
            }
        }
    }

    fn add_user(&mut self, id: &UserId, name: &str) {
        if self.users.get(id).is_some_and(|known| **known == *name) || name.is_empty() {
            return;
        }
        if self.users.len() >= MOST_NAMES {
            self.users.clear();
        }
        self.users.insert(id.clone(), name.into());
    }
}

fn info(channel: &Channel) -> ChannelInfo {
    ChannelInfo {
        kind: channel.kind.as_str().into(),
        name: channel.name.clone(),
        display_name: channel.display_name.clone(),
        team_id: channel.team_id.clone(),
    }
}
