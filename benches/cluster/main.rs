//! The work of NATS for a cluster: commits of read positions, their loading, and the sink `nats`. It needs `nats-server`, in the path
//! or in `MATTERHOST_NATS_SERVER`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints its figures")]

#[expect(dead_code, reason = "the other program uses the rest")]
#[path = "../store/commits.rs"]
mod commits;
#[path = "../common/cpu_time.rs"]
mod cpu_time;
mod cursors;
#[expect(dead_code, reason = "the other program uses the rest")]
#[path = "../sinks/handlers.rs"]
mod handlers;
#[expect(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "it is a part of tests, which use the rest; without a server there are no figures"
)]
#[path = "../../tests/cluster/nats_server.rs"]
mod nats_server;
#[path = "../common/program.rs"]
mod program;
mod sink;
#[expect(dead_code, reason = "the other programs use the rest")]
#[path = "../common/table.rs"]
mod table;
#[expect(dead_code, reason = "the other program uses the rest")]
#[path = "../sinks/throughput.rs"]
mod throughput;

use std::process::ExitCode;

use program::{Case, run};
use table::{Direction, Figure};

/// The allocator of the program.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CASES: &[Case] = &[
    Case { name: "commits-one", measure: cursors::of_one_account },
    Case { name: "commits-many", measure: cursors::of_ten_thousand },
    Case { name: "commits-load", measure: cursors::under_load },
    Case { name: "sink", measure: sink::nats },
];

const fn rate(what: &'static str, reading: &'static str) -> Figure {
    Figure { direction: Direction::HigherIsBetter, ..Figure::informational(what, "/s", reading) }
}

const FIGURES: &[Figure] = &[
    rate("commits a second, one account, one after the other", "one-commits"),
    rate("commits a second, 10,000 accounts at once", "many-commits"),
    rate("· operations of NATS a second", "many-operations"),
    Figure::informational("· operations for a commit", "", "many-each"),
    Figure::informational("all of them loaded", "s", "many-loaded"),
    rate("10,000 accounts with an event every 10 s: commits a second", "load-commits"),
    rate("· operations of NATS a second", "load-operations"),
    Figure::informational("· operations for a commit", "", "load-each"),
    Figure::informational("· CPU of the member for a commit", "µs", "load-cpu"),
    rate("sink nats: events a second", "nats-rate"),
    rate("· events per second of CPU time, the sink alone", "nats-cpu"),
    Figure::informational("· added latency, median", "µs", "nats-p50"),
    Figure::informational("· 99th percentile", "µs", "nats-p99"),
];

fn main() -> anyhow::Result<ExitCode> {
    run("Cluster", CASES, FIGURES)
}
