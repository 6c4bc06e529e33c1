//! Metrics of the process, from `/proc`.

use std::fmt;

use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};

/// A collector that reads the process at each scrape.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    #[cfg(target_os = "linux")]
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        linux::encode(&mut encoder)
    }

    /// Other systems have no `/proc`.
    #[cfg(not(target_os = "linux"))]
    fn encode(&self, _: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        Ok(())
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{fmt, time::Duration};

    use procfs::{
        WithCurrentSystemInfo as _, boot_time_secs,
        process::{LimitValue, Process, Stat},
        ticks_per_second,
    };
    use prometheus_client::{
        encoding::DescriptorEncoder,
        registry::Unit::{Bytes, Seconds},
    };

    use crate::telemetry::metrics::scrape::{Family, Kind};

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

    /// Writes the metrics that can be read.
    pub(super) fn encode(encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Ok(myself) = Process::myself() else { return Ok(()) };
        if let Ok(stat) = myself.stat() {
            encode_stat(&stat, encoder)?;
        }
        if let Ok(open) = myself.fd_count() {
            OPEN_FDS.write_value(encoder, open)?;
        }
        if let Ok(LimitValue::Value(most)) = myself.limits().map(|limits| limits.max_open_files.soft_limit) {
            MAX_FDS.write_value(encoder, most)?;
        }
        Ok(())
    }

    fn encode_stat(stat: &Stat, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let time =
            |ticks: u64| Duration::from_millis(ticks.saturating_mul(1_000) / ticks_per_second().max(1));
        CPU.write_value(encoder, time(stat.utime.saturating_add(stat.stime)).as_secs_f64())?;
        RESIDENT.write_value(encoder, stat.rss_bytes().get())?;
        VIRTUAL.write_value(encoder, stat.vsize)?;
        THREADS.write_value(encoder, u64::try_from(stat.num_threads).unwrap_or_default())?;
        if let Ok(boot) = boot_time_secs() {
            let started = Duration::from_secs(boot) + time(stat.starttime);
            START.write_value(encoder, started.as_secs_f64())?;
        }
        Ok(())
    }
}
