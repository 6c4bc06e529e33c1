//! A socket comes: authenticated, resumed or not. A socket goes.

use std::sync::Arc;

use serde_json::{Map, json};
use tokio::sync::Notify;

use crate::fault::{FaultSubject, HelloFault};
use crate::hub::connection::{Connection, Outgoing, SessionState};
use crate::state::State;
use crate::wire::event::{Broadcast, Event};
use crate::world::ids::{is_id, new_id};

/// The resume that a client asks for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Resume {
    pub(crate) connection_id: String,
    pub(crate) sequence_number: Option<u64>,
}

/// How a socket begins.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Registration {
    /// Registered under a user.
    Registered,
    /// No valid token: it has until the deadline to send one (fact 1).
    Unauthenticated,
    /// Dropped at once: a malformed connection id, or a script says so.
    Dropped,
}

impl State {
    /// A new socket on a TCP connection, with the token and the resume that its upgrade named.
    pub(crate) fn register_socket(
        &mut self,
        key: u64,
        wake: Arc<Notify>,
        token: Option<&str>,
        resume: Option<&Resume>,
    ) -> Registration {
        self.hub.connections.insert(key, Connection::new(wake));
        match token {
            Some(token) => self.authenticate_socket(key, token, resume),
            None => Registration::Unauthenticated,
        }
    }

    /// Registers a waiting socket under its token's user.
    pub(crate) fn authenticate_socket(
        &mut self,
        key: u64,
        token: &str,
        resume: Option<&Resume>,
    ) -> Registration {
        let Some(user) = self.world.authenticate(token).map(ToOwned::to_owned) else {
            return Registration::Unauthenticated;
        };
        let malformed = |r: &Resume| !is_id(&r.connection_id) || r.sequence_number.is_none();
        if resume.is_some_and(malformed) {
            return Registration::Dropped;
        }
        let hello = self.faults.trigger_hello(&FaultSubject::user(&user));
        if hello == Some(HelloFault::Dropped) {
            return Registration::Dropped;
        }
        self.hub.reap(self.options.timings.connection_retention);
        self.enter(key, &user, token);
        self.greet(key, &user, resume, hello.is_some());
        self.set_online(&user);
        if let Some(tcp) = self.tcp.get_mut(&key) {
            tcp.user = Some(user.clone());
        }
        self.counters.socket_opened(&user);
        Registration::Registered
    }

    fn enter(&mut self, key: u64, user: &str, token: &str) {
        if let Some(connection) = self.hub.connections.get_mut(&key) {
            connection.user = Some(user.to_owned());
            token.clone_into(&mut connection.token);
            connection.session = SessionState::Fresh;
        }
        self.hub.by_user.entry(user.to_owned()).or_default().push(key);
    }

    /// Says hello, or goes on where a left connection ended.
    fn greet(&mut self, key: u64, user: &str, resume: Option<&Resume>, withhold_hello: bool) {
        let left = resume.and_then(|r| self.left_connection(user, r).map(|left| (r, left)));
        let id = left.as_ref().map_or_else(|| new_id(&mut self.random), |(_, l)| l.id.clone());
        if let Some(connection) = self.hub.connections.get_mut(&key) {
            connection.id = id;
            connection.withhold_hello = withhold_hello;
        }
        match left {
            Some((resume, left)) => {
                let wanted = resume.sequence_number.unwrap_or_default();
                if self.take_over(key, left, wanted) {
                    self.counters.resumes += 1;
                } else {
                    self.lose_and_greet(key, user);
                }
            }
            None => self.enqueue_hello(key, user),
        }
    }

    /// Only a left connection of the same user can be resumed; a half-open one counts as live (fact 10).
    fn left_connection(&mut self, user: &str, resume: &Resume) -> Option<Connection> {
        let keys = self.hub.keys_of(user);
        let found = keys.into_iter().find(|key| {
            self.hub.connections.get(key).is_some_and(|c| !c.is_live() && c.id == resume.connection_id)
        })?;
        let mut left = self.hub.connections.remove(&found)?;
        if let Some(keys) = self.hub.by_user.get_mut(user) {
            keys.retain(|key| *key != found);
        }
        left.wake = None;
        Some(left)
    }

    /// Takes a left connection's queues. False when the wanted event was never sent or is gone.
    fn take_over(&mut self, key: u64, left: Connection, wanted: u64) -> bool {
        let Some(connection) = self.hub.connections.get_mut(&key) else {
            return false;
        };
        connection.queue = left.queue;
        connection.copies = left.copies;
        let in_dead_queue = left.dead.iter().any(|(seq, _)| *seq == wanted);
        let last_sent = left.dead.back().map(|(seq, _)| *seq);
        let nothing_lost = last_sent.is_none_or(|seq| seq + 1 == wanted);
        if !in_dead_queue && !nothing_lost {
            return false;
        }
        connection.replay =
            left.dead.iter().filter(|(seq, _)| *seq >= wanted && in_dead_queue).cloned().collect();
        connection.next_seq = last_sent.map_or(wanted, |seq| seq + 1);
        connection.dead = left.dead;
        true
    }

    /// The odd case of fact 10: a new id, hello, and what had been queued. On 5.37 hello comes again and from then on each
    /// event twice; 11.1 is well (fact 42).
    fn lose_and_greet(&mut self, key: u64, user: &str) {
        let id = new_id(&mut self.random);
        let Some(connection) = self.hub.connections.get_mut(&key) else {
            return;
        };
        connection.id = id;
        let queued = std::mem::take(&mut connection.queue);
        self.enqueue_hello(key, user);
        for outgoing in queued {
            self.hub.enqueue(key, &outgoing);
        }
        if self.options.version.is_current() {
            return;
        }
        self.enqueue_hello(key, user);
        if let Some(connection) = self.hub.connections.get_mut(&key) {
            connection.copies = 2;
        }
    }

    fn enqueue_hello(&mut self, key: u64, user: &str) {
        let Some(connection) = self.hub.connections.get(&key) else {
            return;
        };
        if connection.withhold_hello {
            return;
        }
        let mut data = Map::new();
        data.insert("connection_id".to_owned(), json!(connection.id));
        if self.options.version.is_current() {
            data.insert("server_hostname".to_owned(), json!("vm"));
        }
        data.insert("server_version".to_owned(), json!(self.version_line()));
        let event = Event::compact(self.options.version, "hello", &data, &Broadcast::user(user));
        self.hub.enqueue(key, &Outgoing::Event(event));
        self.counters.hellos_sent += 1;
    }

    /// The version as hello and the `X-Version-Id` header give it.
    pub(crate) fn version_line(&self) -> String {
        format!("{}.{}", self.options.version_name(), self.options.version.build())
    }

    /// A socket is gone; its connection stays for a resume.
    pub(crate) fn unregister_socket(&mut self, key: u64, user: Option<&str>) {
        self.hub.detach(key);
        let Some(user) = user else { return };
        self.counters.socket_closed(user);
        if self.hub.open_sockets(user) == 0 {
            self.set_offline(user);
        }
    }
}
