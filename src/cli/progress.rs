//! The progress of a command that takes long.

use std::{
    cell::Cell,
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

/// The time after which progress is shown, and between two lines of it.
const INTERVAL: Duration = Duration::from_millis(500);

/// A line on standard error that is written anew while a command works, if that is a terminal.
pub(super) struct Progress {
    next: Cell<Instant>,
    is_shown: Cell<bool>,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { next: Cell::new(Instant::now() + INTERVAL), is_shown: Cell::new(false) }
    }

    /// Shows a text that is not shorter than the one before, unless that is too new.
    pub(super) fn show(&self, text: impl FnOnce() -> String) {
        let now = Instant::now();
        if now < self.next.get() || !io::stderr().is_terminal() {
            return;
        }
        self.next.set(now + INTERVAL);
        self.is_shown.set(true);
        // A terminal that is gone shows nothing.
        let _ = write!(io::stderr().lock(), "\r{}", text());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_shown.get() {
            let _ = writeln!(io::stderr().lock());
        }
    }
}
