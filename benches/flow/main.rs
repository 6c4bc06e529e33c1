//! The CPU time of an event, and the time until accounts are ready again.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints its figures")]

mod bare_loop;
#[path = "../common/counting_sink.rs"]
mod counting_sink;
mod cpu;
#[path = "../common/cpu_time.rs"]
mod cpu_time;
#[path = "../common/host.rs"]
mod host;
#[path = "../common/program.rs"]
mod program;
mod recovery;
mod reenable;
mod restarts;
#[path = "../common/server.rs"]
mod server;
mod socket_actors;
#[path = "../common/table.rs"]
mod table;

use std::process::ExitCode;

use program::{Case, run};
use table::{
    Direction, Figure,
    Source::{Ratio, Single},
};

const CASES: &[Case] = &[
    Case { name: "cpu", measure: cpu::of_an_event },
    Case { name: "restarts-ws", measure: |quick| restarts::a_second(quick, false) },
    Case { name: "restarts-wss", measure: |quick| restarts::a_second(quick, true) },
    Case { name: "cycles", measure: reenable::until_ready },
    Case { name: "recovery", measure: recovery::of_many_posts },
];

const FIGURES: &[Figure] = &[
    Figure::lower_is_better(
        "CPU of the full path, relative to a bare loop",
        "",
        Ratio("full", "bare"),
        1.5,
        Some(1.25),
    ),
    Figure::informational("· the full path, per event", "µs", "full"),
    Figure::informational("· the bare loop", "µs", "bare"),
    Figure {
        from: Ratio("full-read-twice", "bare"),
        ..Figure::informational("· the same, with a sink that parses each post again", "", "")
    },
    Figure::lower_is_better(
        "CPU of counting by decoder and actor, relative to tokio-tungstenite",
        "",
        Ratio("count-guard", "count-bare"),
        0.9,
        Some(0.7),
    ),
    Figure::informational("· decoder and actor, per frame", "µs", "count-guard"),
    Figure::informational("· tokio-tungstenite", "µs", "count-bare"),
    restarts("restarts a second, ws", "restarts-ws", 3_000.0, 8_000.0),
    restarts("restarts a second, wss", "restarts-wss", 400.0, 1_000.0),
    Figure::lower_is_better(
        "enable to ready, with a sibling",
        "ms",
        Single("witnessed"),
        1_000.0,
        Some(100.0),
    ),
    Figure::informational("· the slowest of a run", "ms", "witnessed-slowest"),
    Figure::informational("disabled for 0.3 s, enable to ready", "ms", "brief"),
    Figure::informational("disable and enable without a pause, to ready", "ms", "quick"),
    Figure {
        direction: Direction::HigherIsBetter,
        ..Figure::informational("10,000 posts of one channel recovered, a second", "/s", "recovered")
    },
    Figure::informational("· requests for them", "", "recovery-requests"),
];

const fn restarts(what: &'static str, reading: &'static str, floor: f64, goal: f64) -> Figure {
    Figure {
        what,
        unit: "/s",
        from: Single(reading),
        direction: Direction::HigherIsBetter,
        floor: Some(floor),
        goal: Some(goal),
    }
}

fn main() -> anyhow::Result<ExitCode> {
    run("Flow", CASES, FIGURES)
}
