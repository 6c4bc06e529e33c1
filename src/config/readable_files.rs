//! Warnings about files with secrets that others can read.

use std::{
    collections::BTreeMap,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use super::{key_reader::TableReader, problem::Problem};

/// The most files of a directory that are named one by one: a directory of tokens may have thousands.
const MOST_NAMED: usize = 3;

/// A file that others can read.
#[derive(Debug)]
pub(super) struct ReadableFile {
    path: PathBuf,
    readers: String,
    /// The warning about this file alone.
    warning: Problem,
}

impl TableReader<'_> {
    /// Warns if others can read the file that a key names.
    pub(super) fn warn_if_readable(&mut self, key: &str, path: &Path) {
        let Some(readers) = other_readers(path) else { return };
        let message = format!("{} can be read by {readers}", path.display());
        let warning = self.problem(key, message, format!("chmod 600 {}", path.display()));
        self.add_readable_file(ReadableFile { path: path.to_owned(), readers, warning });
    }
}

/// Returns the warnings: one for each file, or one for many files of a directory.
pub(super) fn warnings(files: Vec<ReadableFile>) -> Vec<Problem> {
    let mut directories: BTreeMap<(PathBuf, String), Vec<ReadableFile>> = BTreeMap::new();
    for file in files {
        let directory = file.path.parent().unwrap_or(Path::new("")).to_owned();
        let same = directories.entry((directory, file.readers.clone())).or_default();
        // Two keys may name one file.
        if same.iter().all(|other| other.path != file.path || other.warning.key != file.warning.key) {
            same.push(file);
        }
    }
    directories
        .into_iter()
        .flat_map(|((directory, readers), files)| match &files[..] {
            [first, ..] if files.len() > MOST_NAMED => {
                let (count, shown) = (files.len(), first.path.display());
                let message = format!("{count} files such as {shown} can be read by {readers}");
                let remedy = format!("chmod 600 the files in {}", directory.display());
                vec![Problem::new("", message, remedy)]
            }
            _ => files.into_iter().map(|file| file.warning).collect(),
        })
        .collect()
}

/// Returns who else may read the file. The process's own group is left out: usually it has no other member, and
/// Kubernetes makes secrets readable by it.
fn other_readers(path: &Path) -> Option<String> {
    const READ_BY_GROUP: u32 = 0o040;
    const READ_BY_OTHERS: u32 = 0o004;
    let metadata = path.metadata().ok()?;
    let has = |bit| metadata.mode() & bit != 0;
    let own_group = rustix::process::getegid().as_raw();
    if has(READ_BY_OTHERS) {
        return Some("every user of this machine".into());
    }
    (has(READ_BY_GROUP) && metadata.gid() != own_group)
        .then(|| format!("the group with id {}", metadata.gid()))
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{PermissionsExt as _, chown},
    };

    use super::*;

    #[test]
    fn readers_other_than_the_owner_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        fs::write(&path, "x").unwrap();
        let own = rustix::process::getegid().as_raw();
        for (mode, readers) in [(0o600, None), (0o640, None), (0o644, Some("every user of this machine"))] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(other_readers(&path).as_deref(), readers, "{mode:o}");
        }
        // Only root may give a file to a foreign group.
        if chown(&path, None, Some(own + 1)).is_ok() {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
            assert_eq!(other_readers(&path), Some(format!("the group with id {}", own + 1)));
        }
    }

    fn readable(path: &str, key: &str) -> ReadableFile {
        let warning = Problem::new(key, format!("{path} can be read"), "chmod");
        ReadableFile { path: path.into(), readers: "every user".into(), warning }
    }

    #[test]
    fn many_files_of_a_directory_are_one_warning() {
        let files = |count| {
            (0..count).map(|n| readable(&format!("tokens/{n}.token"), &format!("accounts.{n}.token_file")))
        };
        let few = files(3).chain([readable("hook.secret", "sinks.hook.secret_file")]).collect();
        assert_eq!(warnings(few).len(), 4);
        let many = files(1_000).chain([readable("hook.secret", "sinks.hook.secret_file")]).collect();
        let shown: Vec<_> = warnings(many).iter().map(ToString::to_string).collect();
        let expected =
            "1000 files such as tokens/0.token can be read by every user; chmod 600 the files in tokens";
        assert_eq!(shown, ["sinks.hook.secret_file: hook.secret can be read; chmod", expected]);
    }
}
