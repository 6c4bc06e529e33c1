//! One connection as the server keeps it: its session, its queues, its numbers.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::Notify;

use crate::hub::flood::FloodPlan;
use crate::wire::event::Event;

/// Most scripted actions that wait for one socket; more are left out.
const COMMAND_LIMIT: usize = 1_024;

/// The server's belief about a socket's session.
///
/// `Fresh` goes to `Stale` when the user is touched; a look at the token makes `Stale` either `Fresh`
/// or `Deaf`; nothing leads out of `Deaf` (fact 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SessionState {
    /// Not authenticated yet.
    Unauthenticated,
    /// Looked up and good.
    Fresh,
    /// To be looked up at the next event or action.
    Stale,
    /// Looked up while it was bad: no event comes any more.
    Deaf,
}

impl SessionState {
    pub(crate) fn invalidate(&mut self) {
        if *self == Self::Fresh {
            *self = Self::Stale;
        }
    }

    /// Returns true when events and actions pass; looks the token up if that is due.
    pub(crate) fn check(&mut self, token_is_good: impl FnOnce() -> bool) -> bool {
        if *self == Self::Stale {
            *self = if token_is_good() { Self::Fresh } else { Self::Deaf };
        }
        *self == Self::Fresh
    }
}

/// An item that waits for a socket.
#[derive(Debug, Clone)]
pub(crate) enum Outgoing {
    /// An event: numbered when it is written.
    Event(Arc<Event>),
    /// A reply: never numbered (fact 14).
    Reply(String),
}

/// A scripted action of a socket.
#[derive(Debug, Clone)]
pub(crate) enum SocketCommand {
    /// A close frame with this code, or an empty one.
    Close(Option<u16>),
    /// A text frame as it is.
    Text(String),
    /// Bytes past the framing.
    Raw(Vec<u8>),
    /// A WebSocket ping.
    Ping,
    /// Events made as fast as they are read.
    Flood(FloodPlan),
}

/// A connection, live or left.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: String,
    pub(crate) user: Option<String>,
    pub(crate) token: String,
    pub(crate) session: SessionState,
    /// Wakes the socket's task; none while the client is away.
    pub(crate) wake: Option<Arc<Notify>>,
    pub(crate) queue: VecDeque<Outgoing>,
    /// Events to write again after a resume, with the numbers that they had.
    pub(crate) replay: VecDeque<(u64, Arc<Event>)>,
    /// The last events written, for a later resume (fact 10).
    pub(crate) dead: VecDeque<(u64, Arc<Event>)>,
    pub(crate) next_seq: u64,
    /// How often each event is queued: twice after the odd resume of fact 10, when the old
    /// connection stays registered with the same queue (resume).
    pub(crate) copies: u8,
    pub(crate) commands: VecDeque<SocketCommand>,
    /// Hello is not sent, by script.
    pub(crate) withhold_hello: bool,
}

impl Connection {
    pub(crate) fn new(wake: Arc<Notify>) -> Self {
        Self {
            id: String::new(),
            user: None,
            token: String::new(),
            session: SessionState::Unauthenticated,
            wake: Some(wake),
            queue: VecDeque::new(),
            replay: VecDeque::new(),
            dead: VecDeque::new(),
            next_seq: 0,
            copies: 1,
            commands: VecDeque::new(),
            withhold_hello: false,
        }
    }

    pub(crate) fn is_live(&self) -> bool {
        self.wake.is_some()
    }

    /// Queues something; false when the queue is full.
    pub(crate) fn enqueue(&mut self, outgoing: &Outgoing, limit: usize) -> bool {
        let copies = if matches!(outgoing, Outgoing::Event(_)) { self.copies } else { 1 };
        for _ in 0..copies {
            if self.queue.len() >= limit {
                return false;
            }
            self.queue.push_back(outgoing.clone());
        }
        true
    }

    /// Adds a scripted action.
    pub(crate) fn push_command(&mut self, command: SocketCommand) {
        if self.commands.len() < COMMAND_LIMIT {
            self.commands.push_back(command);
        }
        if let Some(wake) = &self.wake {
            wake.notify_one();
        }
    }
}
