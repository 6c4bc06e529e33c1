//! Filters: which events a sink takes. Events that a filter leaves out count as acknowledged.

use std::{borrow::Cow, sync::Arc, time::SystemTime};

use matterhost_actors::{
    mattermost::ChannelKind,
    model::{AccountUser, Change, Event},
    ports::{Delivered, EventSink, Outcome},
};
use serde::Deserialize;

use super::event_data::{EventData, text};
use crate::{
    config::{ChannelType, FilterConfig, Recovered},
    telemetry::time::from_unix_millis,
};

/// Names that address everyone in a channel.
const EVERYONE: [&str; 3] = ["all", "channel", "here"];

/// A sink behind a filter.
pub(super) struct FilteredSink {
    pub(super) filter: FilterConfig,
    pub(super) sink: Arc<dyn EventSink>,
}

impl EventSink for FilteredSink {
    fn deliver(&self, event: &Arc<Event>) -> Delivered {
        if accepts(&self.filter, event) {
            self.sink.deliver(event)
        } else {
            Delivered::Now(Outcome::Acknowledged)
        }
    }
}

/// Returns true if a filter lets every event through.
pub(super) fn accepts_all(filter: &FilterConfig) -> bool {
    *filter == FilterConfig::default()
}

/// Returns true if the filter lets the event through. Criteria that do not need the event's data are checked first.
fn accepts(filter: &FilterConfig, event: &Event) -> bool {
    let name_matches = filter.events.is_empty() || filter.events.contains(&*event.body.event);
    if !name_matches || (filter.skip_own && event.own) {
        return false;
    }
    if (event.recovered && filter.recovered == Recovered::Skip)
        || is_too_old(filter, event, SystemTime::now())
    {
        return false;
    }
    if filter.channel_types.is_empty() && !filter.mentions_only {
        return true;
    }
    let data = EventData::parse(&event.body.data).unwrap_or_default();
    let channel_type = data.channel_type.and_then(text).and_then(|letter| channel_type(&letter));
    accepts_channel(filter, channel_type)
        && (!filter.mentions_only || is_mention(&data, &event.user, channel_type))
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

/// Returns true if the filter lets the channel's type through. An unknown type passes: leaving the event out would
/// lose it.
fn accepts_channel(filter: &FilterConfig, channel_type: Option<ChannelType>) -> bool {
    filter.channel_types.is_empty() || channel_type.is_none_or(|kind| filter.channel_types.contains(&kind))
}

/// Returns the type of a channel from the server's spelling.
fn channel_type(letter: &str) -> Option<ChannelType> {
    match ChannelKind::parse(letter) {
        ChannelKind::Open => Some(ChannelType::Public),
        ChannelKind::Private => Some(ChannelType::Private),
        ChannelKind::Direct => Some(ChannelType::Direct),
        ChannelKind::Group => Some(ChannelType::Group),
        ChannelKind::Other(_) => None,
    }
}

/// Returns true for a post that mentions the user. The server lists the mentioned users only for new posts that
/// arrive live; for fetched posts and edits the text decides.
fn is_mention(data: &EventData<'_>, user: &AccountUser, channel_type: Option<ChannelType>) -> bool {
    let Some(post) = data.post.and_then(text) else { return false };
    if channel_type == Some(ChannelType::Direct) {
        return true;
    }
    match data.mentions.and_then(text) {
        Some(ids) => {
            let ids: Vec<Cow<'_, str>> = serde_json::from_str(&ids).unwrap_or_default();
            ids.iter().any(|id| **id == *user.id.as_str())
        }
        // The server omits the member if no user is mentioned; the text has no mention then either.
        None => mentions_in_text(&post, &user.name),
    }
}

/// Returns true if a post's text contains `@` and the name, or `@` and a name that addresses everyone.
fn mentions_in_text(post: &str, name: &str) -> bool {
    #[derive(Deserialize)]
    struct Post<'a> {
        #[serde(borrow, default)]
        message: Cow<'a, str>,
    }
    let Ok(Post { message }) = serde_json::from_str(post) else { return false };
    let in_name = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    let is_mention = |word: &str| {
        let end = word.find(|c| !in_name(c)).unwrap_or(word.len());
        let word = &word[..end];
        // A full stop may end the name or the sentence.
        [word, word.trim_end_matches(['.', '-', '_'])].iter().any(|word| {
            !word.is_empty()
                && (word.eq_ignore_ascii_case(name)
                    || EVERYONE.iter().any(|everyone| word.eq_ignore_ascii_case(everyone)))
        })
    };
    message.match_indices('@').any(|(at, _)| {
        let before = message[..at].chars().next_back();
        // In an email address a name precedes the `@`.
        !before.is_some_and(in_name) && is_mention(&message[at + 1..])
    })
}

#[cfg(test)]
mod tests;
