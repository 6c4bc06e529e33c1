//! `[state]`: where cursors are kept between runs.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use config::ValueKind;

use super::{servers::ReadContext, table::TableReader, value::ConfigValue};

/// Where cursors are kept between runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateConfig {
    /// In memory: what is posted between two runs is not fetched.
    Memory,
    /// In a file.
    Disk {
        /// The directory that the file is in.
        dir: PathBuf,
        /// Whether the disk is waited for.
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
    let given = section.optional::<PathBuf>("dir").map(|dir| context.directory.join(dir));
    // It costs some milliseconds a commit, and then a power cut damages nothing.
    let fsync = section.read("fsync", true);
    let bad = section.has("dir") && given.is_none();
    let dir = given.or_else(|| usual(context.environment));
    let state = match (kind, dir) {
        (Kind::Memory, _) => StateConfig::Memory,
        (Kind::Disk, Some(dir)) => StateConfig::Disk { dir, fsync },
        (Kind::Disk, None) => {
            if !bad {
                let what =
                    "it is missing, and neither STATE_DIRECTORY, XDG_STATE_HOME nor HOME names a place";
                section.refuse("dir", what, "name a directory for what is kept between runs");
            }
            StateConfig::Memory
        }
    };
    section.finish();
    state
}

/// Where systemd says (the first of several), else where the user's state is by the XDG specification. Both want
/// absolute paths, and what is none is passed over.
fn usual(environment: &HashMap<String, String>) -> Option<PathBuf> {
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

    fn usual_of(pairs: &[(&str, &str)]) -> Option<PathBuf> {
        usual(&pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn the_service_manager_goes_before_xdg_and_xdg_before_home() {
        let home = ("HOME", "/home/a");
        let xdg = ("XDG_STATE_HOME", "/xdg");
        let systemd = ("STATE_DIRECTORY", "/var/lib/matterhost:/var/lib/other");
        assert_eq!(usual_of(&[home, xdg, systemd]), Some("/var/lib/matterhost".into()));
        assert_eq!(usual_of(&[home, xdg]), Some("/xdg/matterhost".into()));
        assert_eq!(usual_of(&[home]), Some("/home/a/.local/state/matterhost".into()));
        assert_eq!(usual_of(&[]), None);
    }

    #[test]
    fn what_is_no_absolute_path_is_passed_over() {
        assert_eq!(
            usual_of(&[("STATE_DIRECTORY", ""), ("XDG_STATE_HOME", "xdg"), ("HOME", "/a")]),
            Some("/a/.local/state/matterhost".into())
        );
        assert_eq!(usual_of(&[("HOME", "a")]), None);
    }
}
