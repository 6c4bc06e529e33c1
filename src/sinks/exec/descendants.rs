//! The processes that a child has started, wherever they are. They are found by a variable that they inherit.

#[cfg(target_os = "linux")]
use std::ffi::OsStr;

#[cfg(target_os = "linux")]
use procfs::process::{Process, all_processes};
#[cfg(target_os = "linux")]
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// The variable with a value of its own for each child.
pub(super) const MARK_VARIABLE: &str = "MATTERHOST_CHILD";

/// The rounds of looking for processes: one that is killed may have started another meanwhile.
#[cfg(target_os = "linux")]
const MAX_ROUNDS: usize = 3;

/// Kills all processes with this mark. One that has removed the variable from its environment is not found.
#[cfg(target_os = "linux")]
pub(super) fn kill(mark: &str) {
    for _ in 0..MAX_ROUNDS {
        let Ok(processes) = all_processes() else { return };
        // Processes of other users, and those that are gone, are errors.
        let killed =
            processes.filter_map(Result::ok).filter(|process| kill_if_marked(process, mark).is_some());
        if killed.count() == 0 {
            return;
        }
    }
}

/// Does nothing: other systems do not show the environment of a process.
#[cfg(not(target_os = "linux"))]
pub(super) fn kill(_: &str) {}

#[cfg(target_os = "linux")]
fn kill_if_marked(process: &Process, mark: &str) -> Option<()> {
    // The handle comes first. If the process is there afterwards, it is the one of the handle, not a later one with its id.
    let handle = pidfd_open(Pid::from_raw(process.pid())?, PidfdFlags::empty()).ok()?;
    let environment = process.environ().ok()?;
    let is_marked = environment.get(OsStr::new(MARK_VARIABLE)).is_some_and(|value| value == mark);
    is_marked.then(|| pidfd_send_signal(handle, Signal::KILL).ok()).flatten()
}
