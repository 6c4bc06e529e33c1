//! What sinks cost, how quickly accounts answer, and what a sink that takes nothing does to memory.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints its figures")]

mod carrying;
#[expect(dead_code, reason = "the other programs use the rest")]
#[path = "../common/counter.rs"]
mod counter;
mod handlers;
#[expect(dead_code, reason = "the other programs use the rest")]
#[path = "../common/host.rs"]
mod host;
#[expect(dead_code, reason = "the other programs use the rest")]
#[path = "../capacity/memory.rs"]
mod memory;
#[path = "../common/processor.rs"]
mod processor;
#[path = "../common/program.rs"]
mod program;
mod replies;
#[path = "../common/server.rs"]
mod server;
mod stuck;
#[expect(dead_code, reason = "the other programs use the rest")]
#[path = "../common/table.rs"]
mod table;

use std::{env, process::ExitCode};

use program::{Case, run};
use table::{Best, Figure};

const CASES: &[Case] = &[
    Case { name: "stdout", measure: carrying::stdout },
    Case { name: "file", measure: carrying::file },
    Case { name: "webhook", measure: carrying::webhook },
    Case { name: "exec", measure: carrying::exec },
    Case { name: "replies", measure: replies::a_second },
    Case { name: "stuck", measure: stuck::growth },
];

const fn rate(what: &'static str, reading: &'static str) -> Figure {
    Figure { best: Best::Most, ..Figure::told(what, "/s", reading) }
}

const FIGURES: &[Figure] = &[
    rate("stdout: events a second of processor time, the sink alone", "stdout-cpu"),
    Figure::told("· added, median", "µs", "stdout-p50"),
    Figure::told("· 99 of 100", "µs", "stdout-p99"),
    rate("file, without fsync: events a second of processor time, the sink alone", "file-cpu"),
    Figure::told("· added, median", "µs", "file-p50"),
    Figure::told("· 99 of 100", "µs", "file-p99"),
    rate("webhook: events a second of processor time, the sink alone", "webhook-cpu"),
    Figure::told("· added, median", "µs", "webhook-p50"),
    Figure::told("· 99 of 100", "µs", "webhook-p99"),
    rate("exec: events a second of processor time, the sink alone", "exec-cpu"),
    Figure::told("· added, median", "µs", "exec-p50"),
    Figure::told("· 99 of 100", "µs", "exec-p99"),
    rate("replies a second, 20 accounts", "replies"),
    Figure::told("growth with a stuck sink and a flood of 100,000 events", "KiB", "stuck"),
];

fn main() -> anyhow::Result<ExitCode> {
    match env::args().nth(1).as_deref() {
        Some(handlers::SERVER) => handlers::serve(),
        Some(handlers::CHILD) => handlers::answer_lines(),
        _ => run("Sinks", CASES, FIGURES),
    }
}
