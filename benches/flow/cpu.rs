//! The CPU time that an event costs this process, kernel included.

use std::{hint::black_box, time::Duration};

use matterhost_actors::{hosting::HostSettings, mattermost::PostedEvent, model::EventBody};

use crate::{
    bare_loop::{BareLoop, FrameWork},
    counting_sink::CountingSink,
    cpu_time::cpu_time,
    host::Host,
    program::Readings,
    server::Server,
    socket_actors::SocketActors,
};

/// Simultaneous sockets: each thread of a busy host reads several.
const SOCKETS: u32 = 4;
/// Characters per post: an event is then about as long as the recorded ones.
const CHARACTERS: u32 = 200;

/// Reads a flood and returns the CPU time per event, in microseconds.
type Variant = fn(&mut Server, posts: u32) -> anyhow::Result<f64>;

/// The variants. The Connection reads each post once and hands its author, its text and more to the sink; the bare loop parses
/// it as any client of `serde_json` does. A sink that needs more parses it again.
const VARIANTS: [(&str, Variant); 6] = [
    ("bare", |server, posts| bare(server, FrameWork::ReadPosts, posts)),
    ("full", |server, posts| full(server, CountingSink::new(|_| {}), posts)),
    ("full-read", |server, posts| full(server, CountingSink::new(read_parts), posts)),
    ("full-parsed-again", |server, posts| full(server, CountingSink::new(parse_again), posts)),
    ("count-bare", |server, posts| bare(server, FrameWork::Count, posts)),
    ("count-guard", guarded),
];

/// Measures all variants in turn with equal floods, and takes the best turn of each. The first round warms up.
pub(crate) fn of_an_event(quick: bool) -> anyhow::Result<Readings> {
    let (turns, posts) = if quick { (2, 2_000) } else { (6, 10_000) };
    let mut server = Server::start(SOCKETS as usize, false)?;
    let mut best = VARIANTS.map(|(name, _)| (name, f64::INFINITY));
    for turn in 0..=turns {
        for ((_, variant), (_, best)) in VARIANTS.iter().zip(&mut best) {
            let cost = variant(&mut server, posts)?;
            if turn > 0 {
                *best = best.min(cost);
            }
        }
    }
    Ok(best.to_vec())
}

/// Reads what most sinks need.
fn read_parts(body: &EventBody) {
    if let Some(post) = &body.post {
        black_box(post.message.contains("@bot") && post.kind.is_empty() && post.author.as_str() != "bot");
    }
}

/// Parses a post to read a member that was not read when it arrived.
fn parse_again(body: &EventBody) {
    if let Ok(posted) = serde_json::from_str::<PostedEvent<'_>>(&body.data) {
        let _ = black_box(posted.head());
    }
}

fn full(server: &mut Server, counter: CountingSink, posts: u32) -> anyhow::Result<f64> {
    let settings = HostSettings { arbiters: 1, ..HostSettings::default() };
    let mut host = Host::start(settings, server, counter)?;
    host.add_all(&server.info.bots)?;
    let begun = cpu_time();
    server.flood(SOCKETS as usize, posts, CHARACTERS)?;
    host.counter.wait_for(u64::from(SOCKETS * posts));
    let cost = since(begun, posts);
    host.stop()?;
    Ok(cost)
}

fn bare(server: &mut Server, work: FrameWork, posts: u32) -> anyhow::Result<f64> {
    let bare = BareLoop::dial(server)?;
    let begun = cpu_time();
    server.flood(SOCKETS as usize, posts, CHARACTERS)?;
    bare.read(work, posts)?;
    Ok(since(begun, posts))
}

fn guarded(server: &mut Server, posts: u32) -> anyhow::Result<f64> {
    let guarded = SocketActors::dial(server)?;
    let begun = cpu_time();
    server.flood(SOCKETS as usize, posts, CHARACTERS)?;
    guarded.wait_for(u64::from(SOCKETS * posts));
    let cost = since(begun, posts);
    guarded.stop()?;
    Ok(cost)
}

fn since(begun: Duration, posts: u32) -> f64 {
    cpu_time().saturating_sub(begun).as_secs_f64() * 1e6 / f64::from(SOCKETS * posts)
}
