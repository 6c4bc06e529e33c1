//! Which events a sink takes. What it leaves out counts as acknowledged.

use std::{borrow::Cow, sync::Arc};

use matterhost_actors::{
    mattermost::ChannelKind,
    model::{AccountUser, Event},
    ports::{Delivered, EventSink, Outcome},
};
use serde::Deserialize;

use crate::config::{ChannelType, FilterConfig};

/// Names that mean everybody in a channel.
const EVERYBODY: [&str; 3] = ["all", "channel", "here"];

/// A sink with a filter before it.
pub(super) struct FilteredSink {
    pub(super) filter: FilterConfig,
    pub(super) sink: Arc<dyn EventSink>,
}

/// What of an event's data a filter looks at.
#[derive(Default, Deserialize)]
struct Data<'a> {
    #[serde(borrow, default)]
    channel_type: Option<Cow<'a, str>>,
    /// A list of user ids, as JSON inside a string (fact 13).
    #[serde(borrow, default)]
    mentions: Option<Cow<'a, str>>,
    /// A post, as JSON inside a string (fact 13).
    #[serde(borrow, default)]
    post: Option<Cow<'a, str>>,
}

impl EventSink for FilteredSink {
    fn deliver(&self, event: &Arc<Event>) -> Delivered {
        if takes(&self.filter, event) {
            self.sink.deliver(event)
        } else {
            Delivered::Now(Outcome::Acknowledged)
        }
    }
}

/// Whether a filter leaves nothing out.
pub(super) fn accepts_all(filter: &FilterConfig) -> bool {
    *filter == FilterConfig::default()
}

/// Whether the filter lets the event through. What can be said without reading its data is asked first.
fn takes(filter: &FilterConfig, event: &Event) -> bool {
    let named = filter.events.is_empty() || filter.events.contains(&*event.body.event);
    if !named || (filter.skip_own && event.own) {
        return false;
    }
    if filter.channel_types.is_empty() && !filter.mentions_only {
        return true;
    }
    let data: Data<'_> = serde_json::from_str(&event.body.data).unwrap_or_default();
    let kind = data.channel_type.as_deref().and_then(channel_type);
    in_channel(filter, kind) && (!filter.mentions_only || data.mentions(&event.user, kind))
}

/// What does not tell the kind of its channel is taken: to leave it out would be to lose it.
fn in_channel(filter: &FilterConfig, kind: Option<ChannelType>) -> bool {
    filter.channel_types.is_empty() || kind.is_none_or(|kind| filter.channel_types.contains(&kind))
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

impl Data<'_> {
    /// Whether it is a post that mentions the user. The server tells whom a new post mentions only while it is live:
    /// of one that was fetched, and of an edit, the text is read.
    fn mentions(&self, user: &AccountUser, kind: Option<ChannelType>) -> bool {
        let Some(post) = &self.post else { return false };
        if kind == Some(ChannelType::Direct) {
            return true;
        }
        match &self.mentions {
            Some(ids) => {
                let ids: Vec<Cow<'_, str>> = serde_json::from_str(ids).unwrap_or_default();
                ids.iter().any(|id| **id == *user.id.as_str())
            }
            // The server leaves the member out where nobody is mentioned; then the text has nobody either.
            None => text_mentions(post, &user.name),
        }
    }
}

/// Whether a post's text has the name behind an `@`, or one that means everybody.
fn text_mentions(post: &str, name: &str) -> bool {
    #[derive(Deserialize)]
    struct Post<'a> {
        #[serde(borrow, default)]
        message: Cow<'a, str>,
    }
    let Ok(Post { message }) = serde_json::from_str(post) else { return false };
    let in_name = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    let is_meant = |word: &str| {
        let end = word.find(|c| !in_name(c)).unwrap_or(word.len());
        let word = &word[..end];
        // A full stop may end the name or the sentence.
        [word, word.trim_end_matches(['.', '-', '_'])].iter().any(|word| {
            !word.is_empty()
                && (word.eq_ignore_ascii_case(name)
                    || EVERYBODY.iter().any(|all| word.eq_ignore_ascii_case(all)))
        })
    };
    message.match_indices('@').any(|(at, _)| {
        let before = message[..at].chars().next_back();
        // That of an address of mail has a name before it.
        !before.is_some_and(in_name) && is_meant(&message[at + 1..])
    })
}

#[cfg(test)]
mod tests;
