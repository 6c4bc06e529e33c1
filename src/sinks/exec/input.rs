//! The standard input of a child, and how much of it the child has read.

use std::{cell::Cell, io, os::fd::OwnedFd, rc::Rc, sync::Arc};

use matterhost_actors::model::AccountName;
use tokio::{net::unix::pipe::Sender, process::ChildStdin, sync::mpsc, task::JoinHandle};

/// The most results of actions that wait for a child that does not read: several for each event that it may have.
const MAX_RESULTS: usize = 1_024;
/// The most bytes that wait for the child when a result is added. A result can hold posts.
const MAX_WAITING_BYTES: u64 = 16 * 1024 * 1024;

/// The standard input of a child.
pub(super) struct ChildInput {
    /// Lines for the writer task, which may block on the child while its answers are read.
    lines: mpsc::Sender<Line>,
    writer: JoinHandle<()>,
    /// The places of the ends of the lines that were not written, because another host may own their accounts by now.
    withheld: mpsc::Receiver<u64>,
    /// The bytes that are in the pipe or were read from it.
    written: Rc<Cell<u64>>,
    /// The bytes of all lines, written or not.
    queued: u64,
    /// The most events that wait.
    events: usize,
    /// A second descriptor of the pipe, to ask how much of it is unread.
    pipe: Option<OwnedFd>,
}

/// A line for the writer task.
struct Line {
    text: Arc<str>,
    /// The account, if the line is an event.
    account: Option<AccountName>,
}

/// The task that writes lines to a child.
struct Writer<M> {
    pipe: Sender,
    lines: mpsc::Receiver<Line>,
    written: Rc<Cell<u64>>,
    withheld: mpsc::Sender<u64>,
    may_act: M,
}

impl ChildInput {
    /// Starts the writer. At most so many events wait for it at a time. It asks `may_act` before it begins an event's line, which
    /// may have waited for long until the child read others.
    ///
    /// # Errors
    /// Fails if the system has no room to watch the pipe.
    pub(super) fn start(
        input: ChildStdin,
        events: usize,
        may_act: impl Fn(&AccountName) -> bool + 'static,
    ) -> io::Result<Self> {
        let (lines, queue) = mpsc::channel(events + MAX_RESULTS);
        let (tell_withheld, withheld) = mpsc::channel(events);
        let written = Rc::<Cell<u64>>::default();
        let input = input.into_owned_fd()?;
        let pipe = input.try_clone().ok();
        let writer = Writer {
            pipe: Sender::from_owned_fd(input)?,
            lines: queue,
            written: Rc::clone(&written),
            withheld: tell_withheld,
            may_act,
        };
        let writer = tokio::task::spawn_local(writer.run());
        Ok(Self { lines, writer, withheld, written, queued: 0, events, pipe })
    }

    /// Queues the line of a result, and returns true if there is room for it.
    pub(super) fn send_result(&mut self, line: &str) -> bool {
        let waiting = self.queued.saturating_sub(self.written.get());
        let has_room = self.lines.capacity() > self.events && waiting < MAX_WAITING_BYTES;
        if has_room {
            self.send(Line { text: line.into(), account: None });
        }
        has_room
    }

    /// Queues the line of an account's event. Returns the place of its end among all bytes.
    pub(super) fn send_event(&mut self, line: String, account: AccountName) -> u64 {
        self.send(Line { text: line.into(), account: Some(account) })
    }

    fn send(&mut self, line: Line) -> u64 {
        self.queued += line.text.len() as u64;
        // The channel cannot be full. If the writer has stopped, the end of the child is about to be noticed.
        let _ = self.lines.try_send(line);
        self.queued
    }

    /// Waits for an event that is not written, because another host may own its account by now. Returns the place of its line's
    /// end.
    pub(super) async fn withheld(&mut self) -> Option<u64> {
        self.withheld.recv().await
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

impl<M: Fn(&AccountName) -> bool> Writer<M> {
    /// Writes lines to the child until a write fails or the sender is gone.
    async fn run(mut self) {
        while let Some(line) = self.lines.recv().await {
            if self.write(&line).await.is_err() {
                // The run notices the end of the child.
                return;
            }
        }
    }

    async fn write(&mut self, line: &Line) -> io::Result<()> {
        let bytes = line.text.as_bytes();
        let mut count = 0;
        while count < bytes.len() {
            self.pipe.writable().await?;
            // As late as can be: the account may have moved while the pipe was full, or while the process was stopped.
            if count == 0 && line.account.as_ref().is_some_and(|account| !(self.may_act)(account)) {
                self.withhold(bytes.len());
                return Ok(());
            }
            match self.pipe.try_write(bytes.get(count..).unwrap_or_default()) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(more) => {
                    count += more;
                    self.written.set(self.written.get() + more as u64);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Leaves a line out. It counts as written, so that the places of the others stay what they are.
    fn withhold(&self, length: usize) {
        self.written.set(self.written.get() + length as u64);
        // The channel has room for all events that wait. If the receiver is gone, so is the child.
        let _ = self.withheld.try_send(self.written.get());
    }
}
