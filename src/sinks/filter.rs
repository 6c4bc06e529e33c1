//! Filters: which events a sink takes. Events that a filter leaves out count as acknowledged.

mod mentions;

use std::{borrow::Cow, collections::BTreeSet, sync::Arc, time::SystemTime};

use matterhost_actors::{
    mattermost::ChannelKind,
    model::{AccountUser, Change, ChannelInfo, Event, UserId},
    ports::{Delivered, EventSink, EventStorage, Outcome},
};
use serde::Deserialize;
use serde_json::Value;

use self::mentions::Mentions;
use super::{
    event_data::{EventData, text},
    hook_events::{is_hook, person},
};
use crate::{
    config::{ChannelType, FilterConfig, Recovered},
    telemetry::{
        metrics::{FilterKey, SinkMeter},
        time::from_unix_millis,
    },
};

/// The length of Mattermost's ids.
const ID_CHARS: usize = 26;

/// A sink behind a filter.
pub(super) struct FilteredSink {
    pub(super) filter: FilterConfig,
    pub(super) sink: Arc<dyn EventSink>,
    /// Counts the events that are left out.
    pub(super) meter: SinkMeter,
}

impl EventSink for FilteredSink {
    fn deliver(&self, event: &Arc<Event>) -> Delivered {
        self.deliver_with(event, &EventStorage::unavailable())
    }

    fn deliver_with(&self, event: &Arc<Event>, storage: &EventStorage) -> Delivered {
        let Some(key) = left_out_by(&self.filter, event) else {
            return self.sink.deliver_with(event, storage);
        };
        self.meter.record_left_out(key);
        Delivered::Now(Outcome::Acknowledged)
    }
}

/// Returns true if a filter lets every event through.
pub(super) fn accepts_all(filter: &FilterConfig) -> bool {
    *filter == FilterConfig::default()
}

/// Returns true if the filter lets the event through.
pub(super) fn accepts(filter: &FilterConfig, event: &Event) -> bool {
    left_out_by(filter, event).is_none()
}

/// Returns the key of the filter that leaves the event out; `None` if the event passes. Criteria that do not need the event's
/// data are checked first.
fn left_out_by(filter: &FilterConfig, event: &Event) -> Option<FilterKey> {
    left_out_by_name(filter, event)
        .or_else(|| left_out_by_age(filter, event))
        .or_else(|| left_out_by_channel(filter, event))
        .or_else(|| if needs_data(filter) { left_out_by_data(filter, event) } else { None })
}

fn left_out_by_name(filter: &FilterConfig, event: &Event) -> Option<FilterKey> {
    if !filter.events.is_empty() && !filter.events.contains(&*event.body.event) {
        return Some(FilterKey::Events);
    }
    (filter.skip_own && event.own).then_some(FilterKey::SkipOwn)
}

fn left_out_by_age(filter: &FilterConfig, event: &Event) -> Option<FilterKey> {
    let accepts_recovered = match filter.recovered {
        Recovered::Take => true,
        Recovered::Skip => false,
        Recovered::Last => event.last_recovered,
    };
    if event.recovered && !accepts_recovered {
        return Some(FilterKey::Recovered);
    }
    is_too_old(filter, event, SystemTime::now()).then_some(FilterKey::SkipOlderThan)
}

fn left_out_by_data(filter: &FilterConfig, event: &Event) -> Option<FilterKey> {
    let data = EventData::parse(&event.body.data).unwrap_or_default();
    let post = data.post.and_then(text);
    let post: Option<FilteredPost<'_>> = post.as_deref().and_then(|post| serde_json::from_str(post).ok());
    let kind = channel_type(event.channel.as_deref(), &data);
    if !filter.channel_types.is_empty() && kind.is_some_and(|kind| !filter.channel_types.contains(&kind)) {
        return Some(FilterKey::ChannelTypes);
    }
    // A command or button is meant for the bot.
    let is_left_out = || {
        filter.mentions_only
            && !is_hook(&event.body.event)
            && !is_mention(filter, &data, post.as_ref(), &event.user, kind)
    };
    left_out_by_author(filter, event, post.as_ref())
        .or_else(|| is_left_out().then_some(FilterKey::MentionsOnly))
}

/// Returns true if the filter has criteria that need the event's data.
fn needs_data(filter: &FilterConfig) -> bool {
    !filter.channel_types.is_empty()
        || filter.mentions_only
        || !filter.users.is_empty()
        || filter.ignore_bots
        || filter.ignore_webhooks
        || filter.ignore_system
}

/// The parts of a post that decide whether a sink takes it.
#[derive(Deserialize)]
struct FilteredPost<'a> {
    #[serde(default)]
    user_id: Option<UserId>,
    #[serde(borrow, default)]
    message: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(default)]
    props: Option<Props>,
}

/// The props of a post that decide whether a sink takes it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Props {
    from_bot: Value,
    from_webhook: Value,
    attachments: Value,
}

impl FilteredPost<'_> {
    /// Returns true if the server has marked the post.
    fn is_marked(&self, mark: impl Fn(&Props) -> &Value) -> bool {
        let mark = self.props.as_ref().map(mark);
        mark.is_some_and(|mark| mark.as_str() == Some("true") || mark.as_bool() == Some(true))
    }

    /// Returns the texts in which the server looks for mentions.
    fn texts(&self) -> impl Iterator<Item = &str> {
        let attachments = self.props.as_ref().and_then(|props| props.attachments.as_array());
        let attachments = attachments.into_iter().flatten();
        let texts = attachments.flat_map(|attachment| [&attachment["pretext"], &attachment["text"]]);
        self.message.as_deref().into_iter().chain(texts.filter_map(Value::as_str))
    }
}

/// Returns true for a post or an edit that is older than the filter allows. Other events have no time of the server.
fn is_too_old(filter: &FilterConfig, event: &Event, now: SystemTime) -> bool {
    let at = match &event.body.change {
        Some(Change::Posted(post)) => Some(post.create_at),
        Some(Change::Edited { edit_at, .. }) => Some(*edit_at),
        Some(Change::Deleted { .. } | Change::Left) | None => None,
    };
    let (Some(limit), Some(at)) = (filter.skip_older_than, at.and_then(from_unix_millis)) else {
        return false;
    };
    now.duration_since(at).is_ok_and(|age| age > limit)
}

/// Checks the event's channel and its team. An event without a channel passes.
fn left_out_by_channel(filter: &FilterConfig, event: &Event) -> Option<FilterKey> {
    let id = event.body.channel_id.as_str();
    if id.is_empty() {
        return None;
    }
    let channel = event.channel.as_deref();
    let is_wanted = |name: &str| filter.channels.contains(name);
    let in_channels = || is_wanted(id) || channel.is_some_and(|channel| is_wanted(&channel.name));
    if !filter.channels.is_empty() && !in_channels() {
        return Some(FilterKey::Channels);
    }
    let in_teams = || channel.is_none_or(|channel| accepts_team(&filter.teams, channel));
    (!filter.teams.is_empty() && !in_teams()).then_some(FilterKey::Teams)
}

/// Returns true if a team is among those of a filter. One whose name is not known passes, unless the filter has ids only:
/// leaving its events out would lose them.
fn accepts_team(teams: &BTreeSet<String>, channel: &ChannelInfo) -> bool {
    let ChannelInfo { team_id, team_name, .. } = channel;
    let is_unknown = !team_id.is_empty() && team_name.is_empty();
    teams.contains(&**team_id)
        || teams.contains(&**team_name)
        || (is_unknown && !teams.iter().all(|team| is_id(team)))
}

/// Returns true for a text in the form of a Mattermost id.
fn is_id(text: &str) -> bool {
    text.len() == ID_CHARS && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

/// Checks the event's author. An event without an author passes.
fn left_out_by_author(
    filter: &FilterConfig,
    event: &Event,
    post: Option<&FilteredPost<'_>>,
) -> Option<FilterKey> {
    let is_wanted = |name: &str| filter.users.contains(name);
    let reaction = || event.body.reaction().map(|reaction| reaction.user_id);
    if !filter.users.is_empty()
        && let Some(author) =
            post.and_then(|post| post.user_id.clone()).or_else(reaction).or_else(|| person(event))
        && !is_wanted(author.as_str())
        && !event.sender.as_deref().is_some_and(is_wanted)
    {
        return Some(FilterKey::Users);
    }
    let post = post?;
    if filter.ignore_bots && post.is_marked(|props| &props.from_bot) {
        return Some(FilterKey::IgnoreBots);
    }
    if filter.ignore_webhooks && post.is_marked(|props| &props.from_webhook) {
        return Some(FilterKey::IgnoreWebhooks);
    }
    let is_system = post.kind.as_deref().is_some_and(|kind| kind.starts_with("system_"));
    (filter.ignore_system && is_system).then_some(FilterKey::IgnoreSystem)
}

/// Returns the type of an event's channel: as the account knows the channel, or as the event says. An unknown type
/// passes every filter: leaving the event out would lose it.
fn channel_type(channel: Option<&ChannelInfo>, data: &EventData<'_>) -> Option<ChannelType> {
    let said = || data.channel_type.and_then(text);
    let kind = match channel {
        Some(channel) => ChannelKind::parse(&channel.kind),
        None => ChannelKind::parse(&said()?),
    };
    match kind {
        ChannelKind::Open => Some(ChannelType::Public),
        ChannelKind::Private => Some(ChannelType::Private),
        ChannelKind::Direct => Some(ChannelType::Direct),
        ChannelKind::Group => Some(ChannelType::Group),
        ChannelKind::Other(_) => None,
    }
}

/// Returns true for a post that mentions the user. The server lists the mentioned users only for new posts that
/// arrive live; for fetched posts and edits the text decides.
fn is_mention(
    filter: &FilterConfig,
    data: &EventData<'_>,
    post: Option<&FilteredPost<'_>>,
    user: &AccountUser,
    channel_type: Option<ChannelType>,
) -> bool {
    let Some(post) = post else { return false };
    if channel_type == Some(ChannelType::Direct) {
        return true;
    }
    let in_text = || Mentions::find(post.texts(), user);
    if let Some(ids) = data.mentions.and_then(text) {
        let ids: Vec<Cow<'_, str>> = serde_json::from_str(&ids).unwrap_or_default();
        // The server does not say by what it mentions the user.
        return ids.iter().any(|id| **id == *user.id.as_str())
            && (filter.mention_everyone || in_text() != Mentions { user: false, everyone: true });
    }
    // The server omits the member if no user is mentioned; the text has no mention then either.
    let found = in_text();
    found.user || (filter.mention_everyone && found.everyone)
}

#[cfg(test)]
mod tests;
