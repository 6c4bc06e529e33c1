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
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the configuration")]
pub struct FilterConfig {
    /// Event names, such as `posted`; empty for all.
    pub events: BTreeSet<String>,
    /// Channel types; empty for all. An event without a channel type passes.
    pub channel_types: BTreeSet<ChannelType>,
    /// The names or ids of channels; empty for all. An event without a channel passes.
    pub channels: BTreeSet<String>,
    /// The names or ids of teams; empty for all. An event without a channel passes, one of a direct or group channel does not.
    pub teams: BTreeSet<String>,
    /// The names or ids of users; empty for all. An event without an author passes.
    pub users: BTreeSet<String>,
    /// True if posts by bots are left out.
    pub ignore_bots: bool,
    /// True if posts by webhooks are left out.
    pub ignore_webhooks: bool,
    /// True if posts by the server are left out.
    pub ignore_system: bool,
    /// True if only events that mention the bot pass.
    pub mentions_only: bool,
    /// True if a name that addresses everyone in a channel, such as `@here`, mentions the bot.
    pub mention_everyone: bool,
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
    /// They are left out, except for the last post of each channel.
    Last,
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

impl Default for FilterConfig {
    fn default() -> Self {
        Self {
            events: BTreeSet::new(),
            channel_types: BTreeSet::new(),
            channels: BTreeSet::new(),
            teams: BTreeSet::new(),
            users: BTreeSet::new(),
            ignore_bots: false,
            ignore_webhooks: false,
            ignore_system: false,
            mentions_only: false,
            // The server notifies of it, too.
            mention_everyone: true,
            skip_own: false,
            recovered: Recovered::default(),
            skip_older_than: None,
        }
    }
}

pub(super) fn read(section: &mut TableReader<'_>) -> Option<FilterConfig> {
    let events = section.read("events", StringList::default()).0;
    let types = section.read("channel_types", StringList::default()).0;
    let mentions_only = section.read("mentions_only", false);
    let mention_everyone = section.read("mention_everyone", true);
    let channels = section.read("channels", StringList::default()).0.into_iter().collect();
    let teams = section.read("teams", StringList::default()).0.into_iter().collect();
    let users = section.read("users", StringList::default()).0;
    let users = users.iter().map(|name| name.trim_start_matches('@').to_owned()).collect();
    let [ignore_bots, ignore_webhooks, ignore_system] =
        ["ignore_bots", "ignore_webhooks", "ignore_system"].map(|key| section.read(key, false));
    let skip_own = section.read("skip_own", false);
    let (events, types) = (event_names(section, events), channel_types(section, &types));
    let recovered = section.read("recovered", Recovered::default());
    let skip_older_than = section.optional_within("skip_older_than", SHORTEST_AGE..=LONGEST_AGE);
    Some(FilterConfig {
        events: events?,
        channel_types: types?,
        channels,
        teams,
        users,
        ignore_bots,
        ignore_webhooks,
        ignore_system,
        mentions_only,
        mention_everyone,
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
    const KIND: &'static str = "take, skip or last";
    const HINT: &'static str = "write take, skip or last";

    fn read(value: &ValueKind) -> Option<Self> {
        match String::read(value)?.as_str() {
            "take" => Some(Self::Take),
            "skip" => Some(Self::Skip),
            "last" => Some(Self::Last),
            _ => None,
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Take => "take".into(),
            Self::Skip => "skip".into(),
            Self::Last => "last".into(),
        }
    }
}
