//! The store on disk: commits per second, size, and time to open.
//!
//! The store is a temporary file: set TMPDIR to a directory on the disk to measure.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints its figures")]

mod commits;
mod opening;
#[path = "../common/program.rs"]
mod program;
#[path = "../common/table.rs"]
mod table;

use std::process::ExitCode;

use program::{Case, run};
use table::{
    Direction, Figure,
    Source::{Ratio, Single},
};

const CASES: &[Case] = &[
    Case { name: "one-fsync", measure: |quick| commits::a_second(quick, 1, true, "one-fsync") },
    Case { name: "one", measure: |quick| commits::a_second(quick, 1, false, "one") },
    Case { name: "thousand-fsync", measure: |quick| commits::a_second(quick, 1_000, true, "thousand-fsync") },
    Case { name: "thousand", measure: |quick| commits::a_second(quick, 1_000, false, "thousand") },
    Case { name: "opening", measure: opening::of_ten_thousand },
];

/// Limit for opening the store at a start: ten thousand accounts take some seconds to be ready anyway.
const SOON: f64 = 1_000.0;

const FIGURES: &[Figure] = &[
    most("commits a second, one account, fsync", "one-fsync"),
    most("commits a second, one account", "one"),
    most("commits a second, 1,000 accounts at once, fsync", "thousand-fsync"),
    Figure {
        from: Ratio("thousand-fsync", "one-fsync"),
        ..most("· gain from one transaction for all waiting commits", "")
    },
    most("commits a second, 1,000 accounts at once", "thousand"),
    Figure::informational("file size per channel", "bytes", "bytes"),
    Figure::lower_is_better(
        "opened after a stop, 10,000 accounts of 10 channels",
        "ms",
        Single("closed"),
        SOON,
        None,
    ),
    Figure::lower_is_better("opened after a kill", "ms", Single("killed"), SOON, None),
    Figure::informational("all of them loaded", "ms", "loaded"),
];

const fn most(what: &'static str, reading: &'static str) -> Figure {
    Figure { direction: Direction::HigherIsBetter, ..Figure::informational(what, "", reading) }
}

fn main() -> anyhow::Result<ExitCode> {
    run("Store", CASES, FIGURES)
}
