//! The names that the accounts of a server have learned: of channels, of teams and of users.

use std::{borrow::Cow, collections::HashSet, sync::Arc};

use parking_lot::RwLock;
use serde::Deserialize;

use crate::{
    mattermost::{Channel, ChannelKind, EventEnvelope, Team, User},
    model::{ChannelId, ChannelInfo, IdMap, UserId},
};

/// The most channels, teams and users, each, that are remembered for a server. Beyond it all are forgotten, and learned again
/// from the next events and lists.
const MOST_NAMES: usize = 100_000;

/// The names of one server, shared by its accounts. The lock is never held across an `.await`.
#[derive(Clone, Default)]
pub(super) struct Directory(Arc<Shared>);

#[derive(Default)]
struct Shared {
    names: RwLock<Names>,
    /// Held by the account that asks for the teams, so that thousands that connect at once do not all ask.
    asking_for_teams: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Names {
    channels: IdMap<ChannelId, Arc<ChannelInfo>>,
    /// The names of teams by id; empty for one that the server did not name when it was asked.
    teams: IdMap<Box<str>, Arc<str>>,
    users: IdMap<UserId, Arc<str>>,
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
        self.0.names.read().channels.get(id).cloned()
    }

    /// Returns the name of a user, if it is known.
    pub(super) fn username(&self, id: &UserId) -> Option<Arc<str>> {
        self.0.names.read().users.get(id).cloned()
    }

    /// Learns what an event tells, and returns its names. `author` is the author of its post.
    pub(super) fn learn(
        &self,
        envelope: &EventEnvelope<'_>,
        channel: &ChannelId,
        author: Option<&UserId>,
    ) -> EventNames {
        match &*envelope.event {
            "posted" => return self.learn_posted(envelope.data.get(), channel, author),
            "channel_updated" => self.learn_from_update(envelope),
            "channel_converted" => self.learn_from_conversion(envelope),
            "user_updated" => self.learn_from_user(envelope),
            "update_team" => self.learn_from_team(envelope),
            _ => {}
        }
        self.event_names(channel, author)
    }

    /// Learns what the `data` of a new post tells, and returns the names of the event.
    pub(super) fn learn_posted(
        &self,
        data: &str,
        channel: &ChannelId,
        author: Option<&UserId>,
    ) -> EventNames {
        let names = self.event_names(channel, author);
        let unknown =
            (Some(channel).filter(|_| names.channel.is_none()), author.filter(|_| names.sender.is_none()));
        // Nearly all are posts of channels and users that are known.
        if unknown == (None, None) {
            return names;
        }
        self.learn_from_post(data, unknown);
        self.event_names(channel, author)
    }

    /// Returns the names of an event.
    pub(super) fn event_names(&self, channel: &ChannelId, author: Option<&UserId>) -> EventNames {
        let names = self.0.names.read();
        let sender = author.and_then(|id| names.users.get(id).cloned());
        EventNames { channel: names.channels.get(channel).cloned(), sender }
    }

    /// Returns the users whose names are not known, each once.
    pub(super) fn unknown_users<'a>(&self, users: impl Iterator<Item = &'a UserId>) -> Vec<UserId> {
        let names = self.0.names.read();
        let mut unknown: Vec<UserId> =
            users.filter(|id| !id.as_str().is_empty() && !names.users.contains_key(*id)).cloned().collect();
        unknown.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        unknown.dedup();
        unknown
    }

    /// Learns channels from a list, or from their own description.
    pub(super) fn add_channels<'a>(&self, channels: impl Iterator<Item = &'a Channel>) {
        let mut names = self.0.names.write();
        for channel in channels {
            names.add_channel(&channel.id, info(channel));
        }
    }

    /// Learns the teams of channels that are not known yet. `ask` returns the teams of the account, if the server answers.
    pub(super) async fn learn_teams(
        &self,
        channels: &[Channel],
        ask: impl AsyncFnOnce() -> Option<Vec<Team>>,
    ) {
        if self.unknown_teams(channels).is_empty() {
            return;
        }
        let _asking = self.0.asking_for_teams.lock().await;
        let unknown = self.unknown_teams(channels);
        if !unknown.is_empty()
            && let Some(teams) = ask().await
        {
            let unnamed = unknown.into_iter().map(|id| Team { id: id.into(), name: Box::default() });
            let mut names = self.0.names.write();
            unnamed.chain(teams).for_each(|team| names.add_team(team));
        }
    }

    /// Returns the teams of the channels that the server was not asked for.
    fn unknown_teams<'a>(&self, channels: &'a [Channel]) -> HashSet<&'a str> {
        let names = self.0.names.read();
        let teams = channels.iter().map(|channel| &*channel.team_id);
        teams.filter(|id| !id.is_empty() && !names.teams.contains_key(*id)).collect()
    }

    /// Learns users.
    pub(super) fn add_users<'a>(&self, users: impl Iterator<Item = &'a User>) {
        let mut names = self.0.names.write();
        users.for_each(|user| names.add_user(&user.id, &user.username));
    }

    /// Learns the names of the channel and the author of a post, unless they are known.
    fn learn_from_post(&self, data: &str, (channel, author): (Option<&ChannelId>, Option<&UserId>)) {
        let described: PostedNames<'_> = serde_json::from_str(data).unwrap_or_default();
        let mut names = self.0.names.write();
        if let (Some(author), Some(name)) = (author, &described.sender_name) {
            names.add_user(author, name.trim_start_matches('@'));
        }
        if let (Some(channel), Some(kind)) = (channel, &described.channel_type) {
            let text = |member: &Option<Cow<'_, str>>| member.as_deref().unwrap_or_default().into();
            names.add_channel(
                channel,
                ChannelInfo {
                    kind: kind.as_ref().into(),
                    name: text(&described.channel_name),
                    display_name: text(&described.channel_display_name),
                    team_id: text(&described.team_id),
                    team_name: Arc::default(),
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
        let mut names = self.0.names.write();
        if let Some(channel) = names.channels.get_mut(&channel_id) {
            Arc::make_mut(channel).kind = ChannelKind::Private.as_str().into();
        }
    }

    /// Learns that a team may have another name.
    fn learn_from_team(&self, envelope: &EventEnvelope<'_>) {
        #[derive(Deserialize)]
        struct Data<'a> {
            #[serde(borrow)]
            team: Cow<'a, str>,
        }
        let team = serde_json::from_str::<Data<'_>>(envelope.data.get())
            .and_then(|data| serde_json::from_str::<Team>(&data.team));
        if let Some(team) = team.ok().filter(|team| !team.name.is_empty()) {
            self.0.names.write().add_team(team);
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
        let mut names = self.0.names.write();
        if names.users.contains_key(&user.id) {
            names.add_user(&user.id, &user.username);
        }
    }
}

impl Names {
    fn add_channel(&mut self, id: &ChannelId, mut channel: ChannelInfo) {
        channel.team_name = self.teams.get(&channel.team_id).cloned().unwrap_or_default();
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

    fn add_team(&mut self, team: Team) {
        if self.teams.len() >= MOST_NAMES && !self.teams.contains_key(&team.id) {
            self.teams.clear();
        }
        let name: Arc<str> = team.name.into();
        for channel in self.channels.values_mut().filter(|channel| channel.team_id == team.id) {
            if channel.team_name != name {
                Arc::make_mut(channel).team_name = Arc::clone(&name);
            }
        }
        self.teams.insert(team.id, name);
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
        team_name: Arc::default(),
    }
}
