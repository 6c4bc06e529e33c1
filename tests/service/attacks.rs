//! Attacks by a server, a handler, a child process and a client of the admin API on one account or on the host: another
//! account hears every event, the process stays small, its log short, and it ends in time.

#![expect(clippy::print_stdout, reason = "tests print the numbers that they measured")]

mod clients;
mod handlers;
mod harness;
mod hostile_server;
mod servers;

use std::time::Duration;

use harness::{Attacked, Measured};

/// The most time that 99 of 100 posts may take on an idle machine.
const MAX_P99: Duration = Duration::from_millis(50);

/// An attack, and the measurements beside it.
type Row = (&'static str, fn() -> Measured);

/// Measures a host that is not attacked.
fn undisturbed() -> Measured {
    let server = hostile_server::HostileServer::start(hostile_server::HARMLESS);
    Attacked::start(&servers::victim(&server)).endure(|| ())
}

#[test]
#[ignore = "it measures, so it needs an idle machine: see docs/TESTING.md"]
fn posts_are_as_quick_beside_an_attack() {
    let rows =
        [&[("undisturbed", undisturbed as fn() -> Measured)], servers::ROWS, handlers::ROWS, clients::ROWS]
            .concat();
    let slow: Vec<_> = rows
        .into_iter()
        .map(|(name, run)| {
            println!("{name}:");
            (name, run().percentile(99))
        })
        .filter(|(_, p99)| *p99 > MAX_P99)
        .collect();
    assert!(slow.is_empty(), "{slow:?}");
}

/// Declares a test for each attack, and a table of them.
macro_rules! rows {
    ($($name:ident => $run:expr;)*) => {
        pub(super) const ROWS: &[super::Row] = &[$((stringify!($name), || $run)),*];
        $(
            #[test]
            fn $name() {
                $run;
            }
        )*
    };
}
use rows;
