//! How much a host holds: memory of its accounts, and how soon they are all there.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints its figures")]

#[path = "../common/counter.rs"]
mod counter;
mod crowd;
#[path = "../common/host.rs"]
mod host;
mod memory;
#[path = "../common/program.rs"]
mod program;
#[path = "../common/server.rs"]
mod server;
mod storm;
#[path = "../common/table.rs"]
mod table;

use std::process::ExitCode;

use program::{Case, run};
use table::{
    Best, Figure,
    From::{One, Ratio},
};

const CASES: &[Case] = &[
    Case { name: "crowd-ws", measure: |quick| crowd::idle_and_burst(quick, false) },
    Case { name: "crowd-wss", measure: |quick| crowd::idle_and_burst(quick, true) },
    Case { name: "long-frames-ws", measure: |quick| crowd::long_frames(quick, false) },
    Case { name: "long-frames-wss", measure: |quick| crowd::long_frames(quick, true) },
    Case { name: "announced", measure: crowd::announced },
    Case { name: "ready-ws", measure: |quick| storm::all_ready(quick, false) },
    Case { name: "ready-wss", measure: |quick| storm::all_ready(quick, true) },
];

/// Twice the limit of a frame, 4 MiB.
const TWICE_THE_FRAME_LIMIT: f64 = 8192.0;

const FIGURES: &[Figure] = &[
    Figure::least("resident for each idle account, ws", "KiB", One("idle-ws"), 24.0, Some(14.0)),
    Figure::least("resident for each idle account, wss", "KiB", One("idle-wss"), 40.0, Some(25.0)),
    Figure { from: Ratio("idle-wss", "idle-ws"), ..Figure::told("· wss over ws", "", "") },
    Figure::least("after a burst of 50 posts each, ws", "KiB", One("burst-ws"), 48.0, Some(28.0)),
    Figure::told("after a burst of 50 posts each, wss", "KiB", "burst-wss"),
    Figure::least("after one frame of 500 KB each, ws", "KiB", One("long-ws"), 64.0, Some(24.0)),
    Figure::told("after one frame of 500 KB each, wss", "KiB", "long-wss"),
    Figure::least(
        "growth when a peer announces 400 MiB",
        "KiB",
        One("announced"),
        TWICE_THE_FRAME_LIMIT,
        None,
    ),
    Figure::least("growth when it sends them too", "KiB", One("sent"), TWICE_THE_FRAME_LIMIT, None),
    Figure::least("10,000 accounts ready, ws", "s", One("ready-ws"), 10.0, Some(3.0)),
    Figure { best: Best::Most, ..Figure::told("· accounts a second", "/s", "rate-ws") },
    Figure::told("the same over wss (5,000 accounts)", "s", "ready-wss"),
];

fn main() -> anyhow::Result<ExitCode> {
    run("Capacity", CASES, FIGURES)
}
