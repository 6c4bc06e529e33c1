//! CPU time and latency of sinks, replies per second, and memory use with a sink that accepts nothing.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints its figures")]

#[expect(dead_code, reason = "the other programs use the rest")]
#[path = "../common/counting_sink.rs"]
mod counting_sink;
#[path = "../common/cpu_time.rs"]
mod cpu_time;
mod handlers;
#[expect(dead_code, reason = "the other programs use the rest")]
#[path = "../common/host.rs"]
mod host;
#[expect(dead_code, reason = "the other programs use the rest")]
#[path = "../capacity/memory.rs"]
mod memory;
#[path = "../common/program.rs"]
mod program;
mod replies;
#[path = "../common/server.rs"]
mod server;
mod stuck_sink;
#[expect(dead_code, reason = "the other programs use the rest")]
#[path = "../common/table.rs"]
mod table;
mod throughput;

use std::{env, process::ExitCode};

use program::{Case, run};
use table::{Direction, Figure};

/// The allocator of the program.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CASES: &[Case] = &[
    Case { name: "stdout", measure: throughput::stdout },
    Case { name: "file", measure: throughput::file },
    Case { name: "webhook", measure: throughput::webhook },
    Case { name: "exec", measure: throughput::exec },
    Case { name: "replies", measure: replies::a_second },
    Case { name: "stuck", measure: stuck_sink::growth },
];

const fn rate(what: &'static str, reading: &'static str) -> Figure {
    Figure { direction: Direction::HigherIsBetter, ..Figure::informational(what, "/s", reading) }
}

const FIGURES: &[Figure] = &[
    rate("stdout: events per second of CPU time, the sink alone", "stdout-cpu"),
    Figure::informational("· added latency, median", "µs", "stdout-p50"),
    Figure::informational("· 99th percentile", "µs", "stdout-p99"),
    rate("file, without fsync: events per second of CPU time, the sink alone", "file-cpu"),
    Figure::informational("· added latency, median", "µs", "file-p50"),
    Figure::informational("· 99th percentile", "µs", "file-p99"),
    rate("webhook: events per second of CPU time, the sink alone", "webhook-cpu"),
    Figure::informational("· added latency, median", "µs", "webhook-p50"),
    Figure::informational("· 99th percentile", "µs", "webhook-p99"),
    rate("exec: events per second of CPU time, the sink alone", "exec-cpu"),
    Figure::informational("· added latency, median", "µs", "exec-p50"),
    Figure::informational("· 99th percentile", "µs", "exec-p99"),
    rate("replies a second, 20 accounts", "replies"),
    Figure::informational("growth with a stuck sink and a flood of 100,000 events", "KiB", "stuck"),
];

fn main() -> anyhow::Result<ExitCode> {
    match env::args().nth(1).as_deref() {
        Some(handlers::SERVER) => handlers::serve(),
        Some(handlers::CHILD) => handlers::answer_lines(),
        _ => run("Sinks", CASES, FIGURES),
    }
}
