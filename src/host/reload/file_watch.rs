use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode},
};
use parking_lot::RwLock;
use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{Instant, timeout, timeout_at},
};

use super::watched_paths::{self, WatchedPaths};
use crate::config::Directory;

/// Quiet time after which changed files are read: a file being written is complete by then.
const SETTLE_TIME: Duration = Duration::from_millis(200);
/// Limit of the wait for quiet, when changes keep coming.
const MAX_SETTLE_TIME: Duration = Duration::from_secs(2);
/// Interval of reading the files even without a change: network file systems, and directories that are replaced as a
/// whole, send no notifications.
const POLL_INTERVAL: Duration = Duration::from_secs(60);

/// A watch on some directories, on those of some files, and on those of the symbolic links to them.
pub(in crate::host) struct FileWatch {
    watcher: Option<RecommendedWatcher>,
    paths: Arc<RwLock<WatchedPaths>>,
    watched: BTreeSet<PathBuf>,
    /// Number of changes so far.
    changes: watch::Sender<u64>,
    /// Number of changes that the caller has seen.
    seen: u64,
    /// True once the failure to watch a directory has been logged.
    failure_logged: bool,
}

impl FileWatch {
    /// Creates a watch on no files.
    pub(in crate::host) fn new() -> Self {
        let (paths, changes) = (Arc::default(), watch::Sender::new(0));
        Self { watcher: None, paths, watched: BTreeSet::new(), changes, seen: 0, failure_logged: false }
    }

    /// Watches these files, and the files in these directories, instead of the previous ones. Resolves symbolic links
    /// again each time.
    pub(in crate::host) async fn watch_files(
        &mut self,
        files: BTreeSet<PathBuf>,
        directories: Vec<Directory>,
    ) {
        // On another thread: there may be many files, and a file system that hangs must not block this one.
        let resolved = spawn_blocking(move || watched_paths::resolve(files, &directories));
        let Ok(paths) = resolved.await else { return };
        let wanted: BTreeSet<_> = paths.keys().cloned().collect();
        *self.paths.write() = paths;
        for unwanted in self.watched.difference(&wanted) {
            // This fails for a directory that no longer exists.
            let _ = self.watcher.as_mut().map(|watcher| watcher.unwatch(unwanted));
        }
        // Every directory again, because another one may have taken its path.
        for directory in &wanted {
            if let Err(error) = self.watch(directory) {
                self.log_failure_once(directory, &error);
            }
        }
        self.watched = wanted;
    }

    fn watch(&mut self, directory: &Path) -> notify::Result<()> {
        let watcher = match &mut self.watcher {
            Some(watcher) => watcher,
            None => self.watcher.insert(new_watcher(self.changes.clone(), Arc::clone(&self.paths))?),
        };
        watcher.watch(directory, RecursiveMode::NonRecursive)
    }

    fn log_failure_once(&mut self, directory: &Path, error: &notify::Error) {
        if !std::mem::replace(&mut self.failure_logged, true) {
            let (directory, poll_interval_s) = (directory.display(), POLL_INTERVAL.as_secs());
            tracing::warn!(%directory, %error, poll_interval_s, "cannot watch files for changes; reading them periodically");
        }
    }

    /// Waits until files have changed and settled, or for the poll interval. Cancel safe: no change is lost.
    pub(in crate::host) async fn changed(&mut self) {
        let mut changes = self.changes.subscribe();
        let seen = self.seen;
        // `self` holds the sender, so waiting cannot fail.
        if timeout(POLL_INTERVAL, changes.wait_for(|count| *count != seen)).await.is_ok() {
            let latest = Instant::now() + MAX_SETTLE_TIME;
            let mut last = *changes.borrow_and_update();
            while Instant::now() < latest {
                let quiet = (Instant::now() + SETTLE_TIME).min(latest);
                if timeout_at(quiet, changes.wait_for(|count| *count != last)).await.is_err() {
                    break;
                }
                last = *changes.borrow_and_update();
            }
        }
        self.seen = *changes.borrow_and_update();
    }
}

/// Creates a watcher that counts the changes of the watched paths.
fn new_watcher(
    changes: watch::Sender<u64>,
    paths: Arc<RwLock<WatchedPaths>>,
) -> notify::Result<RecommendedWatcher> {
    notify::recommended_watcher(move |event: notify::Result<Event>| {
        // After an error, events may be missing, so it counts as a change.
        let is_relevant =
            event.map_or(true, |event| is_change(event.kind) && concerns(&event, &paths.read()));
        if is_relevant {
            changes.send_modify(|count| *count += 1);
        }
    })
}

/// Returns false for events of reading a file.
fn is_change(kind: EventKind) -> bool {
    !matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}

/// Returns true if the event is about a watched path, and not about another file in the same directory.
fn concerns(event: &Event, paths: &WatchedPaths) -> bool {
    let is_watched = |path: &PathBuf| {
        // The event of a directory that is removed names the directory itself.
        let entry = path.parent().and_then(|parent| paths.get(parent)).zip(path.file_name());
        paths.contains_key(path) || entry.is_some_and(|(names, name)| names.contain(name))
    };
    event.need_rescan() || event.paths.iter().any(is_watched)
}
