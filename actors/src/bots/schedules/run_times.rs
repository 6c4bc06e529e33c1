//! The times until which the runs of schedules are done, in memory and in a file.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fs::{self, File},
    io::{self, Read as _, Write as _},
    ops::Bound,
    path::{Path, PathBuf},
    sync::{Arc, Weak},
};

use futures_util::future::{BoxFuture, FutureExt as _};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync;

use super::Schedule;
use crate::model::AccountName;

/// The format of the file.
const FORMAT: u32 = 1;

/// The largest file, in bytes: a hundred thousand schedules. A larger one is neither written nor read.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// The bytes of the file beside its schedules.
const FRAME_BYTES: usize = 64;

/// The most bytes of a schedule in the file beside its name: indentation, quotes and the time.
const ENTRY_BYTES: usize = 32;

/// The times until which the runs of schedules are done. The file is replaced after each run, so that a kill leaves the old
/// one or the new one. Runs that end at the same time share a write.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    path: Option<Arc<Path>>,
    times: Mutex<Times>,
    last_write: sync::Mutex<Write>,
    claims: Mutex<HashMap<String, Weak<sync::Mutex<()>>>>,
    /// The schedules of the bots that are started, by the beginning of the names.
    bots: Mutex<HashMap<String, Weak<Mutex<Recorded>>>>,
}

/// The schedules of a bot of which runs are recorded.
#[derive(Debug, Default)]
enum Recorded {
    /// Those that it has.
    #[default]
    All,
    /// These alone: it has lost others since their runs began.
    Only(HashSet<Box<str>>),
}

/// The end of a write of the file.
type Written = BoxFuture<'static, Result<(), String>>;

/// The last write of the file.
#[derive(Debug)]
struct Write {
    /// The version of the times that it has.
    version: u64,
    result: Result<(), String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Times {
    format: u32,
    /// By account and schedule, in Unix milliseconds.
    done_until: BTreeMap<String, i64>,
    /// The runs that have begun and are not done, of schedules that do not make up for missed runs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    begun: BTreeMap<String, i64>,
    /// The number of changes.
    #[serde(skip)]
    version: u64,
    /// The most bytes of the schedules in the file.
    #[serde(skip)]
    bytes: usize,
}

/// The runs of a bot's schedules in a journal. A bot that is started again shares them with runs that have not ended, until they
/// are forgotten.
#[derive(Debug)]
pub(crate) struct BotRuns {
    journal: Arc<Journal>,
    /// The beginning of the names of its schedules there.
    prefix: String,
    recorded: Arc<Mutex<Recorded>>,
}

impl Default for Write {
    fn default() -> Self {
        Self { version: 0, result: Ok(()) }
    }
}

impl BotRuns {
    /// Returns the runs of a bot of an account, which has a name if the account can have several.
    pub(crate) fn new(journal: Arc<Journal>, account: &AccountName, bot: Option<&str>) -> Self {
        let prefix = prefix(account, bot);
        let recorded = shared(&journal.bots, &prefix);
        Self { journal, prefix, recorded }
    }

    /// Returns the time until which the runs of a schedule are done.
    pub(crate) fn done_until(&self, schedule: &str) -> Option<i64> {
        self.journal.times.lock().done_until.get(&self.key(schedule)).copied()
    }

    /// Records the time until which the runs of a schedule are done, unless they are forgotten.
    ///
    /// # Errors
    /// If the journal is full, or the file cannot be written, a description. In the second case the time is kept in memory.
    pub(crate) async fn record(&self, schedule: &str, ms: i64) -> Result<(), String> {
        self.change(schedule, |times, key| times.set_done(key, ms)).await
    }

    /// Returns the time of the run that has begun and is not done.
    pub(crate) fn begun(&self, schedule: &str) -> Option<i64> {
        self.journal.times.lock().begun.get(&self.key(schedule)).copied()
    }

    /// Records that a run begins, unless the runs are forgotten.
    ///
    /// # Errors
    /// As of [`record`](Self::record).
    pub(crate) async fn begin(&self, schedule: &str, due: i64) -> Result<(), String> {
        self.change(schedule, |times, key| times.set_begun(key, due)).await
    }

    async fn change(
        &self,
        schedule: &str,
        change: impl FnOnce(&mut Times, String) -> Result<(), String>,
    ) -> Result<(), String> {
        let changed = self.journal.change(|times| {
            // Under the lock of the times: nothing is recorded after they were forgotten.
            if self.recorded.lock().has(schedule) { change(times, self.key(schedule)) } else { Ok(()) }
        });
        changed.await
    }

    /// Forgets the runs, now and for those that have not ended. If the bot comes back, none of them was missed. The file is written
    /// once the future completes; `None` if there is nothing to write.
    pub(crate) fn forget(&self) -> Option<Written> {
        self.recorded.lock().keep_only([]);
        self.journal.bots.lock().remove(&self.prefix);
        let were_any = self.journal.times.lock().remove_all(&self.prefix, |_| true);
        were_any.then(|| self.journal.written())
    }

    /// Forgets the runs of schedules that the bot does not have any more, as [`forget`](Self::forget) does.
    pub(crate) fn keep_only(&self, schedules: &[Schedule]) -> Option<Written> {
        self.recorded.lock().keep_only(schedules.iter().map(Schedule::name));
        let kept: HashSet<_> = schedules.iter().map(|schedule| self.key(schedule.name())).collect();
        let were_any = self.journal.times.lock().remove_all(&self.prefix, |name| !kept.contains(name));
        were_any.then(|| self.journal.written())
    }

    /// Returns the lock that the one who runs a schedule holds: two never run it at the same time.
    pub(crate) fn claim(&self, schedule: &str) -> Arc<sync::Mutex<()>> {
        shared(&self.journal.claims, &self.key(schedule))
    }

    fn key(&self, schedule: &str) -> String {
        format!("{}{schedule}", self.prefix)
    }
}

impl Journal {
    /// Returns the journal in a file; an empty one if there is no file yet.
    ///
    /// # Errors
    /// If the file cannot be read or is not a journal, which is never overwritten: a description.
    pub(crate) fn load(path: PathBuf) -> Result<Self, String> {
        let times = match read(&path) {
            Ok(text) => parse(&text).map_err(|problem| format!("{}: {problem}", path.display()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Times { format: FORMAT, ..Times::default() }
            }
            Err(error) => return Err(format!("{}: {error}; make it readable", path.display())),
        };
        Ok(Self { path: Some(path.into()), times: Mutex::new(times), ..Self::default() })
    }

    /// Forgets the runs of all bots but these, as [`BotRuns::forget`] does.
    pub(crate) fn keep_only<'a>(
        self: &Arc<Self>,
        bots: impl IntoIterator<Item = (&'a AccountName, Option<&'a str>)>,
    ) -> Option<Written> {
        let kept: BTreeSet<_> = bots.into_iter().map(|(account, bot)| prefix(account, bot)).collect();
        self.bots.lock().retain(|prefix, recorded| {
            let is_kept = kept.contains(prefix);
            if let Some(recorded) = recorded.upgrade().filter(|_| !is_kept) {
                recorded.lock().keep_only([]);
            }
            is_kept
        });
        let is_gone = |name: &str| {
            let before = (Bound::Unbounded, Bound::Included(name));
            // No prefix begins with another, because neither part contains a slash.
            !kept.range::<str, _>(before).next_back().is_some_and(|prefix| name.starts_with(&**prefix))
        };
        let were_any = self.times.lock().remove_all("", is_gone);
        were_any.then(|| self.written())
    }

    /// Writes the file, if it has not the present times.
    fn written(self: &Arc<Self>) -> Written {
        let journal = Arc::clone(self);
        async move { journal.change(|_| Ok(())).await }.boxed()
    }

    async fn change(&self, change: impl FnOnce(&mut Times) -> Result<(), String>) -> Result<(), String> {
        let version = {
            let mut times = self.times.lock();
            change(&mut times)?;
            times.version += 1;
            times.version
        };
        let Some(path) = self.path.clone() else { return Ok(()) };
        // The lock is held until the file is written, so that an older text never replaces a newer one.
        let mut last_write = self.last_write.lock().await;
        if last_write.version < version {
            let (version, text) = {
                let times = self.times.lock();
                (times.version, serde_json::to_vec_pretty(&*times).map_err(|error| error.to_string()))
            };
            let result = match text {
                Ok(text) => write(path, text).await,
                Err(error) => Err(error),
            };
            *last_write = Write { version, result };
        }
        last_write.result.clone()
    }
}

impl Recorded {
    fn has(&self, schedule: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(kept) => kept.contains(schedule),
        }
    }

    fn keep_only<'a>(&mut self, schedules: impl IntoIterator<Item = &'a str>) {
        *self = Self::Only(schedules.into_iter().map(Box::from).collect());
    }
}

impl Times {
    /// Sets the time until which the runs of a schedule are done.
    ///
    /// # Errors
    /// If there is no room for another one: a description.
    fn set_done(&mut self, key: String, ms: i64) -> Result<(), String> {
        if self.begun.get(&key).is_some_and(|due| *due <= ms) {
            self.begun.remove(&key);
            self.bytes -= entry_bytes(&key);
        }
        if !self.done_until.contains_key(&key) {
            self.reserve(&key)?;
        }
        self.done_until.insert(key, ms);
        Ok(())
    }

    /// Sets the time of the run of a schedule that begins.
    ///
    /// # Errors
    /// If there is no room for it: a description.
    fn set_begun(&mut self, key: String, due: i64) -> Result<(), String> {
        if !self.begun.contains_key(&key) {
            self.reserve(&key)?;
        }
        self.begun.insert(key, due);
        Ok(())
    }

    fn reserve(&mut self, key: &str) -> Result<(), String> {
        let bytes = self.bytes + entry_bytes(key);
        if bytes + FRAME_BYTES > MAX_BYTES {
            let count = self.done_until.len();
            return Err(format!(
                "the journal of schedules is full with {count} schedules, so the runs of another one are not kept; \
                 stop the host and remove those that are gone from the file"
            ));
        }
        self.bytes = bytes;
        Ok(())
    }

    /// Removes the schedules whose names begin so, as far as they are to be removed. Returns false if there are none.
    fn remove_all(&mut self, prefix: &str, is_removed: impl Fn(&str) -> bool) -> bool {
        let mut were_any = false;
        for times in [&mut self.done_until, &mut self.begun] {
            let from = times.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
            let all = from.map(|(name, _)| name).take_while(|name| name.starts_with(prefix));
            let names: Vec<_> = all.filter(|name| is_removed(name)).cloned().collect();
            for name in &names {
                times.remove(name);
                self.bytes -= entry_bytes(name);
            }
            were_any |= !names.is_empty();
        }
        were_any
    }
}

/// Returns the beginning of the names of a bot's schedules.
fn prefix(account: &AccountName, bot: Option<&str>) -> String {
    match bot {
        Some(bot) => format!("{account}/{bot}/"),
        None => format!("{account}/"),
    }
}

/// Returns the value of a name, which all share who use it at the same time.
fn shared<T: Default>(all: &Mutex<HashMap<String, Weak<T>>>, name: &str) -> Arc<T> {
    let mut all = all.lock();
    if let Some(value) = all.get(name).and_then(Weak::upgrade) {
        return value;
    }
    // Looked through each time that their number has doubled.
    if all.len().is_power_of_two() {
        all.retain(|_, value| value.strong_count() > 0);
    }
    let value = Arc::default();
    all.insert(name.to_owned(), Arc::downgrade(&value));
    value
}

/// Returns the most bytes of a schedule in the file. Each character of its name may be escaped.
fn entry_bytes(key: &str) -> usize {
    2 * key.len() + ENTRY_BYTES
}

async fn write(path: Arc<Path>, text: Vec<u8>) -> Result<(), String> {
    let written = tokio::task::spawn_blocking(move || {
        replace(&path, &text).map_err(|error| format!("{}: {error}; make it writable", path.display()))
    });
    written.await.unwrap_or_else(|error| Err(error.to_string()))
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_BYTES as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}

fn parse(text: &str) -> Result<Times, String> {
    const REMEDY: &str = "name another file, or remove this one";
    if text.len() > MAX_BYTES {
        return Err(format!("it has more than {MAX_BYTES} bytes and is no journal of schedules; {REMEDY}"));
    }
    match serde_json::from_str::<Times>(text) {
        Ok(times) if times.format == FORMAT => {
            let bytes = times.done_until.keys().chain(times.begun.keys()).map(|key| entry_bytes(key)).sum();
            Ok(Times { bytes, ..times })
        }
        Ok(times) => Err(format!("its format is {}, not {FORMAT}; {REMEDY}", times.format)),
        Err(error) => Err(format!("it is no journal of schedules ({error}); {REMEDY}")),
    }
}

/// Writes a file beside another and puts it in its place.
fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let mut file = File::create(&new)?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&new, path)
}

#[cfg(test)]
mod tests;
