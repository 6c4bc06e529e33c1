//! The allocations of an event, by the same paths as the benchmark of its CPU time. They are counted in a program of their
//! own, because counting takes time.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints its figures")]

#[expect(dead_code, reason = "this benchmark uses a part of it")]
#[path = "../flow/bare_loop.rs"]
mod bare_loop;
#[path = "../common/counting_sink.rs"]
mod counting_sink;
#[expect(dead_code, reason = "this benchmark uses a part of it")]
#[path = "../common/host.rs"]
mod host;
#[path = "../common/program.rs"]
mod program;
#[path = "../common/server.rs"]
mod server;
#[expect(dead_code, reason = "this benchmark uses a part of it")]
#[path = "../common/table.rs"]
mod table;

use std::{alloc::System, process::ExitCode};

use matterhost_actors::hosting::HostSettings;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, Stats, StatsAlloc};

use bare_loop::{BareLoop, FrameWork};
use counting_sink::CountingSink;
use host::Host;
use program::{Case, Readings, run};
use server::Server;
use table::Figure;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const CASES: &[Case] = &[Case { name: "allocations", measure: of_an_event }];

const FIGURES: &[Figure] = &[
    Figure::informational("allocations of an event, the full path", "", "full"),
    Figure::informational("· of these enlarged later", "", "full-enlarged"),
    Figure::informational("· bytes", "bytes", "full-bytes"),
    Figure::informational("the bare loop", "", "bare"),
    Figure::informational("· of these enlarged later", "", "bare-enlarged"),
    Figure::informational("· bytes", "bytes", "bare-bytes"),
];

/// Characters per post, as in the benchmark of the CPU time.
const CHARACTERS: u32 = 200;
/// The posts before the count begins: buffers and tables have their size then.
const WARM_UP: u32 = 5_000;

/// Counts the allocations while one socket brings posts.
fn of_an_event(quick: bool) -> anyhow::Result<Readings> {
    let posts = if quick { 2_000 } else { 20_000 };
    let mut server = Server::start(1, false)?;
    let bare = BareLoop::dial(&server)?;
    server.flood(1, posts, CHARACTERS)?;
    let counted = Region::new(ALLOCATOR);
    bare.read(FrameWork::ReadPosts, posts)?;
    let bare = counted.change();
    let mut host = Host::start(HostSettings::default(), &server, CountingSink::new(|_| {}))?;
    host.add_all(&server.info.bots)?;
    server.flood(1, WARM_UP, CHARACTERS)?;
    host.counter.wait_for(u64::from(WARM_UP));
    let counted = Region::new(ALLOCATOR);
    server.flood(1, posts, CHARACTERS)?;
    host.counter.wait_for(u64::from(WARM_UP + posts));
    let full = counted.change();
    host.stop()?;
    let [full, bare] = [full, bare].map(|stats| each(&stats, posts));
    Ok(vec![
        ("full", full[0]),
        ("full-enlarged", full[1]),
        ("full-bytes", full[2]),
        ("bare", bare[0]),
        ("bare-enlarged", bare[1]),
        ("bare-bytes", bare[2]),
    ])
}

/// Returns the allocations, the enlargements and the bytes of one post.
fn each(stats: &Stats, posts: u32) -> [f64; 3] {
    #[expect(clippy::cast_precision_loss, reason = "millions")]
    [stats.allocations, stats.reallocations, stats.bytes_allocated].map(|sum| sum as f64 / f64::from(posts))
}

fn main() -> anyhow::Result<ExitCode> {
    run("Allocations", CASES, FIGURES)
}
