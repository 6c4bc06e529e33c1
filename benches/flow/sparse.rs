//! Daily traffic: each post reaches all bots, and each socket brings one event at a time.
//!
//! The host, a bare loop and the official client in Node are processes of their own that take turns, with standard output to
//! a pipe. Their costs are read from the kernel, for the whole process tree.

mod client;
mod process_cost;

pub(crate) use client::{BARE_LOOP, run_bare_loop};

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::ensure;

use self::{
    client::Client,
    process_cost::{ProcessCost, count_system_calls},
};
use crate::{
    handlers::{CHILD, Handler},
    program::Readings,
    server::{Bot, Server},
};

/// Characters per post, as in the other figures.
const CHARACTERS: u32 = 200;
/// The longest wait for all sockets, or for posts that were sent.
const DEADLINE: Duration = Duration::from_secs(60);
/// The time for a client without counted output to become ready or to finish.
const SETTLE: Duration = Duration::from_secs(3);

/// A size of the benchmark: bots in one channel, and the posts a second there.
#[derive(Clone, Copy)]
struct Size {
    bots: usize,
    posts_a_second: u32,
    seconds: u32,
}

/// The names of the readings of a client.
#[derive(Clone, Copy)]
struct Names {
    cpu: &'static str,
    idle: &'static str,
    store_share: &'static str,
    switches: &'static str,
    calls: &'static str,
    written: &'static str,
}

/// The costs of an event: microseconds, fractions, numbers and bytes.
#[derive(Clone, Copy)]
struct EventCost {
    cpu: f64,
    /// The part of the time that passes without posts, too: pings, polls and timers.
    idle: f64,
    store_share: f64,
    switches: f64,
    calls: Option<f64>,
    written: f64,
}

macro_rules! names {
    ($name:literal) => {
        Names {
            cpu: concat!($name, "-cpu"),
            idle: concat!($name, "-idle"),
            store_share: concat!($name, "-store"),
            switches: concat!($name, "-switches"),
            calls: concat!($name, "-calls"),
            written: concat!($name, "-written"),
        }
    };
}

pub(crate) fn of_20(quick: bool) -> anyhow::Result<Readings> {
    let size = Size { bots: 20, posts_a_second: 80, seconds: 5 };
    compare(size, quick, names!("host-20"), names!("bare-20"), names!("node-20"))
}

pub(crate) fn of_200(quick: bool) -> anyhow::Result<Readings> {
    let size = Size { bots: 200, posts_a_second: 20, seconds: 5 };
    compare(size, quick, names!("host-200"), names!("bare-200"), names!("node-200"))
}

pub(crate) fn of_2000(quick: bool) -> anyhow::Result<Readings> {
    let size = Size { bots: 2_000, posts_a_second: 2, seconds: 5 };
    compare(size, quick, names!("host-2000"), names!("bare-2000"), names!("node-2000"))
}

/// Measures the host with each of the other sinks.
pub(crate) fn of_sinks(quick: bool) -> anyhow::Result<Readings> {
    let size = Size { bots: 20, posts_a_second: 80, seconds: if quick { 2 } else { 5 } };
    let handler = Handler::start()?;
    let exec = format!("command = [{:?}, \"{CHILD}\"]", std::env::current_exe()?.display().to_string());
    let sinks = [
        (names!("file"), "type = \"file\"\npath = \"events.jsonl\"\n".to_owned()),
        (
            names!("webhook"),
            format!(
                "type = \"webhook\"\nurl = \"http://127.0.0.1:{}/\"\n\
                 secret = \"whsec_mustnotshowrTwjUPD8ILPZIo2LaLaSw\"\nconcurrency = 16\n",
                handler.port
            ),
        ),
        (names!("exec"), format!("type = \"exec\"\n{exec}\n")),
    ];
    let mut server = Server::start(size.bots + 1, false)?;
    let mut readings = Readings::new();
    for (names, sink) in sinks {
        let start = |server: &Server, bots: &[Bot]| Client::host(server, bots, &sink).map(Some);
        if let Some(cost) = measure(&mut server, size, false, &start)? {
            add(&mut readings, names, cost);
        }
    }
    Ok(readings)
}

/// Starts a client of the bots; nothing if it is not available.
type StartClient<'a> = dyn Fn(&Server, &[Bot]) -> anyhow::Result<Option<Client>> + 'a;

/// Measures all clients in turn and takes the best turn of each.
fn compare(size: Size, quick: bool, host: Names, bare: Names, node: Names) -> anyhow::Result<Readings> {
    let (turns, size) = if quick { (1, Size { seconds: 2, ..size }) } else { (3, size) };
    let mut server = Server::start(size.bots + 1, false)?;
    let mut best: [Option<EventCost>; 3] = [None; 3];
    let clients: [(Names, &StartClient<'_>); 3] = [
        (host, &|server, bots| Client::host(server, bots, "").map(Some)),
        (bare, &|server, bots| Client::bare(server, bots).map(Some)),
        (node, &|server, bots| Client::node(server, bots)),
    ];
    for _ in 0..turns {
        for ((_, start), best) in clients.iter().zip(&mut best) {
            let Some(cost) = measure(&mut server, size, true, start)? else { continue };
            *best = Some(best.map_or(cost, |best| best.better(cost)));
        }
    }
    let mut readings = Readings::new();
    for ((names, _), cost) in clients.iter().zip(best) {
        if let Some(cost) = cost {
            add(&mut readings, *names, cost);
        }
    }
    Ok(readings)
}

/// Starts a client, posts at the given rate, and returns the cost of an event; nothing if the client is not available.
fn measure(
    server: &mut Server,
    size: Size,
    prints: bool,
    start: &StartClient<'_>,
) -> anyhow::Result<Option<EventCost>> {
    server.command("await-sockets 0")?;
    let Some(client) = start(server, &server.info.bots[..size.bots])? else { return Ok(None) };
    server.command(&format!("await-sockets {}", size.bots))?;
    sleep(SETTLE);
    let bots = size.bots as u64;
    // Warm up: a post a second is the first in each channel.
    post(server, size, size.posts_a_second)?;
    settle(&client, prints.then_some(u64::from(size.posts_a_second) * bots))?;
    let idle = ProcessCost::read(client.id())?;
    sleep(SETTLE);
    let posts = size.posts_a_second * size.seconds;
    let before = ProcessCost::read(client.id())?;
    let idle = before.since(idle).cpu.as_secs_f64() / SETTLE.as_secs_f64();
    let calls = count_system_calls(client.id(), Duration::from_secs(size.seconds.into()));
    post(server, size, posts)?;
    settle(&client, prints.then_some(u64::from(size.posts_a_second + posts) * bots))?;
    let cost = ProcessCost::read(client.id())?.since(before);
    let calls = calls.and_then(|calls| calls());
    #[expect(clippy::cast_precision_loss, reason = "some ten thousand")]
    let events = (u64::from(posts) * bots) as f64;
    Ok(Some(EventCost::new(cost, idle * f64::from(size.seconds), calls, events)))
}

/// Posts at the given rate. The author is the one bot that no client hosts.
fn post(server: &mut Server, size: Size, posts: u32) -> anyhow::Result<()> {
    let (channel, author) = (server.info.channel.clone(), server.info.bots[size.bots].user_id.clone());
    let command = format!("post {author} {channel} {CHARACTERS}");
    let begin = Instant::now();
    for n in 0..posts {
        sleep(
            (begin + Duration::from_secs(1) * n / size.posts_a_second)
                .saturating_duration_since(Instant::now()),
        );
        server.command(&command)?;
    }
    Ok(())
}

/// Waits until a client has printed a number of posts; without a number, for a time.
fn settle(client: &Client, posts: Option<u64>) -> anyhow::Result<()> {
    let Some(posts) = posts else {
        sleep(SETTLE);
        return Ok(());
    };
    let begin = Instant::now();
    while client.posts() < posts {
        ensure!(begin.elapsed() < DEADLINE, "{} of {posts} posts arrived", client.posts());
        sleep(Duration::from_millis(5));
    }
    // The acknowledgements of the last posts are stored, too.
    sleep(Duration::from_millis(300));
    Ok(())
}

impl EventCost {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    fn new(cost: ProcessCost, idle: f64, calls: Option<f64>, events: f64) -> Self {
        let cpu = cost.cpu.as_secs_f64();
        Self {
            cpu: cpu * 1e6 / events,
            idle: idle * 1e6 / events,
            store_share: cost.store_cpu.as_secs_f64() / cpu,
            switches: cost.voluntary_switches as f64 / events,
            calls: calls.map(|calls| calls / events),
            written: cost.written as f64 / events,
        }
    }

    /// Returns the turn with less CPU time, with the lowest other costs of both.
    fn better(self, other: Self) -> Self {
        let (best, worse) = if self.cpu <= other.cpu { (self, other) } else { (other, self) };
        Self {
            switches: best.switches.min(worse.switches),
            calls: best.calls.into_iter().chain(worse.calls).reduce(f64::min),
            written: best.written.min(worse.written),
            ..best
        }
    }
}

fn add(readings: &mut Readings, names: Names, cost: EventCost) {
    readings.extend([
        (names.cpu, cost.cpu),
        (names.idle, cost.idle),
        (names.store_share, cost.store_share),
        (names.switches, cost.switches),
        (names.written, cost.written),
    ]);
    readings.extend(cost.calls.map(|calls| (names.calls, calls)));
}
