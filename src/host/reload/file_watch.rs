//! Notices that files change: the directories that decide about them are watched, by crate `notify`.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode},
};
use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{Instant, timeout, timeout_at},
};

use super::watched_paths::{self, WatchedPaths};

/// A file that was written is looked into when nothing has stirred for so long: then it is written to its end.
const SETTLES_AFTER: Duration = Duration::from_millis(200);
/// However much stirs, it is looked by then.
const SETTLES_WITHIN: Duration = Duration::from_secs(2);
/// Where nothing stirs it is looked all the same, now and then: file systems of a network, and directories that were
/// replaced as a whole, do not tell.
const LOOK_ANYWAY: Duration = Duration::from_secs(60);

/// Notices that files change.
pub(in crate::host) struct FileWatch {
    watcher: Option<RecommendedWatcher>,
    places: Arc<RwLock<WatchedPaths>>,
    watched: BTreeSet<PathBuf>,
    stirs: watch::Sender<u64>,
    /// The last stir that was looked into.
    seen: u64,
    /// Whether it was told that something cannot be watched.
    told: bool,
}

impl FileWatch {
    /// Watches nothing yet.
    pub(in crate::host) fn new() -> Self {
        let (places, stirs) = (Arc::default(), watch::Sender::new(0));
        Self { watcher: None, places, watched: BTreeSet::new(), stirs, seen: 0, told: false }
    }

    /// Watches these files, and no others. What a link on the way points to may be another than the last time.
    pub(in crate::host) async fn watch_files(&mut self, files: BTreeSet<PathBuf>) {
        // Beside this thread: there are many, and a file system that hangs is to hold nothing else.
        let Ok(places) = spawn_blocking(move || watched_paths::resolve(&files)).await else { return };
        let wanted: BTreeSet<_> = places.keys().cloned().collect();
        *self.places.write().unwrap_or_else(PoisonError::into_inner) = places;
        for gone in self.watched.difference(&wanted) {
            // What is no more is watched no more.
            let _ = self.watcher.as_mut().map(|watcher| watcher.unwatch(gone));
        }
        // Each time: another directory may have come to lie where one was.
        for directory in &wanted {
            if let Err(error) = self.watch(directory) {
                self.cannot(directory, &error);
            }
        }
        self.watched = wanted;
    }

    fn watch(&mut self, directory: &Path) -> notify::Result<()> {
        let watcher = match &mut self.watcher {
            Some(watcher) => watcher,
            None => self.watcher.insert(watcher(self.stirs.clone(), Arc::clone(&self.places))?),
        };
        watcher.watch(directory, RecursiveMode::NonRecursive)
    }

    fn cannot(&mut self, directory: &Path, error: &notify::Error) {
        if !std::mem::replace(&mut self.told, true) {
            let (directory, look_every_s) = (directory.display(), LOOK_ANYWAY.as_secs());
            tracing::warn!(%directory, %error, look_every_s, "changes of files are not noticed at once");
        }
    }

    /// Waits until something has stirred and settled, or it is time to look anyway. When it is dropped before, nothing is
    /// forgotten.
    pub(in crate::host) async fn changed(&mut self) {
        let mut stirs = self.stirs.subscribe();
        let seen = self.seen;
        // Its sender is here: it cannot fail.
        if timeout(LOOK_ANYWAY, stirs.wait_for(|stir| *stir != seen)).await.is_ok() {
            let latest = Instant::now() + SETTLES_WITHIN;
            let mut last = *stirs.borrow_and_update();
            while Instant::now() < latest {
                let quiet = (Instant::now() + SETTLES_AFTER).min(latest);
                if timeout_at(quiet, stirs.wait_for(|stir| *stir != last)).await.is_err() {
                    break;
                }
                last = *stirs.borrow_and_update();
            }
        }
        self.seen = *stirs.borrow_and_update();
    }
}

/// Counts what stirs where it matters.
fn watcher(
    stirs: watch::Sender<u64>,
    places: Arc<RwLock<WatchedPaths>>,
) -> notify::Result<RecommendedWatcher> {
    notify::recommended_watcher(move |event: notify::Result<Event>| {
        // What was missed may have mattered.
        let matters = event.map_or(true, |event| {
            is_change(event.kind) && matters(&event, &places.read().unwrap_or_else(PoisonError::into_inner))
        });
        if matters {
            stirs.send_modify(|stir| *stir += 1);
        }
    })
}

/// To look into a file is no change of it.
fn is_change(kind: EventKind) -> bool {
    !matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}

/// Others may write beside what is watched, and often.
fn matters(event: &Event, places: &WatchedPaths) -> bool {
    let is_watched = |path: &PathBuf| {
        // A directory that goes tells of itself.
        let place = path.parent().and_then(|parent| places.get(parent)).zip(path.file_name());
        places.contains_key(path) || place.is_some_and(|(names, name)| names.contains(name))
    };
    event.need_rescan() || event.paths.iter().any(is_watched)
}
