//! The hub: which connections there are, what waits for each, and who gets an event.

pub(crate) mod connection;
pub(crate) mod dequeue;
pub(crate) mod flood;
pub(crate) mod publish;
pub(crate) mod register;

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use crate::hub::connection::{Connection, Outgoing};

/// All connections: live ones, and left ones that may be resumed.
#[derive(Debug)]
pub(crate) struct Hub {
    pub(crate) connections: HashMap<u64, Connection>,
    pub(crate) by_user: HashMap<String, Vec<u64>>,
    /// Left connections, the longest gone first.
    away: VecDeque<(Instant, u64)>,
    pub(crate) dead_queue: usize,
    pub(crate) send_queue: usize,
}

impl Hub {
    pub(crate) fn new(dead_queue: usize, send_queue: usize) -> Self {
        Self {
            connections: HashMap::new(),
            by_user: HashMap::new(),
            away: VecDeque::new(),
            dead_queue,
            send_queue,
        }
    }

    /// Makes a user's sockets look their session up anew at the next event (fact 3).
    pub(crate) fn invalidate(&mut self, user_id: &str) {
        for key in self.keys_of(user_id) {
            if let Some(connection) = self.connections.get_mut(&key) {
                connection.session.invalidate();
            }
        }
    }

    pub(crate) fn keys_of(&self, user_id: &str) -> Vec<u64> {
        self.by_user.get(user_id).cloned().unwrap_or_default()
    }

    /// Live sockets of a user.
    pub(crate) fn open_sockets(&self, user_id: &str) -> usize {
        let live = |key: &&u64| self.connections.get(key).is_some_and(Connection::is_live);
        self.by_user.get(user_id).map_or(0, |keys| keys.iter().filter(live).count())
    }

    /// Returns true while the socket's connection is there; the hub forgets one whose queue is full.
    pub(crate) fn contains(&self, key: u64) -> bool {
        self.connections.contains_key(&key)
    }

    pub(crate) fn remove(&mut self, key: u64) {
        let Some(connection) = self.connections.remove(&key) else {
            return;
        };
        if let Some(user) = connection.user
            && let Some(keys) = self.by_user.get_mut(&user)
        {
            keys.retain(|k| *k != key);
            if keys.is_empty() {
                self.by_user.remove(&user);
            }
        }
        if let Some(wake) = connection.wake {
            wake.notify_one();
        }
    }

    /// Puts something for one socket into its queue.
    pub(crate) fn enqueue(&mut self, key: u64, outgoing: &Outgoing) {
        let limit = self.send_queue;
        let Some(connection) = self.connections.get_mut(&key) else {
            return;
        };
        if connection.enqueue(outgoing, limit) {
            if let Some(wake) = &connection.wake {
                wake.notify_one();
            }
        } else {
            // A full queue ends a live socket, and makes the server forget a left one (facts 10, 17).
            self.remove(key);
        }
    }

    /// A left connection is kept for a resume, until it is too old.
    pub(crate) fn detach(&mut self, key: u64) {
        let Some(connection) = self.connections.get_mut(&key) else {
            return;
        };
        connection.wake = None;
        connection.commands.clear();
        if connection.user.is_none() {
            self.connections.remove(&key);
        } else {
            self.away.push_back((Instant::now(), key));
        }
    }

    /// Forgets connections that have been left for longer than this.
    pub(crate) fn reap(&mut self, keep: std::time::Duration) {
        while let Some((left, key)) = self.away.front().copied() {
            if left.elapsed() < keep {
                break;
            }
            self.away.pop_front();
            if self.connections.get(&key).is_some_and(|c| !c.is_live()) {
                self.remove(key);
            }
        }
    }

    /// Forgets everything, as a server that stops does.
    pub(crate) fn clear(&mut self) {
        for key in self.connections.keys().copied().collect::<Vec<_>>() {
            self.remove(key);
        }
        self.away.clear();
    }
}
