//! Events: encoded once, numbered for each socket when they are written.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::wire::json::to_text;

/// Whom an event is for. The emptier, the more people get it.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Broadcast {
    pub(crate) omit_users: Option<BTreeMap<String, bool>>,
    pub(crate) user_id: String,
    pub(crate) channel_id: String,
    pub(crate) team_id: String,
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
}

#[derive(Serialize)]
struct Head<'a, T> {
    event: &'a str,
    data: &'a T,
    broadcast: &'a Broadcast,
}

/// An encoded event without its sequence number, shared by all sockets that get it.
#[derive(Debug)]
pub(crate) struct Event {
    head: String,
    /// Typing and status are left out for a socket that is far behind (fact 17).
    pub(crate) droppable: bool,
}

impl Event {
    pub(crate) fn new<T: Serialize>(name: &str, data: &T, broadcast: &Broadcast) -> Arc<Self> {
        let mut head = to_text(&Head { event: name, data, broadcast });
        head.pop();
        head.push_str(",\"seq\":");
        Arc::new(Self { head, droppable: matches!(name, "typing" | "status_change") })
    }

    /// The text frame with its sequence number, ending in a newline.
    pub(crate) fn with_sequence(&self, seq: u64) -> String {
        format!("{}{seq}}}\n", self.head)
    }

    /// The text up to the sequence number.
    pub(crate) fn head(&self) -> &str {
        &self.head
    }
}
