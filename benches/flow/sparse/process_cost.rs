//! The costs of a process and of its descendants, as the kernel counts them.

use std::{
    fs,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::Context as _;

/// The costs of a process tree since its start.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ProcessCost {
    pub(crate) cpu: Duration,
    /// The CPU time of the store's thread.
    pub(crate) store_cpu: Duration,
    pub(crate) voluntary_switches: u64,
    /// Bytes written to a file system; pipes and sockets are not counted.
    pub(crate) written: u64,
}

impl ProcessCost {
    /// Reads the costs of a process tree. Threads and processes that have ended are not counted.
    pub(crate) fn read(process: u32) -> anyhow::Result<Self> {
        let mut cost = Self { written: field(&read(process, "io")?, "write_bytes:")?, ..Self::default() };
        for task in tasks(process)? {
            let Ok(time) = fs::read_to_string(format!("{task}/schedstat")) else { continue };
            let cpu = Duration::from_nanos(time.split(' ').next().unwrap_or_default().parse()?);
            let name = fs::read_to_string(format!("{task}/comm")).unwrap_or_default();
            let switches = fs::read_to_string(format!("{task}/status")).unwrap_or_default();
            cost.cpu += cpu;
            cost.store_cpu += if name.trim() == "store" { cpu } else { Duration::ZERO };
            cost.voluntary_switches += field(&switches, "voluntary_ctxt_switches:").unwrap_or_default();
        }
        for child in children(process)? {
            cost = cost.plus(Self::read(child)?);
        }
        Ok(cost)
    }

    /// Returns the costs since an earlier reading.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(earlier.cpu),
            store_cpu: self.store_cpu.saturating_sub(earlier.store_cpu),
            voluntary_switches: self.voluntary_switches.saturating_sub(earlier.voluntary_switches),
            written: self.written.saturating_sub(earlier.written),
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            cpu: self.cpu + other.cpu,
            store_cpu: self.store_cpu + other.store_cpu,
            voluntary_switches: self.voluntary_switches + other.voluntary_switches,
            written: self.written + other.written,
        }
    }
}

/// Counts the system calls of a process for a time, if `perf` is there and may do so.
pub(crate) fn count_system_calls(process: u32, during: Duration) -> Option<impl FnOnce() -> Option<f64>> {
    let mut perf = Command::new("perf");
    perf.args(["stat", "-e", "raw_syscalls:sys_enter", "-x", ",", "-p", &process.to_string(), "--", "sleep"]);
    perf.arg(during.as_secs().to_string()).stdout(Stdio::null()).stderr(Stdio::piped());
    let child = perf.spawn().ok()?;
    Some(|| {
        let output = child.wait_with_output().ok()?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        text.lines().find_map(|line| line.split(',').next()?.parse().ok())
    })
}

fn read(process: u32, file: &str) -> anyhow::Result<String> {
    let path = format!("/proc/{process}/{file}");
    fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
}

fn tasks(process: u32) -> anyhow::Result<Vec<String>> {
    let tasks = fs::read_dir(format!("/proc/{process}/task"))?;
    tasks.map(|task| Ok(task?.path().display().to_string())).collect()
}

fn children(process: u32) -> anyhow::Result<Vec<u32>> {
    let mut children = Vec::new();
    for task in tasks(process)? {
        let of_thread = fs::read_to_string(format!("{task}/children")).unwrap_or_default();
        children.extend(of_thread.split_whitespace().filter_map(|id| id.parse::<u32>().ok()));
    }
    Ok(children)
}

/// Reads a number behind its name; lines of `status` and `io` have that form.
fn field(text: &str, name: &str) -> anyhow::Result<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)).context("a field is missing")?;
    Ok(value.trim().parse()?)
}
