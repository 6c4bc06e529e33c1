//! The standard input of a child, and how much of it the child has read.

use std::{
    cell::Cell,
    os::fd::{AsFd as _, OwnedFd},
    rc::Rc,
    sync::Arc,
};

use tokio::{io::AsyncWriteExt as _, process::ChildStdin, sync::mpsc, task::JoinHandle};

/// The most results of actions that wait for a child that does not read: several for each event that it may have.
const MAX_RESULTS: usize = 1_024;
/// The most bytes that wait for the child when a result is added. A result can hold posts.
const MAX_WAITING_BYTES: u64 = 16 * 1024 * 1024;

/// The standard input of a child.
pub(super) struct ChildInput {
    /// Lines for the writer task, which may block on the child while its answers are read.
    lines: mpsc::Sender<Arc<str>>,
    writer: JoinHandle<()>,
    /// The bytes that are in the pipe or were read from it.
    written: Rc<Cell<u64>>,
    /// The bytes of all lines, written or not.
    queued: u64,
    /// The most events that wait.
    events: usize,
    /// A second descriptor of the pipe, to ask how much of it is unread.
    pipe: Option<OwnedFd>,
}

impl ChildInput {
    /// Starts the writer. At most so many events wait for it at a time.
    pub(super) fn new(input: ChildStdin, events: usize) -> Self {
        let (lines, queue) = mpsc::channel(events + MAX_RESULTS);
        let written = Rc::<Cell<u64>>::default();
        let pipe = input.as_fd().try_clone_to_owned().ok();
        let writer = tokio::task::spawn_local(write(input, queue, Rc::clone(&written)));
        Self { lines, writer, written, queued: 0, events, pipe }
    }

    /// Queues the line of a result, and returns true if there is room for it.
    pub(super) fn send_result(&mut self, line: &str) -> bool {
        let waiting = self.queued.saturating_sub(self.written.get());
        let has_room = self.lines.capacity() > self.events && waiting < MAX_WAITING_BYTES;
        if has_room {
            self.send(line.to_owned());
        }
        has_room
    }

    /// Queues the line of an event. Returns the place of its end among all bytes.
    pub(super) fn send(&mut self, line: String) -> u64 {
        self.queued += line.len() as u64;
        // The channel cannot be full. If the writer has stopped, the end of the child is about to be noticed.
        let _ = self.lines.try_send(line.into());
        self.queued
    }

    /// Returns the number of bytes of all lines, written or not.
    pub(super) fn queued(&self) -> u64 {
        self.queued
    }

    /// Returns the number of bytes that the child has read. Bytes in the pipe count as read if the system does not tell.
    pub(super) fn read_by_child(&self) -> u64 {
        let unread = self.pipe.as_ref().and_then(|pipe| rustix::io::ioctl_fionread(pipe).ok());
        self.written.get().saturating_sub(unread.unwrap_or(0))
    }

    /// Closes the input.
    pub(super) fn close(&mut self) {
        self.writer.abort();
        self.pipe = None;
    }
}

impl Drop for ChildInput {
    fn drop(&mut self) {
        self.close();
    }
}

/// Writes lines to the child until a write fails or the sender is gone.
async fn write(mut input: ChildStdin, mut lines: mpsc::Receiver<Arc<str>>, written: Rc<Cell<u64>>) {
    while let Some(line) = lines.recv().await {
        let mut rest = line.as_bytes();
        while !rest.is_empty() {
            match input.write(rest).await {
                Ok(count) if count > 0 => {
                    written.set(written.get() + count as u64);
                    rest = &rest[count..];
                }
                // The run notices the end of the child.
                _ => return,
            }
        }
    }
}
