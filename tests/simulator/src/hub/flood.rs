//! Floods: events made from one template, as fast as a socket takes them.

use std::sync::Arc;

use crate::wire::event::Event;
use crate::world::ids::numbered_id;

/// How much is put together before it is written.
const CHUNK: usize = 128 * 1024;

/// Events for one socket: the same post again and again, each time with another id.
#[derive(Debug, Clone)]
pub(crate) struct FloodPlan {
    event: Arc<Event>,
    /// Where the post's id stands in the encoded event.
    id_at: usize,
    left: u64,
    next_id: u64,
    next_seq: Option<u64>,
}

impl FloodPlan {
    /// A plan from an encoded event that holds the id once. `None` when it does not.
    pub(crate) fn new(event: Arc<Event>, id: &str, count: u64, first_id: u64) -> Option<Self> {
        let id_at = event.head().find(id)?;
        Some(Self { event, id_at, left: count, next_id: first_id, next_seq: None })
    }

    pub(crate) fn is_done(&self) -> bool {
        self.left == 0
    }

    /// How many events it still makes.
    pub(crate) fn remaining(&self) -> u64 {
        self.left
    }

    /// The numbers that its events get.
    pub(crate) fn start_at(&mut self, seq: u64) {
        self.next_seq = Some(seq);
    }

    /// Appends framed events until a chunk is full or the flood is over.
    pub(crate) fn fill(&mut self, buffer: &mut Vec<u8>) {
        let mut seq = self.next_seq.unwrap_or_default();
        while self.left > 0 && buffer.len() < CHUNK {
            let tail = format!("{seq}{}", self.event.tail());
            let head = self.event.head().as_bytes();
            frame_header(buffer, 0x81, (head.len() + tail.len()) as u64);
            let start = buffer.len();
            buffer.extend_from_slice(head);
            let id = numbered_id(self.next_id);
            buffer[start + self.id_at..][..id.len()].copy_from_slice(&id);
            buffer.extend_from_slice(tail.as_bytes());
            seq += 1;
            self.next_id += 1;
            self.left -= 1;
        }
        self.next_seq = Some(seq);
    }
}

/// The header of an unmasked frame: its first byte as given, its length in the shortest form.
pub(crate) fn frame_header(buffer: &mut Vec<u8>, first: u8, length: u64) {
    buffer.push(first);
    match u16::try_from(length) {
        Ok(short @ 0..=125) => buffer.push(short.to_be_bytes()[1]),
        Ok(middle) => {
            buffer.push(126);
            buffer.extend_from_slice(&middle.to_be_bytes());
        }
        Err(_) => {
            buffer.push(127);
            buffer.extend_from_slice(&length.to_be_bytes());
        }
    }
}
