//! Disks that are full, read-only, or not writable for this user.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use matterhost_actors::ports::CursorStore as _;
use matterhost_actors::store::{
    DiskError, DiskErrorKind, DiskSettings, DiskStore, FILE_NAME, StoreStatus, inspect,
};

use crate::{
    child::child_on_disk,
    store_dir::{StoreDir, name, records},
};

/// Time limit for a store to work again once the disk has room.
const DEADLINE: Duration = Duration::from_secs(30);
/// The interval between attempts to commit.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

fn plays(size: &str, part: &str) {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut command) = child_on_disk(size, part, dir.path()) else { return };
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
fn a_store_that_was_full_works_again_when_there_is_room() {
    plays("1m", "full");
}

pub(crate) fn full(dir: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let ballast = dir.join("ballast");
    fs::write(&ballast, vec![1; 512 << 10]).unwrap();
    let store = DiskStore::open(dir, DiskSettings::default()).unwrap();
    let commit = |n: i64| runtime.block_on(store.commit(&name(&format!("bot-{n}")), records(10, n).into()));
    let (failed, error) = (0..).find_map(|n| Some((n, commit(n).err()?))).unwrap();
    let message = error.to_string();
    assert!(failed > 1, "{message}");
    assert!(
        message.contains(FILE_NAME) && message.contains("No space left") && message.contains("make room"),
        "{message}"
    );
    assert!(commit(failed).is_err(), "the disk is still full");
    fs::remove_file(ballast).unwrap();
    let end = Instant::now() + DEADLINE;
    while let Err(error) = commit(failed) {
        assert!(Instant::now() < end, "{error}");
        std::thread::sleep(RETRY_INTERVAL);
    }
    for n in 0..=failed {
        let found = runtime.block_on(store.load(&name(&format!("bot-{n}")))).unwrap();
        assert_eq!(found, records(10, n));
    }
    runtime.block_on(store.close()).unwrap();
}

#[test]
fn a_disk_too_full_to_start_is_reported() {
    plays("32k", "too-small");
}

pub(crate) fn too_small(dir: &Path) {
    let error = DiskStore::open(dir, DiskSettings::default()).unwrap_err();
    assert_eq!(error.kind, DiskErrorKind::Full, "{error}");
    assert_eq!(fs::read_dir(dir).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn a_read_only_disk_is_reported() {
    plays("1m", "read-only");
}

pub(crate) fn read_only(dir: &Path) {
    let remount = |how: &str| {
        let mut mount = std::process::Command::new("mount");
        assert!(mount.args(["-o", &format!("remount,{how}")]).arg(dir).status().unwrap().success());
    };
    let unwritable = |error: DiskError| {
        assert_eq!(error.kind, DiskErrorKind::Unwritable, "{error}");
        assert!(error.to_string().contains("to write there"), "{error}");
    };
    remount("ro");
    unwritable(DiskStore::open(dir, DiskSettings::default()).unwrap_err());
    unwritable(inspect(&dir.join("below/it")).unwrap_err());
    remount("rw");
    // Closed, not just dropped: the disk must not be in use.
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(DiskStore::open(dir, DiskSettings::default()).unwrap().close()).unwrap();
    remount("ro");
    unwritable(DiskStore::open(dir, DiskSettings::default()).unwrap_err());
    unwritable(inspect(dir).unwrap_err());
}

#[test]
fn a_path_that_is_not_a_directory_is_reported() {
    let store_dir = StoreDir::new();
    let file = store_dir.dir().join("a-file");
    fs::write(&file, "").unwrap();
    for dir in [file.clone(), file.join("below")] {
        let error = DiskStore::open(&dir, DiskSettings::default()).unwrap_err();
        assert_eq!(error.kind, DiskErrorKind::Unwritable, "{error}");
        assert!(error.to_string().contains("name a directory of its own"), "{error}");
        assert!(inspect(&dir).is_err());
    }
    fs::create_dir(store_dir.file()).unwrap();
    let error = store_dir.open().unwrap_err();
    assert_eq!(error.kind, DiskErrorKind::Unwritable, "{error}");
}

#[test]
fn a_missing_directory_is_created_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let store_dir = StoreDir::new();
    let dir = store_dir.dir().join("state/matterhost");
    assert_eq!(inspect(&dir), Ok(StoreStatus::New));
    assert!(!store_dir.dir().join("state").exists(), "inspecting the store creates nothing");
    drop(DiskStore::open(&dir, DiskSettings::default()).unwrap());
    for (path, mode) in [(dir.clone(), 0o700), (dir.join(FILE_NAME), 0o600)] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, mode);
    }
}
