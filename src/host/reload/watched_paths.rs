//! Where a change of a file can be seen: in its directory, and wherever a link on the way to it stands.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ffi::OsString,
    fs,
    path::{self, Component, Path, PathBuf},
};

/// The names in directories that decide what a file holds.
pub(in crate::host) type WatchedPaths = BTreeMap<PathBuf, BTreeSet<OsString>>;

/// As many links as a system follows.
const MOST_LINKS: usize = 40;

/// The places of files.
pub(in crate::host) fn resolve(files: &BTreeSet<PathBuf>) -> WatchedPaths {
    let mut places = WatchedPaths::new();
    for file in files {
        add(file, &mut places);
    }
    places
}

/// Adds the places of a file. Kubernetes swaps a link beside the file, others one to a whole directory: each link on the
/// way is one of the places, and so is the file itself.
fn add(file: &Path, places: &mut WatchedPaths) {
    // Where there is no current directory the path is taken as it is.
    let whole = path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let mut steps: VecDeque<PathBuf> = steps(&whole).collect();
    let (mut at, mut links) = (PathBuf::new(), 0);
    while let Some(step) = steps.pop_front() {
        let next = at.join(&step);
        let link = fs::read_link(&next).ok().filter(|_| links < MOST_LINKS);
        if (link.is_some() || steps.is_empty())
            && let Some(name) = step.file_name()
        {
            places.entry(at.clone()).or_default().insert(name.to_owned());
        }
        match link {
            Some(target) => {
                links += 1;
                for step in self::steps(&target).collect::<Vec<_>>().into_iter().rev() {
                    steps.push_front(step);
                }
            }
            None if step == Path::new("..") => {
                at.pop();
            }
            None => at = next,
        }
    }
}

fn steps(path: &Path) -> impl Iterator<Item = PathBuf> {
    path.components().filter(|step| *step != Component::CurDir).map(|step| PathBuf::from(step.as_os_str()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn of(file: &Path) -> Vec<(PathBuf, Vec<OsString>)> {
        let mut places = WatchedPaths::new();
        add(file, &mut places);
        places.into_iter().map(|(dir, names)| (dir, names.into_iter().collect())).collect()
    }

    #[test]
    fn a_plain_file_is_seen_in_its_directory() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        fs::write(dir.join("token"), "x").unwrap();
        assert_eq!(of(&dir.join("token")), [(dir.clone(), vec!["token".into()])]);
        assert_eq!(of(&dir.join("away")), [(dir, vec!["away".into()])], "it may come");
    }

    #[test]
    fn each_link_on_the_way_is_a_place() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        fs::create_dir(dir.join("..1")).unwrap();
        fs::write(dir.join("..1/token"), "x").unwrap();
        symlink("..1", dir.join("..data")).unwrap();
        symlink("..data/token", dir.join("token")).unwrap();
        let seen = of(&dir.join("token"));
        assert_eq!(
            seen,
            [(dir.clone(), vec!["..data".into(), "token".into()]), (dir.join("..1"), vec!["token".into()])]
        );
        symlink("loop", dir.join("loop")).unwrap();
        assert_eq!(of(&dir.join("loop"))[0].0, dir, "it ends");
    }
}
