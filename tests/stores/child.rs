//! This program once more, in a part of its own: what is killed, and what lives on a disk that is full.

use std::{
    env,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::Command,
};

/// The part, and the directory of the store.
const ROLE: &str = "MATTERHOST_TEST_PART";
const DIR: &str = "MATTERHOST_TEST_DIR";

/// Runs this program so that only the part is played.
pub(crate) fn child_process(part: &str, dir: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "child::plays_its_part", "--nocapture"]).env(ROLE, part).env(DIR, dir);
    command
}

/// The same on a disk of its own in memory, which is mounted for it alone; where this system lets us.
pub(crate) fn child_on_disk(size: &str, part: &str, dir: &Path) -> Option<Command> {
    let mut mounting = Command::new("unshare");
    mounting.args(["--mount", "--map-root-user", "sh", "-c"]);
    mounting.arg("mount -t tmpfs -o size=\"$1\" tmpfs \"$2\" && shift 2 && exec \"$@\"");
    mounting.args(["sh", size]).arg(dir);
    let mut trying = Command::new(mounting.get_program());
    let tried = trying.args(mounting.get_args()).arg("true").output();
    if !tried.is_ok_and(|output| output.status.success()) {
        let why = "this system lets nobody mount a disk in memory (unshare --mount)";
        // Not by println, which is shown of failing tests alone.
        writeln!(io::stderr().lock(), "!!! LEFT OUT: {part}: {why}").unwrap();
        return None;
    }
    let playing = child_process(part, dir);
    mounting.arg(playing.get_program()).args(playing.get_args());
    mounting.env(ROLE, part).env(DIR, dir);
    Some(mounting)
}

/// Says something to who started it, at once.
pub(crate) fn print_line(line: &str) {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}

#[test]
fn plays_its_part() {
    // Among all the other tests it has none.
    let Ok(part) = env::var(ROLE) else { return };
    let dir = PathBuf::from(env::var_os(DIR).unwrap());
    match part.as_str() {
        "committing" => crate::kills::committing(&dir, true),
        "committing-unsynced" => crate::kills::committing(&dir, false),
        "full" => crate::disks::full(&dir),
        "too-small" => crate::disks::too_small(&dir),
        "read-only" => crate::disks::read_only(&dir),
        other => panic!("there is no part {other}"),
    }
}
