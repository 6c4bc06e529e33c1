//! Which events a sink takes. What it leaves out counts as acknowledged.

use std::{borrow::Cow, sync::Arc};

use matterhost_actors::{
    model::Event,
    ports::{Delivered, EventSink, Outcome},
};
use serde::Deserialize;

use crate::config::{ChannelType, FilterConfig};

/// A sink with a filter before it.
pub(super) struct Filtered {
    pub(super) filter: FilterConfig,
    pub(super) sink: Arc<dyn EventSink>,
}

/// What of an event's data a filter looks at.
#[derive(Default, Deserialize)]
struct Data<'a> {
    #[serde(borrow, default)]
    channel_type: Option<Cow<'a, str>>,
}

impl EventSink for Filtered {
    fn deliver(&self, event: &Arc<Event>) -> Delivered {
        if takes(&self.filter, event) {
            self.sink.deliver(event)
        } else {
            Delivered::Now(Outcome::Acknowledged)
        }
    }
}

/// Whether a filter leaves nothing out.
pub(super) fn takes_all(filter: &FilterConfig) -> bool {
    *filter == FilterConfig::default()
}

/// Whether the filter lets the event through.
fn takes(filter: &FilterConfig, event: &Event) -> bool {
    let body = &event.body;
    (filter.events.is_empty() || filter.events.contains(&*body.event)) && in_channel(filter, &body.data)
}

/// What does not tell the kind of its channel is taken: to leave it out would be to lose it.
fn in_channel(filter: &FilterConfig, data: &str) -> bool {
    if filter.channel_types.is_empty() {
        return true;
    }
    let data: Data<'_> = serde_json::from_str(data).unwrap_or_default();
    let kind = data.channel_type.as_deref().and_then(channel_type);
    kind.is_none_or(|kind| filter.channel_types.contains(&kind))
}

/// A kind of channel as the server spells it.
fn channel_type(letter: &str) -> Option<ChannelType> {
    match letter {
        "O" => Some(ChannelType::Public),
        "P" => Some(ChannelType::Private),
        "D" => Some(ChannelType::Direct),
        "G" => Some(ChannelType::Group),
        _ => None,
    }
}
