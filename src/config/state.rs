//! `[state]`: storage for cursors between runs.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use config::ValueKind;

use super::{key_reader::TableReader, servers::ReadContext, value::ConfigValue};

/// Storage for cursors between runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateConfig {
    /// In memory: posts made between two runs are not fetched.
    Memory,
    /// In a file.
    Disk {
        /// The file's directory.
        dir: PathBuf,
        /// True if each commit waits for the disk.
        fsync: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Disk,
    Memory,
}

impl ConfigValue for Kind {
    const KIND: &'static str = "disk or memory";
    const HINT: &'static str = "write disk or memory";

    fn read(value: &ValueKind) -> Option<Self> {
        match String::read(value)?.as_str() {
            "disk" => Some(Self::Disk),
            "memory" => Some(Self::Memory),
            _ => None,
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Disk => "disk".into(),
            Self::Memory => "memory".into(),
        }
    }
}

pub(super) fn read(mut section: TableReader<'_>, context: &ReadContext<'_>) -> StateConfig {
    let kind = section.read("store", Kind::Disk);
    let given = section.optional_path("dir", context);
    // Each commit takes a few milliseconds longer, and a power failure damages nothing.
    let fsync = section.read("fsync", true);
    let is_invalid = section.has("dir") && given.is_none();
    let dir = given.or_else(|| default_dir(context.environment));
    let state = match (kind, dir) {
        (Kind::Memory, _) => StateConfig::Memory,
        (Kind::Disk, Some(dir)) => StateConfig::Disk { dir, fsync },
        (Kind::Disk, None) => {
            if !is_invalid {
                let message =
                    "it is missing, and none of STATE_DIRECTORY, XDG_STATE_HOME and HOME is an absolute path";
                section.refuse("dir", message, "set a directory for the data that is kept between runs");
            }
            StateConfig::Memory
        }
    };
    section.finish();
    state
}

/// Returns the default directory: the first of systemd's, or else the user's by the XDG specification. Both require
/// absolute paths; others are ignored.
fn default_dir(environment: &HashMap<String, String>) -> Option<PathBuf> {
    let absolute = |text: &str| Some(PathBuf::from(text)).filter(|path| path.is_absolute());
    let variable = |name: &str| environment.get(name).map(String::as_str);
    let systemd = || absolute(variable("STATE_DIRECTORY")?.split(':').next()?);
    let xdg = || Some(absolute(variable("XDG_STATE_HOME")?)?.join("matterhost"));
    let home = || Some(absolute(variable("HOME")?)?.join(Path::new(".local/state/matterhost")));
    systemd().or_else(xdg).or_else(home)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn default_dir_of(pairs: &[(&str, &str)]) -> Option<PathBuf> {
        default_dir(&pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn the_service_manager_goes_before_xdg_and_xdg_before_home() {
        let home = ("HOME", "/home/a");
        let xdg = ("XDG_STATE_HOME", "/xdg");
        let systemd = ("STATE_DIRECTORY", "/var/lib/matterhost:/var/lib/other");
        assert_eq!(default_dir_of(&[home, xdg, systemd]), Some("/var/lib/matterhost".into()));
        assert_eq!(default_dir_of(&[home, xdg]), Some("/xdg/matterhost".into()));
        assert_eq!(default_dir_of(&[home]), Some("/home/a/.local/state/matterhost".into()));
        assert_eq!(default_dir_of(&[]), None);
    }

    #[test]
    fn relative_paths_are_ignored() {
        assert_eq!(
            default_dir_of(&[("STATE_DIRECTORY", ""), ("XDG_STATE_HOME", "xdg"), ("HOME", "/a")]),
            Some("/a/.local/state/matterhost".into())
        );
        assert_eq!(default_dir_of(&[("HOME", "a")]), None);
    }
}
