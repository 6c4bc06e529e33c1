//! The times until which the runs of schedules are done, in memory and in a file.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::model::AccountName;

/// The format of the file.
const FORMAT: u32 = 1;

/// The largest file that is read, in bytes: ten thousand schedules.
const MAX_BYTES: u64 = 1024 * 1024;

/// The times until which the runs of schedules are done. The file is replaced after each run, so that a kill leaves the old
/// one or the new one.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    path: Option<Arc<Path>>,
    times: Mutex<Times>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Times {
    format: u32,
    /// By account and schedule, in Unix milliseconds.
    done_until: BTreeMap<String, i64>,
}

impl Journal {
    /// Returns the journal in a file; an empty one if there is no file yet.
    ///
    /// # Errors
    /// If the file cannot be read or is not a journal, which is never overwritten: a description.
    pub(crate) fn load(path: PathBuf) -> Result<Self, String> {
        let times = match read(&path) {
            Ok(text) => parse(&text).map_err(|problem| format!("{}: {problem}", path.display()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Times::default(),
            Err(error) => return Err(format!("{}: {error}; make it readable", path.display())),
        };
        Ok(Self { path: Some(path.into()), times: Mutex::new(times) })
    }

    /// Returns the time until which the runs of a schedule are done.
    pub(crate) async fn get(&self, account: &AccountName, schedule: &str) -> Option<i64> {
        self.times.lock().await.done_until.get(&key(account, schedule)).copied()
    }

    /// Records the time until which the runs of a schedule are done.
    ///
    /// # Errors
    /// If the file cannot be written: a description. The time is kept in memory.
    pub(crate) async fn set(&self, account: &AccountName, schedule: &str, ms: i64) -> Result<(), String> {
        let mut times = self.times.lock().await;
        times.format = FORMAT;
        times.done_until.insert(key(account, schedule), ms);
        let Some(path) = self.path.clone() else { return Ok(()) };
        let text = serde_json::to_vec_pretty(&*times).map_err(|error| error.to_string())?;
        let written = tokio::task::spawn_blocking(move || {
            replace(&path, &text).map_err(|error| format!("{}: {error}; make it writable", path.display()))
        });
        // The lock is held until the file is written, so that an older text never replaces a newer one.
        written.await.unwrap_or_else(|error| Err(error.to_string()))
    }
}

fn key(account: &AccountName, schedule: &str) -> String {
    format!("{account}/{schedule}")
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    Ok(text)
}

fn parse(text: &str) -> Result<Times, String> {
    const REMEDY: &str = "name another file, or remove this one";
    if text.len() as u64 > MAX_BYTES {
        return Err(format!("it has more than {MAX_BYTES} bytes and is no journal of schedules; {REMEDY}"));
    }
    match serde_json::from_str::<Times>(text) {
        Ok(times) if times.format == FORMAT => Ok(times),
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
mod tests {
    use super::*;

    fn account(name: &str) -> AccountName {
        AccountName::new(name).unwrap()
    }

    /// Runs a test with a path in a new directory.
    fn with_path(test: &str, body: impl AsyncFnOnce(&Path)) {
        let directory = std::env::temp_dir().join(format!("journal-{test}-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(body(&directory.join("schedules.json")));
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn the_next_process_reads_what_this_one_wrote() {
        with_path("next", async |path| {
            let journal = Journal::load(path.to_owned()).unwrap();
            assert_eq!(journal.get(&account("a"), "daily").await, None);
            journal.set(&account("a"), "daily", 5).await.unwrap();
            journal.set(&account("b"), "daily", 7).await.unwrap();
            journal.set(&account("a"), "daily", 6).await.unwrap();
            let next = Journal::load(path.to_owned()).unwrap();
            assert_eq!(next.get(&account("a"), "daily").await, Some(6));
            assert_eq!(next.get(&account("b"), "daily").await, Some(7));
            assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        });
    }

    #[test]
    fn a_file_that_is_no_journal_is_refused_and_kept() {
        with_path("other", async |path| {
            for text in ["", "{}", "[1]", r#"{"format":2,"done_until":{}}"#, &" ".repeat(1024 * 1024 + 1)] {
                fs::write(path, text).unwrap();
                let refused = Journal::load(path.to_owned()).unwrap_err();
                assert!(
                    refused.contains("schedules.json") && refused.contains("name another file"),
                    "{refused}"
                );
                assert_eq!(fs::read_to_string(path).unwrap(), text);
            }
        });
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        with_path("missing", async |path| {
            let journal = Journal::load(path.join("missing/schedules.json")).unwrap();
            let failed = journal.set(&account("a"), "daily", 5).await.unwrap_err();
            assert!(failed.contains("missing/schedules.json"), "{failed}");
            assert_eq!(journal.get(&account("a"), "daily").await, Some(5), "kept in memory");
        });
    }
}
