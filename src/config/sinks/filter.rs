use std::{collections::BTreeSet, time::Duration};

use config::ValueKind;

use crate::config::{
    key_reader::TableReader,
    problem::{did_you_mean, display_value},
    value::{ConfigValue, StringList},
};

/// Posts cannot be handled sooner than they are delivered.
const SHORTEST_AGE: Duration = Duration::from_secs(1);
/// Practically never.
const LONGEST_AGE: Duration = Duration::from_secs(365 * 24 * 3600);

/// The filter of a sink. An event passes if it meets every condition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FilterConfig {
    /// Event names, such as `posted`; empty for all.
    pub events: BTreeSet<String>,
    /// Channel types; empty for all. An event without a channel type passes.
    pub channel_types: BTreeSet<ChannelType>,
    /// True if only events that mention the bot pass.
    pub mentions_only: bool,
    /// True if the bot's own events are left out.
    pub skip_own: bool,
    /// The treatment of events that were missed and fetched later.
    pub recovered: Recovered,
    /// The age above which posts and edits are left out.
    pub skip_older_than: Option<Duration>,
}

/// The treatment of events that were missed and fetched later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Recovered {
    /// They pass.
    #[default]
    Take,
    /// They are left out.
    Skip,
}

/// The type of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChannelType {
    /// Open to the whole team.
    Public,
    /// By invitation.
    Private,
    /// Between two users.
    Direct,
    /// Between a few users.
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
    let recovered = section.read("recovered", Recovered::default());
    let skip_older_than = section.optional_within("skip_older_than", SHORTEST_AGE..=LONGEST_AGE);
    Some(FilterConfig {
        events: events?,
        channel_types: types?,
        mentions_only,
        skip_own,
        recovered,
        skip_older_than,
    })
}

/// Checks the form of event names. Unknown ones are valid, because a server may have new events.
fn event_names(section: &mut TableReader<'_>, names: Vec<String>) -> Option<BTreeSet<String>> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let fits = |name: &String| !name.is_empty() && name.bytes().all(fits);
    let Some(wrong) = names.iter().find(|name| !fits(name)) else { return Some(names.into_iter().collect()) };
    let message = format!("{} is not an event name", display_value(wrong));
    section.refuse("events", message, "use the server's names, such as posted or post_edited");
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
            section.refuse("channel_types", format!("{} is not a channel type", display_value(name)), remedy);
            return None;
        };
        types.insert(*kind);
    }
    Some(types)
}

impl ConfigValue for Recovered {
    const KIND: &'static str = "take or skip";
    const HINT: &'static str = "write take or skip";

    fn read(value: &ValueKind) -> Option<Self> {
        match String::read(value)?.as_str() {
            "take" => Some(Self::Take),
            "skip" => Some(Self::Skip),
            _ => None,
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Take => "take".into(),
            Self::Skip => "skip".into(),
        }
    }
}
