//! Merges the layers: the files, the environment and flags. The readers add the defaults.

mod directory;
mod document;
mod files;
mod layout;
mod locations;
mod merge;
mod variables;

pub use directory::Directory;
pub(in crate::config) use files::{INCLUDE, NamedTexts, TOKEN_DIR};
pub use layout::Layout;
pub(in crate::config) use locations::{Location, Locations};

use std::{
    collections::{BTreeMap, HashMap},
    env, fmt,
    fs::{File, OpenOptions},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use config::Value;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::OFlags,
};

use self::files::Files;
use super::{bot_factories::Bots, problem::Problem};

/// The size limit of a file; ten thousand accounts take a tenth of it.
const LARGEST_FILE: u64 = 16 * 1024 * 1024;

/// The time for the writer of a named pipe, such as a program that fetches a token.
const PIPE_TIMEOUT: Duration = Duration::from_secs(5);

/// The sources of a configuration. Nothing else is read, so tests control everything.
#[derive(Clone, Default)]
pub struct Sources {
    /// The configuration files; others may be included by them.
    pub files: Vec<PathBuf>,
    /// The process's environment.
    pub environment: HashMap<String, String>,
    /// Keys and values set by flags, with the flag's name.
    pub flags: Vec<(&'static str, String, &'static str)>,
    /// The bots in Rust that the program was built with.
    pub bots: Bots,
}

/// The merged layers.
pub(super) struct Collected {
    pub(super) tree: BTreeMap<String, Value>,
    pub(super) places: Locations,
    /// The files of the directories of tokens.
    pub(super) token_files: Vec<TokenFile>,
    pub(super) layout: Layout,
    /// True if a file that a pattern found could not be read or parsed.
    pub(super) is_incomplete: bool,
    pub(super) problems: Vec<Problem>,
}

/// A file in a directory of tokens.
pub(super) struct TokenFile {
    pub(super) account: String,
    pub(super) path: PathBuf,
}

/// Returns the process's environment without variables that are not UTF-8.
pub fn environment() -> HashMap<String, String> {
    env::vars_os()
        .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

impl Sources {
    /// Returns the first file, by which the configuration is named.
    pub fn first_file(&self) -> Option<&Path> {
        self.files.first().map(PathBuf::as_path)
    }

    /// Returns the directory at which relative paths of variables start: that of the first file.
    pub(super) fn directory(&self) -> &Path {
        self.first_file().and_then(Path::parent).unwrap_or(Path::new(""))
    }

    /// Reads the files and merges all layers. The texts of files in `pinned` are used instead of their content.
    ///
    /// # Errors
    /// Fails if a file that is named, not found by a pattern, cannot be read or parsed.
    pub(super) fn collect(&self, pinned: &NamedTexts) -> Result<Collected, Vec<Problem>> {
        let files = Files::read(&self.files, pinned);
        let Files {
            documents, mut token_dirs, included, named_texts, found_unreadable, mut problems, ..
        } = files;
        if files.named_unreadable {
            return Err(problems);
        }
        let (mut tree, places) = merge::documents(documents, &mut problems);
        problems.extend(variables::misspelled(&self.environment));
        self.apply_variables(&mut tree, &mut token_dirs, &mut problems);
        for (key, value, flag) in &self.flags {
            let path: Vec<_> = key.split('.').map(str::to_owned).collect();
            variables::insert_at(&mut tree, &path, Value::new(Some(&(*flag).to_owned()), value.clone()));
        }
        let token_files = list_tokens(&token_dirs, &mut problems);
        let directories = included.into_iter().chain(token_dirs.into_iter().map(|(directory, _)| directory));
        let layout = Layout::new(directories.collect(), named_texts);
        let tree = tree.into_iter().collect();
        Ok(Collected { tree, places, token_files, layout, is_incomplete: found_unreadable, problems })
    }

    /// Sets the keys of variables.
    fn apply_variables(
        &self,
        tree: &mut config::Map<String, Value>,
        token_dirs: &mut Vec<(Directory, Location)>,
        problems: &mut Vec<Problem>,
    ) {
        for (path, value) in variables::values(&self.environment, tree) {
            match path.first().map(String::as_str) {
                Some(INCLUDE) => problems.push(Problem {
                    origin: value.origin().map(str::to_owned),
                    ..Problem::new(INCLUDE, "only a file can include others", "pass several --config")
                }),
                Some(TOKEN_DIR) => match Directory::of_tokens(&self.directory().join(value.kind.to_string()))
                {
                    Ok(directory) => {
                        let place = Location {
                            file: Path::new(value.origin().unwrap_or_default()).into(),
                            line: None,
                        };
                        *token_dirs = vec![(directory, place)];
                    }
                    Err((message, remedy)) => problems.push(Problem::new(TOKEN_DIR, message, remedy)),
                },
                _ => variables::insert_at(tree, &path, value),
            }
        }
    }
}

/// Lists the files of the directories of tokens.
fn list_tokens(directories: &[(Directory, Location)], problems: &mut Vec<Problem>) -> Vec<TokenFile> {
    let mut files: BTreeMap<String, PathBuf> = BTreeMap::new();
    for (directory, place) in directories {
        let refuse = |message: String, remedy: &str| Problem {
            place: Some(place.describe()),
            ..Problem::new(TOKEN_DIR, message, remedy)
        };
        match directory.list() {
            Ok(entries) => {
                for entry in entries {
                    if let Some(first) = files.insert(entry.account.clone(), entry.path.clone()) {
                        let both =
                            format!("{} and {} are the same account", first.display(), entry.path.display());
                        problems.push(refuse(both, "keep one of them"));
                    }
                }
            }
            Err(message) => problems.push(refuse(message, "create the directory, or fix its name")),
        }
    }
    files.into_iter().map(|(account, path)| TokenFile { account, path }).collect()
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

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").field("files", &self.files).finish_non_exhaustive()
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
