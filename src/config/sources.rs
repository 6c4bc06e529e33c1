//! Merges the layers: the file, the environment and flags. The readers add the defaults.

use std::{
    collections::HashMap,
    env, fmt,
    fs::{File, OpenOptions},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use config::{FileFormat, Map, Source, Value, ValueKind};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::OFlags,
};

use super::{problem::Problem, syntax};

/// The size limit of the file; ten thousand accounts take a tenth of it.
const LARGEST_FILE: u64 = 16 * 1024 * 1024;

/// The time for the writer of a named pipe, such as a program that fetches a token.
const PIPE_TIMEOUT: Duration = Duration::from_secs(5);

/// The prefix of every variable that sets a key.
const PREFIX: &str = "MATTERHOST__";

/// The sources of a configuration. Nothing else is read, so tests control everything.
#[derive(Clone, Default)]
pub struct Sources {
    /// The configuration file.
    pub file: PathBuf,
    /// The process's environment.
    pub environment: HashMap<String, String>,
    /// Keys and values set by flags, with the flag's name.
    pub flags: Vec<(&'static str, String, &'static str)>,
}

/// Values by path, from the environment or from flags. They may be tokens, so `Debug` shows only paths.
#[derive(Clone)]
struct Values(Vec<(Vec<String>, Value)>);

/// Returns the process's environment without variables that are not UTF-8.
pub fn environment() -> HashMap<String, String> {
    env::vars_os()
        .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

impl Sources {
    /// Reads the file and merges all layers.
    pub(super) fn collect(&self) -> Result<Map<String, Value>, Problem> {
        self.merge(&self.read()?)
    }

    /// Reads the file.
    pub(super) fn read(&self) -> Result<String, Problem> {
        format(&self.file)?;
        read_text(&self.file, LARGEST_FILE).map_err(|message| {
            let remedy = "pass a readable file with --config; `matterhost config example` prints one";
            Problem::new("", message, remedy)
        })
    }

    /// Merges all layers; `text` is the file's.
    pub(super) fn merge(&self, text: &str) -> Result<Map<String, Value>, Problem> {
        let format = format(&self.file)?;
        // The file is parsed alone first, because variable names are matched against its names.
        let file = config::File::from_str(text, format);
        let parsed = config::Config::builder().add_source(file.clone()).build();
        let parsed = parsed.map_err(|error| syntax::explain(&error, text))?;
        let merged = config::Config::builder()
            .add_source(file)
            .add_source(self.variables(&parsed.cache))
            .add_source(self.flags())
            .build()
            .map_err(|error| syntax::explain(&error, text))?;
        merged.collect().map_err(|error| syntax::explain(&error, text))
    }

    fn variables(&self, file: &Value) -> Values {
        let entry = |(name, value): (&String, &String)| {
            let path = name.strip_prefix(PREFIX)?.split("__").map(str::to_lowercase).collect::<Vec<_>>();
            let origin = format!("the variable {name}");
            Some((match_names(path, file), Value::new(Some(&origin), value.clone())))
        };
        let mut values: Vec<_> = self.environment.iter().filter_map(entry).collect();
        values.sort_by(|a, b| a.0.cmp(&b.0));
        Values(values)
    }

    fn flags(&self) -> Values {
        let entry = |(key, value, flag): &(&str, String, &str)| {
            let origin = (*flag).to_owned();
            (key.split('.').map(str::to_owned).collect(), Value::new(Some(&origin), value.clone()))
        };
        Values(self.flags.iter().map(entry).collect())
    }
}

/// Matches a variable's path with names of the file: `HELP_DESK` means `Help-Desk`, since variables have only
/// capitals and underscores.
fn match_names(mut path: Vec<String>, file: &Value) -> Vec<String> {
    let plain = |name: &str| name.to_lowercase().replace(['-', '.'], "_");
    let mut table = Some(file);
    for part in &mut path {
        let Some(ValueKind::Table(names)) = table.map(|value| &value.kind) else { break };
        if let Some(name) = names.keys().find(|name| plain(name) == plain(part)) {
            part.clone_from(name);
        }
        table = names.get(part);
    }
    path
}

fn format(path: &Path) -> Result<FileFormat, Problem> {
    match path.extension().and_then(|ext| ext.to_str()) {
        Some("toml") => Ok(FileFormat::Toml),
        Some("yaml" | "yml") => Ok(FileFormat::Yaml),
        Some("json") => Ok(FileFormat::Json),
        _ => {
            let remedy = "use the ending .toml, .yaml, .yml or .json";
            Err(Problem::new("", "the file name does not show the format", remedy))
        }
    }
}

/// Reads a UTF-8 file of at most `largest` bytes.
pub(super) fn read_text(path: &Path, largest: u64) -> Result<String, String> {
    let unreadable = |error: io::Error| format!("the file cannot be read ({error})");
    // Opening a named pipe without this flag waits for its writer.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.is_dir() {
        return Err("it is a directory".into());
    }
    // The length in the metadata is no safe limit: a device has none and may never end.
    let mut bytes = Vec::new();
    let until = Instant::now() + PIPE_TIMEOUT;
    PatientReader { file, until }.take(largest + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > largest {
        return Err(format!("it has more than {largest} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".into())
}

/// Reads a file that may be a pipe, and waits for its writer until an instant.
struct PatientReader {
    file: File,
    until: Instant,
}

impl Read for PatientReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.until.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
        let mut waiting = [PollFd::new(&self.file, PollFlags::IN)];
        if poll(&mut waiting, Some(&timeout))? == 0 {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "nothing was written to it in time"));
        }
        self.file.read(buffer)
    }
}

impl Source for Values {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        let mut root = Map::new();
        for (path, value) in &self.0 {
            insert_at(&mut root, path, value);
        }
        Ok(root)
    }
}

fn insert_at(table: &mut Map<String, Value>, path: &[String], value: &Value) {
    let [first, rest @ ..] = path else { return };
    if rest.is_empty() {
        table.insert(first.clone(), value.clone());
        return;
    }
    let inner = table.entry(first.clone()).or_insert_with(|| Value::new(None, Map::<String, Value>::new()));
    if !matches!(inner.kind, ValueKind::Table(_)) {
        inner.kind = ValueKind::Table(Map::new());
    }
    if let ValueKind::Table(inner) = &mut inner.kind {
        insert_at(inner, rest, value);
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(path, _)| path.join("."))).finish()
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").field("file", &self.file).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{process::Command, thread};

    use super::*;

    fn named_pipe(dir: &Path) -> PathBuf {
        let path = dir.join("pipe");
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        path
    }

    #[test]
    fn a_named_pipe_without_a_writer_is_given_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = named_pipe(dir.path());
        let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap();
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path).unwrap();
        let until = Instant::now() + Duration::from_millis(50);
        let error = PatientReader { file, until }.read(&mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn a_named_pipe_is_read_to_the_end_of_its_writer() {
        let dir = tempfile::tempdir().unwrap();
        let path = named_pipe(dir.path());
        let writer = thread::spawn({
            let path = path.clone();
            move || std::fs::write(path, "a token")
        });
        assert_eq!(read_text(&path, 100).as_deref(), Ok("a token"));
        writer.join().unwrap().unwrap();
    }
}
