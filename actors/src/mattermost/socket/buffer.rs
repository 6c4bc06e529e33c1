//! The read buffer, which a socket borrows from its thread while it holds data.
//!
//! If each of ten thousand idle sockets had its own buffer, the buffers would take most of the memory. A
//! socket without unread data has no buffer at all.

use std::cell::RefCell;

use bytes::{Buf as _, BytesMut};

/// The size of a shared buffer. A larger one means fewer reads for a busy socket, but more memory when thousands of
/// sockets have more data than one poll reads: each of them keeps its buffer until its next poll.
pub(super) const STANDARD: usize = 16 * 1024;

/// The longest incomplete message that waits for its rest in an allocation of its own size: thousands of sockets may
/// be in the middle of a message at once and must not hold a whole buffer each. Longer ones are rare; they stay in the
/// buffer and grow there.
const MAX_PARKED: usize = STANDARD / 2;

/// The most spare buffers that a thread keeps. One is enough while sockets read in turn and leave nothing
/// unread.
const MAX_SPARE: usize = 4;

thread_local! {
    static SPARE: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
}

/// The received bytes that are not decoded yet.
#[derive(Default)]
pub(super) struct ReadBuffer {
    bytes: BytesMut,
    /// The offset of the first unused byte. The buffer is never split, so that it can be shared.
    start: usize,
}

impl ReadBuffer {
    pub(super) fn with_bytes(bytes: &[u8]) -> Self {
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

    /// Marks bytes as used, and returns the buffer to the thread after the last one.
    pub(super) fn consume(&mut self, count: usize) {
        self.start += count;
        if self.is_empty() {
            self.release();
        }
    }

    /// Returns the buffer with space to read into, towards `need` bytes in total.
    ///
    /// The buffer grows only with bytes actually received: an announced length alone reserves nothing.
    pub(super) fn make_room(&mut self, need: usize) -> &mut BytesMut {
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

    /// Discards the content and returns the buffer to the thread.
    pub(super) fn release(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        self.start = 0;
        bytes.clear();
        put_spare(bytes);
    }

    /// Returns the buffer to the thread until more data arrives, and keeps a short incomplete message in memory
    /// of its own.
    pub(super) fn park(&mut self) {
        let unused = self.unused();
        if self.bytes.capacity() < STANDARD || unused.len() > MAX_PARKED {
            return;
        }
        let short = BytesMut::from(unused);
        self.release();
        self.bytes = short;
    }

    /// Takes a shared buffer and copies the unused bytes to its front.
    fn unpark(&mut self) {
        let mut bytes = take_spare();
        bytes.extend_from_slice(self.unused());
        self.bytes = bytes;
        self.start = 0;
    }

    /// Moves the unused bytes to the front, into a new buffer if a long message has grown the current one.
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
    // The access fails only while the thread is ending, and then the buffer is dropped.
    let _ = SPARE.try_with(|spare| {
        let mut spare = spare.borrow_mut();
        if spare.len() < MAX_SPARE {
            spare.push(bytes);
        }
    });
}
