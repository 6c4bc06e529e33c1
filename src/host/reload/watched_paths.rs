//! The directory entries whose change can change the content of a file: the file itself, and each symbolic link in its
//! path.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ffi::{OsStr, OsString},
    fs,
    path::{self, Component, Path, PathBuf},
};

use crate::config::Directory;

/// Directories, each with the names to watch in it.
pub(in crate::host) type WatchedPaths = BTreeMap<PathBuf, WatchedNames>;

/// The names to watch in a directory.
#[derive(Debug, Default)]
pub(in crate::host) struct WatchedNames {
    names: BTreeSet<OsString>,
    /// Directories of the configuration, in which other names count too.
    patterns: Vec<Directory>,
}

/// Number of symbolic links that are followed, as in the Linux kernel.
const MAX_LINKS: usize = 40;

impl WatchedNames {
    /// Returns true if a change of this name counts.
    pub(in crate::host) fn contain(&self, name: &OsStr) -> bool {
        let matches = |name| self.patterns.iter().any(|directory| directory.matches(name));
        self.names.contains(name) || name.to_str().is_some_and(matches)
    }
}

/// Returns the directory entries of the files, and those of the files in the directories.
pub(in crate::host) fn resolve(mut files: BTreeSet<PathBuf>, directories: &[Directory]) -> WatchedPaths {
    let mut paths = WatchedPaths::new();
    for directory in directories {
        let path = Some(directory.path()).filter(|path| !path.as_os_str().is_empty());
        let path = path.unwrap_or(Path::new("."));
        files.insert(path.to_owned());
        files.extend(directory.files());
        let absolute = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        paths.entry(absolute).or_default().patterns.push(directory.clone());
    }
    for file in &files {
        add(file, &mut paths);
    }
    paths
}

/// Adds the entries of one file. Kubernetes replaces a symbolic link next to the file, others one to a whole directory,
/// so every link in the path is an entry.
fn add(file: &Path, paths: &mut WatchedPaths) {
    // Without a current directory, the path is used as it is.
    let absolute = path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let mut remaining: VecDeque<PathBuf> = components(&absolute).collect();
    let (mut directory, mut links) = (PathBuf::new(), 0);
    while let Some(component) = remaining.pop_front() {
        let next = directory.join(&component);
        let link = fs::read_link(&next).ok().filter(|_| links < MAX_LINKS);
        if (link.is_some() || remaining.is_empty())
            && let Some(name) = component.file_name()
        {
            paths.entry(directory.clone()).or_default().names.insert(name.to_owned());
        }
        match link {
            Some(target) => {
                links += 1;
                for component in components(&target).collect::<Vec<_>>().into_iter().rev() {
                    remaining.push_front(component);
                }
            }
            None if component == Path::new("..") => {
                directory.pop();
            }
            None => directory = next,
        }
    }
}

fn components(path: &Path) -> impl Iterator<Item = PathBuf> {
    let components = path.components().filter(|component| *component != Component::CurDir);
    components.map(|component| PathBuf::from(component.as_os_str()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn entries(file: &Path) -> Vec<(PathBuf, Vec<OsString>)> {
        let mut paths = WatchedPaths::new();
        add(file, &mut paths);
        paths.into_iter().map(|(dir, watched)| (dir, watched.names.into_iter().collect())).collect()
    }

    #[test]
    fn a_plain_file_is_watched_in_its_directory() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        fs::write(dir.join("token"), "x").unwrap();
        assert_eq!(entries(&dir.join("token")), [(dir.clone(), vec!["token".into()])]);
        assert_eq!(entries(&dir.join("away")), [(dir, vec!["away".into()])], "a missing file is watched too");
    }

    #[test]
    fn each_link_in_the_path_is_watched() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        fs::create_dir(dir.join("..1")).unwrap();
        fs::write(dir.join("..1/token"), "x").unwrap();
        symlink("..1", dir.join("..data")).unwrap();
        symlink("..data/token", dir.join("token")).unwrap();
        let seen = entries(&dir.join("token"));
        assert_eq!(
            seen,
            [(dir.clone(), vec!["..data".into(), "token".into()]), (dir.join("..1"), vec!["token".into()])]
        );
        symlink("loop", dir.join("loop")).unwrap();
        assert_eq!(entries(&dir.join("loop"))[0].0, dir, "a cycle of links ends");
    }
}
