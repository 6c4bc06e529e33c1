//! The program's threads, open files and child processes, as the system reports them.

use std::{collections::BTreeMap, fs, thread, time::Duration, time::Instant};

use crate::program::DEADLINE;

/// Threads by name, and open files other than sockets by target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OpenResources {
    threads: BTreeMap<String, usize>,
    files: BTreeMap<String, usize>,
}

impl OpenResources {
    pub(super) fn of_process(process: u32) -> Self {
        let mut held = Self { threads: BTreeMap::new(), files: BTreeMap::new() };
        for thread in fs::read_dir(format!("/proc/{process}/task")).unwrap().flatten() {
            // The thread may have ended meanwhile.
            let name = fs::read_to_string(thread.path().join("comm")).unwrap_or_default();
            *held.threads.entry(name.trim().to_owned()).or_default() += 1;
        }
        for file in fs::read_dir(format!("/proc/{process}/fd")).unwrap().flatten() {
            let name = fs::read_link(file.path()).unwrap_or_default().display().to_string();
            // Sockets come and go with requests; the simulator counts them.
            if !name.is_empty() && !name.starts_with("socket:") {
                *held.files.entry(name.split(':').next().unwrap().to_owned()).or_default() += 1;
            }
        }
        held
    }

    fn is_within(&self, other: &Self) -> bool {
        let within = |a: &BTreeMap<String, usize>, b: &BTreeMap<String, usize>| {
            a.values().sum::<usize>() <= b.values().sum::<usize>()
        };
        within(&self.threads, &other.threads) && within(&self.files, &other.files)
    }

    /// Waits until the process holds no more than this. Threads need a moment to end, idle ones ten seconds.
    pub(super) fn await_no_more(&self, process: u32) {
        await_that(
            || Self::of_process(process).is_within(self),
            || format!("{:#?}, not {self:#?}", Self::of_process(process)),
        );
    }
}

/// Waits until the process has `count` children.
pub(super) fn await_children(process: u32, count: usize) {
    let children = || {
        let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap().flatten();
        let of = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
        of.map(|children| children.split_whitespace().count()).sum::<usize>()
    };
    await_that(|| children() == count, || format!("{} children, not {count}", children()));
}

fn await_that(holds: impl Fn() -> bool, what: impl Fn() -> String) {
    let end = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < end, "{}", what());
        thread::sleep(Duration::from_millis(50));
    }
}
