//! This test binary as a child process: one that is killed, and one on a full disk.

use std::{
    env,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::Command,
};

/// The variables for the part to play and the directory of the store.
const ROLE: &str = "MATTERHOST_TEST_PART";
const DIR: &str = "MATTERHOST_TEST_DIR";

/// Returns a command that runs this test binary to play one part only.
pub(crate) fn child_process(part: &str, dir: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "child::plays_its_part", "--nocapture"]).env(ROLE, part).env(DIR, dir);
    command
}

/// Like [`child_process`], on a memory disk mounted for it alone; `None` if this system does not allow that.
pub(crate) fn child_on_disk(size: &str, part: &str, dir: &Path) -> Option<Command> {
    let mut mounting = Command::new("unshare");
    mounting.args(["--mount", "--map-root-user", "sh", "-c"]);
    mounting.arg("mount -t tmpfs -o size=\"$1\" tmpfs \"$2\" && shift 2 && exec \"$@\"");
    mounting.args(["sh", size]).arg(dir);
    let mut trying = Command::new(mounting.get_program());
    let tried = trying.args(mounting.get_args()).arg("true").output();
    if !tried.is_ok_and(|output| output.status.success()) {
        let why = "this system does not allow mounting a memory disk (unshare --mount)";
        // Not with println, which is shown for failing tests only.
        writeln!(io::stderr().lock(), "!!! LEFT OUT: {part}: {why}").unwrap();
        return None;
    }
    let playing = child_process(part, dir);
    mounting.arg(playing.get_program()).args(playing.get_args());
    mounting.env(ROLE, part).env(DIR, dir);
    Some(mounting)
}

/// Prints a line for the parent process, and flushes it.
pub(crate) fn print_line(line: &str) {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}

#[test]
fn plays_its_part() {
    // In a normal run of all tests there is no part to play.
    let Ok(part) = env::var(ROLE) else { return };
    let dir = PathBuf::from(env::var_os(DIR).unwrap());
    match part.as_str() {
        "committing" => crate::kills::committing(&dir, true),
        "committing-unsynced" => crate::kills::committing(&dir, false),
        "full" => crate::disks::full(&dir),
        "too-small" => crate::disks::too_small(&dir),
        "read-only" => crate::disks::read_only(&dir),
        other => panic!("unknown part {other}"),
    }
}
