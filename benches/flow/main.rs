//! The CPU time of an event, and the time until accounts are ready again.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints its figures")]

mod bare_loop;
#[path = "../common/counting_sink.rs"]
mod counting_sink;
mod cpu;
#[path = "../common/cpu_time.rs"]
mod cpu_time;
#[path = "../sinks/handlers.rs"]
mod handlers;
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
mod sparse;
#[path = "../common/table.rs"]
mod table;

use std::{env, process::ExitCode};

use program::{Case, run};
use table::{
    Direction, Figure,
    Source::{Ratio, Single},
};

/// The allocator of the program.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CASES: &[Case] = &[
    Case { name: "cpu", measure: cpu::of_an_event },
    Case { name: "restarts-ws", measure: restarts::over_ws },
    Case { name: "restarts-ws-11", measure: restarts::over_ws_of_11 },
    Case { name: "restarts-wss", measure: restarts::over_wss },
    Case { name: "cycles", measure: reenable::until_ready },
    Case { name: "recovery", measure: recovery::of_many_posts },
    Case { name: "sparse-20", measure: sparse::of_20 },
    Case { name: "sparse-200", measure: sparse::of_200 },
    Case { name: "sparse-2000", measure: sparse::of_2000 },
    Case { name: "sparse-sinks", measure: sparse::of_sinks },
];

const FIGURES: &[Figure] = &[
    Figure::lower_is_better(
        "CPU of the full path, relative to a bare loop",
        "",
        Ratio("full", "bare"),
        1.3,
        Some(1.1),
    ),
    Figure::informational("· the full path, per event", "µs", "full"),
    Figure::informational("· the bare loop", "µs", "bare"),
    Figure::lower_is_better(
        "the same, with a sink that reads the author and the text of each post",
        "",
        Ratio("full-read", "bare"),
        1.4,
        Some(1.15),
    ),
    Figure {
        from: Ratio("full-parsed-again", "bare"),
        ..Figure::informational("· with a sink that parses each post again", "", "")
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
    a_second("restarts a second, ws", "restarts-ws", 5_000.0, 8_000.0),
    a_second("· on a server of version 11.1", "restarts-ws-11", 5_000.0, 8_000.0),
    a_second("restarts a second, wss", "restarts-wss", 400.0, 1_000.0),
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
    a_second("10,000 posts of one channel recovered, a second", "recovered", 4_000.0, 6_000.0),
    Figure::informational("· requests for them", "", "recovery-requests"),
    sparse(
        "sparse, 20 bots: CPU of an event, relative to a bare loop",
        "host-20-cpu",
        "bare-20-cpu",
        1.6,
        1.3,
    ),
    sparse("· relative to Node with the official client", "host-20-cpu", "node-20-cpu", 0.65, 0.5),
    Figure::informational("· the host, per event", "µs", "host-20-cpu"),
    Figure::informational("· of these without posts, too", "µs", "host-20-idle"),
    Figure::informational("· the bare loop", "µs", "bare-20-cpu"),
    Figure::informational("· Node", "µs", "node-20-cpu"),
    Figure::informational("· share of the store's thread", "", "host-20-store"),
    Figure::informational("· voluntary switches per event", "", "host-20-switches"),
    Figure::informational("· the same of the bare loop", "", "bare-20-switches"),
    Figure::informational("· system calls per event", "", "host-20-calls"),
    Figure::informational("· the same of the bare loop", "", "bare-20-calls"),
    Figure::lower_is_better(
        "store: bytes written per event of a channel with 80 posts a second",
        "bytes",
        Single("host-20-written"),
        200.0,
        Some(100.0),
    ),
    sparse("sparse, 200 bots: relative to a bare loop", "host-200-cpu", "bare-200-cpu", 1.6, 1.3),
    sparse("· relative to Node", "host-200-cpu", "node-200-cpu", 0.65, 0.5),
    Figure::informational("· the host, per event", "µs", "host-200-cpu"),
    Figure::informational("· of these without posts, too", "µs", "host-200-idle"),
    Figure::informational("· share of the store's thread", "", "host-200-store"),
    Figure::informational("· voluntary switches per event", "", "host-200-switches"),
    Figure::informational("· system calls per event", "", "host-200-calls"),
    Figure::informational("· bytes written per event", "bytes", "host-200-written"),
    sparse("sparse, 2,000 bots: relative to a bare loop", "host-2000-cpu", "bare-2000-cpu", 1.6, 1.3),
    sparse("· relative to Node", "host-2000-cpu", "node-2000-cpu", 0.65, 0.5),
    Figure::informational("· the host, per event", "µs", "host-2000-cpu"),
    Figure::informational("· of these without posts, too", "µs", "host-2000-idle"),
    Figure::informational("· of Node without posts, too", "µs", "node-2000-idle"),
    Figure::informational("· share of the store's thread", "", "host-2000-store"),
    Figure::informational("· voluntary switches per event", "", "host-2000-switches"),
    Figure::informational("· system calls per event", "", "host-2000-calls"),
    Figure::informational("· bytes written per event", "bytes", "host-2000-written"),
    Figure::informational("sparse, 20 bots, file: the host, per event", "µs", "file-cpu"),
    Figure::informational("· voluntary switches per event", "", "file-switches"),
    Figure::informational("sparse, 20 bots, webhook: the host, per event", "µs", "webhook-cpu"),
    Figure::informational("· voluntary switches per event", "", "webhook-switches"),
    Figure::informational("sparse, 20 bots, exec: the host and its child, per event", "µs", "exec-cpu"),
    Figure::informational("· voluntary switches per event", "", "exec-switches"),
];

const fn a_second(what: &'static str, reading: &'static str, floor: f64, goal: f64) -> Figure {
    Figure {
        what,
        unit: "/s",
        from: Single(reading),
        direction: Direction::HigherIsBetter,
        floor: Some(floor),
        goal: Some(goal),
    }
}

const fn sparse(
    what: &'static str,
    over: &'static str,
    under: &'static str,
    floor: f64,
    goal: f64,
) -> Figure {
    Figure::lower_is_better(what, "", Ratio(over, under), floor, Some(goal))
}

fn main() -> anyhow::Result<ExitCode> {
    match env::args().nth(1).as_deref() {
        Some(handlers::SERVER) => handlers::serve(),
        Some(handlers::CHILD) => handlers::answer_lines(),
        Some(sparse::BARE_LOOP) => sparse::run_bare_loop(),
        _ => run("Flow", CASES, FIGURES),
    }
}
