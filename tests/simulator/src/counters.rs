//! The counters of the server, which a test reads and waits for.

use std::collections::BTreeMap;

/// A look at the server's own books.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// TCP connections that are open now.
    pub connections_open: usize,
    /// TCP connections accepted so far.
    pub connections_accepted: u64,
    /// Authenticated sockets open now, by user id. Deaf ones count.
    pub sockets_open: BTreeMap<String, usize>,
    /// Authenticated sockets so far, by user id.
    pub sockets_opened: BTreeMap<String, u64>,
    /// Requests so far by route, such as `GET /users/me`; upgrades are `GET /websocket`.
    pub requests: BTreeMap<String, u64>,
    /// Requests so far by route and user id.
    pub requests_by_user: BTreeMap<(String, String), u64>,
    /// WebSocket actions so far by name, such as `ping`.
    pub actions: BTreeMap<String, u64>,
    /// Hellos sent.
    pub hellos_sent: u64,
    /// Connections that went on where they had left.
    pub resumes: u64,
    /// Events written, replies aside, floods aside.
    pub events_sent: u64,
    /// Posts made, system posts too.
    pub posts_created: u64,
    /// Requests refused by the rate limit.
    pub rate_limited: u64,
}

impl Counters {
    /// Authenticated sockets of a user that are open now.
    pub fn open_sockets(&self, user_id: &str) -> usize {
        self.sockets_open.get(user_id).copied().unwrap_or(0)
    }

    /// All authenticated sockets that are open now.
    pub fn total_open_sockets(&self) -> usize {
        self.sockets_open.values().sum()
    }

    /// Authenticated sockets of a user so far.
    pub fn opened_sockets(&self, user_id: &str) -> u64 {
        self.sockets_opened.get(user_id).copied().unwrap_or(0)
    }

    /// Requests so far to a route.
    pub fn requests_to(&self, route: &str) -> u64 {
        self.requests.get(route).copied().unwrap_or(0)
    }

    /// Requests so far of a user to a route.
    pub fn requests_of(&self, user_id: &str, route: &str) -> u64 {
        let key = (route.to_owned(), user_id.to_owned());
        self.requests_by_user.get(&key).copied().unwrap_or(0)
    }

    pub(crate) fn socket_opened(&mut self, user: &str) {
        *self.sockets_open.entry(user.to_owned()).or_default() += 1;
        *self.sockets_opened.entry(user.to_owned()).or_default() += 1;
    }

    pub(crate) fn socket_closed(&mut self, user: &str) {
        if let Some(open) = self.sockets_open.get_mut(user) {
            *open = open.saturating_sub(1);
        }
    }

    pub(crate) fn request(&mut self, route: &str, user: Option<&str>) {
        *self.requests.entry(route.to_owned()).or_default() += 1;
        if let Some(user) = user {
            let key = (route.to_owned(), user.to_owned());
            *self.requests_by_user.entry(key).or_default() += 1;
        }
    }
}
