//! Events: encoded once, numbered for each socket when they are written.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::ServerVersion;
use crate::wire::json::to_text;

/// The receivers of an event. The emptier it is, the more users get it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Broadcast {
    pub(crate) omit_users: Option<BTreeMap<String, bool>>,
    pub(crate) user_id: String,
    pub(crate) channel_id: String,
    pub(crate) team_id: String,
    /// Private fields are left out of the data; 11.1 says so (fact 37).
    pub(crate) is_sanitized: bool,
}

impl Broadcast {
    /// For every connected user.
    pub(crate) fn everyone() -> Self {
        Self::default()
    }

    /// For one user's sockets.
    pub(crate) fn user(id: &str) -> Self {
        Self { user_id: id.to_owned(), ..Self::default() }
    }

    /// For the members of a channel.
    pub(crate) fn channel(id: &str) -> Self {
        Self { channel_id: id.to_owned(), ..Self::default() }
    }

    /// For the members of a team.
    pub(crate) fn team(id: &str) -> Self {
        Self { team_id: id.to_owned(), ..Self::default() }
    }

    /// Leaves one user out.
    pub(crate) fn without(self, user: &str) -> Self {
        Self { omit_users: Some(BTreeMap::from([(user.to_owned(), true)])), ..self }
    }
}

/// A broadcast in the form of a version: 11.1 adds fields (fact 41).
#[derive(Serialize)]
struct WireBroadcast<'a> {
    omit_users: &'a Option<BTreeMap<String, bool>>,
    user_id: &'a str,
    channel_id: &'a str,
    team_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    omit_connection_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contains_sanitized_data: Option<bool>,
}

impl<'a> WireBroadcast<'a> {
    fn new(version: ServerVersion, broadcast: &'a Broadcast) -> Self {
        let added = version.is_current().then_some("");
        Self {
            omit_users: &broadcast.omit_users,
            user_id: &broadcast.user_id,
            channel_id: &broadcast.channel_id,
            team_id: &broadcast.team_id,
            connection_id: added,
            omit_connection_id: added,
            contains_sanitized_data: (version.is_current() && broadcast.is_sanitized).then_some(true),
        }
    }
}

#[derive(Serialize)]
struct Head<'a, T> {
    event: &'a str,
    data: &'a T,
    broadcast: WireBroadcast<'a>,
}

/// An encoded event without its sequence number, shared by all sockets that get it.
#[derive(Debug)]
pub(crate) struct Event {
    head: String,
    tail: &'static str,
    /// Typing and status are left out for a socket that is far behind (fact 17).
    pub(crate) droppable: bool,
}

impl Event {
    /// An event as the version sends it to many: 11.1 puts white space between the parts and no newline at the end (fact 41).
    pub(crate) fn new<T: Serialize>(
        version: ServerVersion,
        name: &str,
        data: &T,
        broadcast: &Broadcast,
    ) -> Arc<Self> {
        if !version.is_current() {
            return Self::compact(version, name, data, broadcast);
        }
        let (data, broadcast) = (to_text(data), to_text(&WireBroadcast::new(version, broadcast)));
        let head = format!(r#"{{"event": "{name}", "data": {data}, "broadcast": {broadcast}, "seq": "#);
        Arc::new(Self { head, tail: "}", droppable: is_droppable(name) })
    }

    /// An event that is encoded for one user: without white space, with a newline, on both versions.
    pub(crate) fn compact<T: Serialize>(
        version: ServerVersion,
        name: &str,
        data: &T,
        broadcast: &Broadcast,
    ) -> Arc<Self> {
        let broadcast = WireBroadcast::new(version, broadcast);
        let mut head = to_text(&Head { event: name, data, broadcast });
        head.pop();
        head.push_str(",\"seq\":");
        Arc::new(Self { head, tail: "}\n", droppable: is_droppable(name) })
    }

    /// The text frame with its sequence number.
    pub(crate) fn with_sequence(&self, seq: u64) -> String {
        format!("{}{seq}{}", self.head, self.tail)
    }

    /// The text up to the sequence number.
    pub(crate) fn head(&self) -> &str {
        &self.head
    }

    /// The text after the sequence number.
    pub(crate) fn tail(&self) -> &'static str {
        self.tail
    }
}

fn is_droppable(name: &str) -> bool {
    matches!(name, "typing" | "status_change")
}
