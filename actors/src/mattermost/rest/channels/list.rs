//! A list of channels that is read row by row.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    ops::ControlFlow,
    time::Instant,
};

use serde::Deserialize;

use super::Channel;
use crate::{
    mattermost::{
        OddRow,
        rest::{
            channel_lists::Asking,
            error::AppError,
            row_splitter::{RowKey, Rows},
        },
    },
    model::ChannelId,
};

/// The longest id; Mattermost's have 26 characters.
const LONGEST_ID: usize = 64;

/// The most odd rows that are reported of one list.
const MOST_ODD: usize = 10;

/// The channels of an account, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChannelList {
    /// The channels.
    pub channels: Vec<Channel>,
    /// Rows that cannot be used, the first ten.
    pub odd: Vec<OddRow>,
    /// The limit, if there are more channels than that.
    pub cut_at: Option<usize>,
    /// The server's clock when it answered, in milliseconds, if it shows it.
    pub date: Option<i64>,
    /// The time at which it was requested, after any wait for another account.
    pub asked_at: Option<Instant>,
    /// The ids of the teams by which it was listed; none from a server that lists all channels at once.
    pub teams: Vec<Box<str>>,
}

/// The rows of one or several lists of channels.
pub(in crate::mattermost::rest) struct ChannelRows<'a> {
    /// The question that is answered as soon as the rows begin: a long list may take seconds.
    asking: Option<Asking<'a>>,
    channels: BTreeMap<ChannelId, Channel>,
    odd: Vec<OddRow>,
    error: Option<AppError>,
    max_channels: usize,
    is_cut: bool,
    date: Option<i64>,
}

impl<'a> ChannelRows<'a> {
    pub(in crate::mattermost::rest) fn new(max_channels: usize) -> Self {
        Self {
            asking: None,
            channels: BTreeMap::new(),
            odd: Vec::new(),
            error: None,
            max_channels,
            is_cut: false,
            date: None,
        }
    }

    /// Creates rows whose beginning answers a question.
    pub(in crate::mattermost::rest) fn answering(asking: Asking<'a>, max_channels: usize) -> Self {
        Self { asking: Some(asking), ..Self::new(max_channels) }
    }

    /// Takes the question, if it is not answered yet.
    pub(super) fn take_asking(&mut self) -> Option<Asking<'a>> {
        self.asking.take()
    }

    /// Takes the error that a newer server wrote into a list after it had sent the status 200. The server writes `[`
    /// before its query, so an account without channels gets `[` and the error of fact 26.
    pub(in crate::mattermost::rest) fn take_error(&mut self) -> Option<AppError> {
        self.error.take()
    }

    /// Records the date of a response; the earliest counts.
    pub(super) fn set_date(&mut self, date: Option<i64>) {
        self.date = self.date.into_iter().chain(date).min();
    }

    pub(in crate::mattermost::rest) fn finish(self) -> ChannelList {
        ChannelList {
            channels: self.channels.into_values().collect(),
            odd: self.odd,
            cut_at: self.is_cut.then_some(self.max_channels),
            date: self.date,
            asked_at: None,
            teams: Vec::new(),
        }
    }

    /// Adds a channel. One that is listed twice, as a direct channel is in every team's list, counts once, with the latest
    /// `last_post_at`.
    fn add(&mut self, channel: Channel) -> ControlFlow<()> {
        let is_full = self.channels.len() >= self.max_channels;
        match self.channels.entry(channel.id.clone()) {
            Entry::Occupied(mut entry) => {
                let last_post_at = &mut entry.get_mut().last_post_at;
                *last_post_at = channel.last_post_at.max(*last_post_at);
            }
            Entry::Vacant(_) if is_full => {
                self.is_cut = true;
                return ControlFlow::Break(());
            }
            Entry::Vacant(entry) => drop(entry.insert(channel)),
        }
        ControlFlow::Continue(())
    }

    fn add_odd(&mut self, id: &str, cause: &str) {
        if self.odd.len() < MOST_ODD {
            self.odd.push(OddRow::new(id, cause));
        }
    }
}

impl Rows for ChannelRows<'_> {
    fn begin(&mut self) {
        self.take_asking().into_iter().for_each(Asking::found);
    }

    fn wants(&mut self, _: &RowKey) -> bool {
        true
    }

    fn take(&mut self, _: &RowKey, json: &[u8]) -> ControlFlow<()> {
        match serde_json::from_slice::<Channel>(json) {
            Ok(channel) if is_id(channel.id.as_str()) => return self.add(channel),
            Ok(channel) => self.add_odd(channel.id.as_str(), "its id is not an id"),
            Err(error) => match serde_json::from_slice::<AppError>(json) {
                Ok(app) if app.status_code >= 300 => {
                    self.error = Some(app);
                    return ControlFlow::Break(());
                }
                _ => self.add_odd(&id_of(json), &error.to_string()),
            },
        }
        ControlFlow::Continue(())
    }

    fn take_too_long(&mut self, _: &RowKey) {
        self.add_odd("", "it is longer than max_body_bytes");
    }
}

/// True if a text can be a channel's id.
fn is_id(id: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !id.is_empty() && id.len() <= LONGEST_ID && id.bytes().all(is_word)
}

/// Returns the id of a row that is not a channel, if it has one.
fn id_of(json: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Row {
        id: String,
    }
    serde_json::from_slice::<Row>(json).map(|row| row.id).unwrap_or_default()
}
