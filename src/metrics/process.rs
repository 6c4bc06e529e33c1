//! The process itself, from `/proc`, and which program it is.

use std::fmt;

use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};

/// Reads the process when it is asked.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    #[cfg(target_os = "linux")]
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        linux::encode(&mut encoder)
    }

    /// Elsewhere there is no `/proc`.
    #[cfg(not(target_os = "linux"))]
    fn encode(&self, _: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        Ok(())
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fmt;

    use procfs::{
        WithCurrentSystemInfo as _, boot_time_secs,
        process::{LimitValue, Process, Stat},
        ticks_per_second,
    };
    use prometheus_client::{
        encoding::DescriptorEncoder,
        registry::Unit::{Bytes, Seconds},
    };

    use crate::metrics::scrape::{Family, Kind, float};

    const CPU: Family = Family {
        name: "process_cpu",
        help: "Processor time of the process, its own and the system's for it",
        unit: Some(Seconds),
        kind: Kind::Counter,
    };
    const RESIDENT: Family = Family {
        name: "process_resident_memory",
        help: "Memory of the process that is in the machine's",
        unit: Some(Bytes),
        kind: Kind::Gauge,
    };
    const VIRTUAL: Family = Family {
        name: "process_virtual_memory",
        help: "Memory that the process has addresses for",
        unit: Some(Bytes),
        kind: Kind::Gauge,
    };
    const START: Family = Family {
        name: "process_start_time",
        help: "When the process began, since 1970",
        unit: Some(Seconds),
        kind: Kind::Gauge,
    };
    const THREADS: Family =
        Family { name: "process_threads", help: "Threads of the process", unit: None, kind: Kind::Gauge };
    const OPEN_FDS: Family = Family {
        name: "process_open_fds",
        help: "Files and sockets that are open",
        unit: None,
        kind: Kind::Gauge,
    };
    const MAX_FDS: Family = Family {
        name: "process_max_fds",
        help: "Files and sockets that may be open",
        unit: None,
        kind: Kind::Gauge,
    };

    /// What cannot be read is left out.
    pub(super) fn encode(encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Ok(myself) = Process::myself() else { return Ok(()) };
        if let Ok(stat) = myself.stat() {
            of(&stat, encoder)?;
        }
        if let Ok(open) = myself.fd_count() {
            OPEN_FDS.one(encoder, float(open))?;
        }
        if let Ok(LimitValue::Value(most)) = myself.limits().map(|limits| limits.max_open_files.soft_limit) {
            MAX_FDS.one(encoder, float(most))?;
        }
        Ok(())
    }

    fn of(stat: &Stat, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let seconds = |ticks: u64| float(ticks) / float(ticks_per_second());
        CPU.one(encoder, seconds(stat.utime.saturating_add(stat.stime)))?;
        RESIDENT.one(encoder, float(stat.rss_bytes().get()))?;
        VIRTUAL.one(encoder, float(stat.vsize))?;
        THREADS.one(encoder, float(stat.num_threads))?;
        if let Ok(boot) = boot_time_secs() {
            START.one(encoder, float(boot) + seconds(stat.starttime))?;
        }
        Ok(())
    }
}
