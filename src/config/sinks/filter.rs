//! Which events a sink takes.

use std::collections::BTreeSet;

use crate::config::{
    problem::{did_you_mean, shown},
    table::TableReader,
    value::StringList,
};

/// Which events a sink takes: those for which all of it holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FilterConfig {
    /// The names of events, such as `posted`; empty for all.
    pub events: BTreeSet<String>,
    /// The kinds of channel; empty for all. An event that does not tell the kind of its channel is taken.
    pub channel_types: BTreeSet<ChannelType>,
    /// Only what mentions the bot.
    pub mentions_only: bool,
    /// Not what the bot itself did.
    pub skip_own: bool,
}

/// A kind of channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChannelType {
    /// Open to all of the team.
    Public,
    /// By invitation.
    Private,
    /// Between two.
    Direct,
    /// Between a few.
    Group,
}

const CHANNEL_TYPES: [(&str, ChannelType); 4] = [
    ("public", ChannelType::Public),
    ("private", ChannelType::Private),
    ("direct", ChannelType::Direct),
    ("group", ChannelType::Group),
];

pub(super) fn read(section: &mut TableReader<'_>) -> Option<FilterConfig> {
    let events = section.read("events", StringList::default()).0;
    let types = section.read("channel_types", StringList::default()).0;
    let mentions_only = section.read("mentions_only", false);
    let skip_own = section.read("skip_own", false);
    let (events, types) = (event_names(section, events), channel_types(section, &types));
    Some(FilterConfig { events: events?, channel_types: types?, mentions_only, skip_own })
}

/// A server may have events that nobody here knows yet, but their names have one form.
fn event_names(section: &mut TableReader<'_>, names: Vec<String>) -> Option<BTreeSet<String>> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let fits = |name: &String| !name.is_empty() && name.bytes().all(fits);
    let Some(wrong) = names.iter().find(|name| !fits(name)) else { return Some(names.into_iter().collect()) };
    let what = format!("{} is no name of an event", shown(wrong));
    section.refuse("events", what, "write names as the server has them, such as posted or post_edited");
    None
}

fn channel_types(section: &mut TableReader<'_>, names: &[String]) -> Option<BTreeSet<ChannelType>> {
    let mut types = BTreeSet::new();
    for name in names {
        let Some((_, kind)) = CHANNEL_TYPES.iter().find(|(known, _)| known == name) else {
            let meant = did_you_mean(name, CHANNEL_TYPES.iter().map(|(known, _)| *known));
            let remedy = meant.map_or("write public, private, direct or group".to_owned(), |meant| {
                format!("did you mean {meant}?")
            });
            section.refuse("channel_types", format!("{} is no kind of channel", shown(name)), remedy);
            return None;
        };
        types.insert(*kind);
    }
    Some(types)
}
