//! The capacity of a host: memory per account, and time until all accounts are ready.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints its figures")]

#[path = "../common/counting_sink.rs"]
mod counting_sink;
#[path = "../common/cpu_time.rs"]
mod cpu_time;
#[path = "../common/host.rs"]
mod host;
mod long_lists;
mod many_accounts;
mod memory;
#[path = "../common/program.rs"]
mod program;
mod scale;
#[path = "../common/server.rs"]
mod server;
mod startup;
#[path = "../common/table.rs"]
mod table;

use std::process::ExitCode;

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
    Case { name: "crowd-ws", measure: |quick| many_accounts::idle_and_burst(quick, false) },
    Case { name: "crowd-wss", measure: |quick| many_accounts::idle_and_burst(quick, true) },
    Case { name: "scale", measure: scale::of_many_accounts },
    Case { name: "refused", measure: scale::of_refused_accounts },
    Case { name: "long-frames-ws", measure: |quick| many_accounts::long_frames(quick, false) },
    Case { name: "long-frames-wss", measure: |quick| many_accounts::long_frames(quick, true) },
    Case { name: "announced", measure: many_accounts::announced },
    Case { name: "long-pages", measure: long_lists::long_pages },
    Case { name: "long-channel-lists", measure: long_lists::long_channel_lists },
    Case { name: "ready-ws", measure: |quick| startup::all_ready(quick, false) },
    Case { name: "ready-wss", measure: |quick| startup::all_ready(quick, true) },
];

/// Twice the limit of a frame, 4 MiB.
const TWICE_THE_FRAME_LIMIT: f64 = 8192.0;

const FIGURES: &[Figure] = &[
    Figure::lower_is_better("resident per idle account, ws", "KiB", Single("idle-ws"), 24.0, Some(14.0)),
    Figure::lower_is_better("resident per idle account, wss", "KiB", Single("idle-wss"), 40.0, Some(25.0)),
    Figure { from: Ratio("idle-wss", "idle-ws"), ..Figure::informational("· wss over ws", "", "") },
    Figure::lower_is_better(
        "after a burst of 50 posts each, ws",
        "KiB",
        Single("burst-ws"),
        48.0,
        Some(28.0),
    ),
    Figure::informational("after a burst of 50 posts each, wss", "KiB", "burst-wss"),
    Figure::informational("1,000 accounts: resident per idle account, ws", "KiB", "idle-1000"),
    Figure::informational("· CPU of an event", "µs", "event-1000"),
    Figure::informational("5,000 accounts: resident per idle account, ws", "KiB", "idle-5000"),
    Figure::informational("· CPU of an event", "µs", "event-5000"),
    Figure::informational("10,000 accounts: resident per idle account, ws", "KiB", "idle-10000"),
    Figure::informational("· CPU of an event", "µs", "event-10000"),
    Figure::informational("1,000 refused accounts: CPU of an attempt", "µs", "attempt-1000"),
    Figure::informational("5,000 refused accounts: CPU of an attempt", "µs", "attempt-5000"),
    Figure::informational("10,000 refused accounts: CPU of an attempt", "µs", "attempt-10000"),
    Figure::lower_is_better("after one frame of 500 KB each, ws", "KiB", Single("long-ws"), 64.0, Some(24.0)),
    Figure::informational("after one frame of 500 KB each, wss", "KiB", "long-wss"),
    Figure::lower_is_better(
        "growth when a peer announces a frame of 400 MiB",
        "KiB",
        Single("announced"),
        TWICE_THE_FRAME_LIMIT,
        None,
    ),
    Figure::lower_is_better(
        "growth when it also sends the frame",
        "KiB",
        Single("sent"),
        TWICE_THE_FRAME_LIMIT,
        None,
    ),
    Figure::informational("peak growth while a page brings a thread of 16 MiB along", "KiB", "long-thread"),
    Figure::informational("peak growth while a page of 12.5 MiB is read", "KiB", "long-page"),
    Figure::informational("peak growth while a list of 100,000 channels is read", "KiB", "channels-all"),
    Figure::informational("· left when the account is ready", "KiB", "channels-all-left"),
    Figure::informational("peak growth with 400,000 channels, 50,000 of them kept", "KiB", "channels-cut"),
    Figure::informational("· left when the account is ready", "KiB", "channels-cut-left"),
    Figure::lower_is_better("10,000 accounts ready, ws", "s", Single("ready-ws"), 10.0, Some(3.0)),
    Figure {
        direction: Direction::HigherIsBetter,
        ..Figure::informational("· accounts a second", "/s", "rate-ws")
    },
    Figure::informational("the same over wss (5,000 accounts)", "s", "ready-wss"),
];

fn main() -> anyhow::Result<ExitCode> {
    run("Capacity", CASES, FIGURES)
}
