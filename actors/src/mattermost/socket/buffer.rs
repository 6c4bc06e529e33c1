//! The read buffer: borrowed from the thread while there is something in it.
//!
//! A buffer of its own for each of ten thousand idle sockets would be most of their memory. While a
//! socket has nothing half read it has no buffer at all.

use std::cell::RefCell;

use bytes::{Buf as _, BytesMut};

/// The size of a buffer that goes around: the larger it is, the fewer reads a busy socket makes, and the more thousands
/// of sockets hold that all have more to say than one turn takes: each keeps its own until its next turn.
pub(super) const STANDARD: usize = 16 * 1024;

/// A beginning of a message that is no longer than this waits for the rest in memory of its own size: thousands of
/// sockets may be in the middle of a message at once, and must not hold a whole buffer each. What is longer is copied
/// too rarely for that, and grows in the buffer.
const PARKED: usize = STANDARD / 2;

/// How many buffers a thread keeps for the next socket. One is enough while sockets read one after
/// the other and leave nothing behind.
const KEPT: usize = 4;

thread_local! {
    static SPARE: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
}

/// Bytes received and not yet understood.
#[derive(Default)]
pub(super) struct ReadBuffer {
    bytes: BytesMut,
    /// Where the first byte not yet used stands. The buffer is never split, so that it can go around.
    start: usize,
}

impl ReadBuffer {
    pub(super) fn holding(bytes: &[u8]) -> Self {
        Self { bytes: BytesMut::from(bytes), start: 0 }
    }

    pub(super) fn unused(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.start >= self.bytes.len()
    }

    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Marks bytes as used. The last one gives the buffer back.
    pub(super) fn consume(&mut self, count: usize) {
        self.start += count;
        if self.is_empty() {
            self.release();
        }
    }

    /// Room to read more into, when `need` bytes in all are wanted.
    ///
    /// The buffer doubles with what really came: an announcement alone reserves nothing.
    pub(super) fn room(&mut self, need: usize) -> &mut BytesMut {
        if self.bytes.capacity() < STANDARD {
            self.unpark();
        } else if self.start > 0 {
            self.move_to_front();
        }
        if self.bytes.len() == self.bytes.capacity() {
            let missing = need.saturating_sub(self.bytes.len()).max(1);
            self.bytes.reserve(missing.min(self.bytes.len().max(STANDARD)));
        }
        &mut self.bytes
    }

    /// Gives an empty buffer back.
    pub(super) fn release(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        self.start = 0;
        bytes.clear();
        put_spare(bytes);
    }

    /// Nothing more is there for now: gives the buffer back, and keeps a short beginning of a message apart.
    pub(super) fn park(&mut self) {
        let unused = self.unused();
        if self.bytes.capacity() < STANDARD || unused.len() > PARKED {
            return;
        }
        let short = BytesMut::from(unused);
        self.release();
        self.bytes = short;
    }

    /// Takes a buffer that goes around, with what waited in the front of it.
    fn unpark(&mut self) {
        let mut bytes = take_spare();
        bytes.extend_from_slice(self.unused());
        self.bytes = bytes;
        self.start = 0;
    }

    /// Makes room, and leaves a buffer that one long message has made grow.
    fn move_to_front(&mut self) {
        let unused = self.bytes.len().saturating_sub(self.start);
        if self.bytes.capacity() > STANDARD && unused < STANDARD {
            self.unpark();
        } else {
            self.bytes.copy_within(self.start.., 0);
            self.bytes.truncate(unused);
            self.start = 0;
        }
    }
}

impl Drop for ReadBuffer {
    fn drop(&mut self) {
        self.release();
    }
}

fn take_spare() -> BytesMut {
    let spare = SPARE.try_with(|spare| spare.borrow_mut().pop());
    spare.ok().flatten().unwrap_or_else(|| BytesMut::with_capacity(STANDARD))
}

fn put_spare(bytes: BytesMut) {
    if bytes.capacity() != STANDARD || bytes.has_remaining() {
        return;
    }
    // A thread that is ending keeps nothing.
    let _ = SPARE.try_with(|spare| {
        let mut spare = spare.borrow_mut();
        if spare.len() < KEPT {
            spare.push(bytes);
        }
    });
}
