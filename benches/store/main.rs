//! What the store on disk does: commits a second, how large it is, and how soon it is open.
//!
//! It is kept where temporary files are: name a directory of the disk in question by TMPDIR.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints its figures")]

mod commits;
mod opening;
#[path = "../common/program.rs"]
mod program;
#[path = "../common/table.rs"]
mod table;

use std::process::ExitCode;

use program::{Case, run};
use table::{Best, Figure};

const CASES: &[Case] = &[
    Case { name: "one-fsync", measure: |quick| commits::a_second(quick, 1, true, "one-fsync") },
    Case { name: "one", measure: |quick| commits::a_second(quick, 1, false, "one") },
    Case { name: "thousand-fsync", measure: |quick| commits::a_second(quick, 1_000, true, "thousand-fsync") },
    Case { name: "thousand", measure: |quick| commits::a_second(quick, 1_000, false, "thousand") },
    Case { name: "opening", measure: opening::of_ten_thousand },
];

const FIGURES: &[Figure] = &[
    most("commits a second, one account, fsync", "one-fsync"),
    most("commits a second, one account", "one"),
    most("commits a second, 1,000 accounts at once, fsync", "thousand-fsync"),
    most("commits a second, 1,000 accounts at once", "thousand"),
    Figure::told("file, for each channel kept", "bytes", "bytes"),
    Figure::told("opened after a kill, 10,000 accounts of 10 channels", "ms", "killed"),
    Figure::told("opened after a stop", "ms", "closed"),
    Figure::told("all of them loaded", "ms", "loaded"),
];

const fn most(what: &'static str, reading: &'static str) -> Figure {
    Figure { best: Best::Most, ..Figure::told(what, "/s", reading) }
}

fn main() -> anyhow::Result<ExitCode> {
    run("Store", CASES, FIGURES)
}
