//! The output of a connection for its socket's task: events get their numbers here.

use std::sync::Arc;

use crate::fault::{EventFault, FaultSubject};
use crate::hub::connection::{Connection, Outgoing, SocketCommand};
use crate::state::State;
use crate::wire::event::Event;

/// About how much a socket's task takes at once: what it has taken no longer counts as queued.
const BATCH_BYTES: usize = 64 * 1024;

/// One thing to write.
#[derive(Debug)]
pub(crate) enum Output {
    /// A text frame.
    Text(String),
    /// A scripted action.
    Command(SocketCommand),
}

impl State {
    /// Takes up to `limit` things to write. `None` when the hub has forgotten the connection.
    pub(crate) fn dequeue(&mut self, key: u64, limit: usize) -> Option<Vec<Output>> {
        let mut outputs: Vec<Output> = Vec::new();
        let mut bytes = 0;
        while outputs.len() < limit && bytes < BATCH_BYTES {
            let connection = self.hub.connections.get_mut(&key)?;
            if let Some(command) = connection.commands.pop_front() {
                outputs.push(Output::Command(command));
            } else if let Some((seq, event)) = connection.replay.pop_front() {
                outputs.push(Output::Text(event.with_sequence(seq)));
            } else if let Some(outgoing) = connection.queue.pop_front() {
                self.number(key, outgoing, &mut outputs);
            } else {
                break;
            }
            if let Some(Output::Text(text)) = outputs.last() {
                bytes += text.len();
            }
        }
        Some(outputs)
    }

    fn number(&mut self, key: u64, outgoing: Outgoing, outputs: &mut Vec<Output>) {
        let (dead_queue, slow) = (self.hub.dead_queue, self.hub.send_queue / 2);
        let Some(connection) = self.hub.connections.get_mut(&key) else {
            return;
        };
        match outgoing {
            Outgoing::Reply(text) => outputs.push(Output::Text(text)),
            // Typing and status are left out for a socket that is far behind (fact 17).
            Outgoing::Event(event) if event.droppable && connection.queue.len() >= slow => {}
            Outgoing::Event(event) => {
                let seq = keep(connection, &event, dead_queue);
                let subject = FaultSubject::user(connection.user.as_deref().unwrap_or_default());
                if self.faults.trigger_event(EventFault::Gap, &subject) {
                    return;
                }
                if self.faults.trigger_event(EventFault::Duplicate, &subject) {
                    outputs.push(Output::Text(event.with_sequence(seq)));
                }
                outputs.push(Output::Text(event.with_sequence(seq)));
                self.counters.events_sent += 1;
            }
        }
    }
}

/// Numbers an event and keeps it for a resume.
fn keep(connection: &mut Connection, event: &Arc<Event>, dead_queue: usize) -> u64 {
    let seq = connection.next_seq;
    connection.next_seq += 1;
    if connection.dead.len() >= dead_queue {
        connection.dead.pop_front();
    }
    connection.dead.push_back((seq, Arc::clone(event)));
    seq
}

impl State {
    /// Gives a flood its numbers; what was kept for a resume is forgotten.
    pub(crate) fn reserve_sequence_numbers(&mut self, key: u64, count: u64) -> u64 {
        let Some(connection) = self.hub.connections.get_mut(&key) else {
            return 0;
        };
        let first = connection.next_seq;
        connection.next_seq += count;
        connection.dead.clear();
        first
    }
}
