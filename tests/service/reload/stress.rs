//! A hundred reloads with random changes while users post.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use super::{
    fixture::{BotConfig, HostConfig, MultiBotFixture, file, log_until, messages, posts, reload},
    resources::{OpenResources, await_children},
};
use crate::{
    kills::QuietOnDrop,
    program::{ConfigDir, DEADLINE, RunningProgram, wait_until_complete},
    seeds::number,
};

/// Reloads of one run.
const RELOADS: usize = 100;
/// The posts before each reload, at least: a fast reload must not end the run before anything happened.
const POSTS_PER_RELOAD: usize = 5;
/// The reciprocal of the share of reloads that a refused one precedes.
const REFUSED_ONE_IN: u32 = 10;
/// Bots that no reload changes, and those that it may change.
const UNTOUCHED: [&str; 2] = ["anna", "bert"];
const TOUCHED: [&str; 4] = ["carl", "dora", "emil", "fred"];
/// The lines of the log that explain missing posts: some reloads, and all that followed them.
const LAST_LINES: usize = 300;
/// Possible sinks of a bot: `archive` is always among them and must receive every post.
const SINKS: [&[&str]; 3] = [&["archive"], &["archive", "one"], &["two", "archive", "one"]];
/// Maximum number of idle REST connections of a host to each server, from its Arbiters and its own thread.
const REST: usize = 6 * 3;

/// Makes one random change.
fn change(
    plan: &mut HostConfig,
    whole: &HostConfig,
    fixture: &MultiBotFixture,
    tokens: &BTreeMap<&str, [String; 2]>,
    random: &mut fastrand::Rng,
) {
    let bot = *random.choice(&TOUCHED).unwrap();
    let size = 64 + random.u32(..8);
    match random.u32(..11) {
        0 => {
            plan.bots.remove(bot);
        }
        1 => {
            plan.bots.entry(bot.to_owned()).or_insert_with(|| whole.bots[bot].clone());
        }
        2 => with(plan, bot, |plan| {
            plan.token = format!("token = \"{}\"", random.choice(&tokens[bot]).unwrap());
        }),
        3 => with(plan, bot, |plan| plan.server = (*random.choice(&["main", "door"]).unwrap()).into()),
        4 => {
            let more = *random.choice(&SINKS).unwrap();
            with(plan, bot, |plan| plan.sinks = more.iter().map(|name| (*name).to_owned()).collect());
        }
        // All bots share this sink: their sockets stay, and it receives each post once.
        5 => plan.section("sinks.archive", &format!("{}\nrotate_size = \"{size}MiB\"", file("archive"))),
        6 => plan.section("sinks.one", &format!("{}\nrotate_size = \"{size}MiB\"", file("one"))),
        7 => plan.section("sinks.two", &child(size)),
        8 => toggle_section(plan, "servers.spare", &door(fixture, 1_000)),
        9 => third_sink(plan, bot),
        _ => {
            let rate = 500 + random.u32(..500);
            plan.section("servers.door", &door(fixture, rate));
            plan.section("audit", &format!("interval = \"{}s\"", 60 + random.u32(..60)));
            plan.section("delivery", &format!("in_flight = {}", 1 + random.u32(..16)));
        }
    }
}

fn toggle_section(plan: &mut HostConfig, section: &str, text: &str) {
    if plan.sections.remove(section).is_none() {
        plan.section(section, text);
    }
}

/// Adds a sink to one bot, or removes it from all.
fn third_sink(plan: &mut HostConfig, bot: &str) {
    toggle_section(plan, "sinks.three", &file("three"));
    let is_there = plan.sections.contains_key("sinks.three");
    for plan in plan.bots.values_mut() {
        plan.sinks.retain(|sink| sink != "three");
    }
    if is_there {
        with(plan, bot, |plan| plan.sinks.push("three".into()));
    }
}

/// Performs a reload that is refused after one of its sinks has been started.
fn refused(plan: &HostConfig, dir: &ConfigDir, running: &mut RunningProgram) {
    let mut broken = plan.clone();
    broken.section("sinks.archive", &format!("{}\nrotate_size = \"999MiB\"", file("archive")));
    broken.section("sinks.one", "type = \"file\"\npath = \"away/one.jsonl\"");
    broken.write(dir);
    running.signal("HUP");
    log_until(running, "the configuration is invalid");
}

fn with(plan: &mut HostConfig, bot: &str, change: impl FnOnce(&mut BotConfig)) {
    if let Some(plan) = plan.bots.get_mut(bot) {
        change(plan);
    }
}

/// Returns an exec sink that writes the events to a file.
fn child(in_flight: u32) -> String {
    let command = "command = [\"python3\", \"handler.py\", \"two.jsonl\"]\npass_env = [\"PATH\"]";
    format!("type = \"exec\"\n{command}\nin_flight = {in_flight}")
}

/// Returns a server section with another address of the same server.
fn door(fixture: &MultiBotFixture, rate: u32) -> String {
    format!("url = \"{}\"\nrequests_per_second = {rate}", fixture.simulator.url())
}

fn whole(fixture: &MultiBotFixture) -> HostConfig {
    let mut plan = fixture.plan();
    // A removal ends when all is delivered: at its deadline, the events in flight would come again.
    plan.section("host", "arbiters = 2\nstop_deadline = \"25s\"");
    plan.section("servers.door", &door(fixture, 1_000));
    plan.section("sinks.one", &file("one"));
    plan.section("sinks.two", &child(64));
    // Every server and sink stays in use after any change.
    plan.bots.get_mut("bert").unwrap().sinks = ["archive", "one", "two"].map(str::to_owned).to_vec();
    plan.section("restart", "min_backoff = \"50ms\"\nreset_after = \"1s\"");
    plan
}

/// Creates two tokens for each bot that may be changed.
fn tokens(fixture: &MultiBotFixture) -> BTreeMap<&'static str, [String; 2]> {
    let of = |bot: &'static str| {
        let account = &fixture.bots[bot];
        (bot, [account.token.clone(), fixture.simulator.create_token(&account.user_id).1])
    };
    TOUCHED.into_iter().map(of).collect()
}

fn post_randomly(fixture: &MultiBotFixture, seed: u64, quiet: &AtomicBool, made: &AtomicUsize) {
    let mut random = fastrand::Rng::with_seed(seed);
    while !quiet.load(Ordering::Relaxed) {
        let channel = random.choice(&fixture.channels).unwrap();
        fixture.simulator.post(&fixture.person.user_id, channel, "…");
        made.fetch_add(1, Ordering::Relaxed);
        thread::sleep(Duration::from_micros(random.u64(..20_000)));
    }
}

fn survives(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let fixture = MultiBotFixture::with(&[&UNTOUCHED[..], &TOUCHED].concat(), 3);
    let (dir, whole, tokens) = (ConfigDir::with(""), whole(&fixture), tokens(&fixture));
    dir.write("handler.py", super::HANDLER);
    let mut running = whole.start(&dir);
    // A first reload, so that everything that it starts is counted.
    reload(&mut running);
    let held = OpenResources::of_process(running.id());
    let (quiet, made) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        scope.spawn(|| post_randomly(&fixture, seed, &quiet, &made));
        // The users must stop even if this fails, because the scope waits for them.
        let _hush = QuietOnDrop(&quiet);
        let mut plan = whole.clone();
        for reloads in 0..RELOADS {
            while made.load(Ordering::Relaxed) < POSTS_PER_RELOAD * reloads {
                thread::sleep(Duration::from_millis(1));
            }
            for _ in 0..=random.u32(..3) {
                change(&mut plan, &whole, &fixture, &tokens, &mut random);
            }
            if random.u32(..REFUSED_ONE_IN) == 0 {
                refused(&plan, &dir, &mut running);
            }
            plan.write(&dir);
            let log = reload(&mut running);
            assert!(log.iter().all(|line| line["level"] != "ERROR"), "seed {seed}: {:#?}", messages(&log));
        }
    });
    whole.write(&dir);
    let log = reload(&mut running);
    assert!(log.iter().all(|line| line["level"] != "ERROR"), "seed {seed}: {:#?}", messages(&log));
    await_all(&fixture, &dir, &mut running, seed);
    check(&fixture, &dir, seed);
    held.await_no_more(running.id());
    await_children(running.id(), 1);
    few_connections(&fixture, &mut running, seed);
    check_exit(running, seed);
}

/// Returns the ids of all posts.
fn posted_ids(fixture: &MultiBotFixture) -> BTreeSet<String> {
    let posts = fixture.channels.iter().flat_map(|channel| fixture.simulator.posts_in(channel));
    posts.filter(|post| post.message == "…").map(|post| post.id).collect()
}

/// Waits until every bot's posts are in the archive.
fn await_all(fixture: &MultiBotFixture, dir: &ConfigDir, running: &mut RunningProgram, seed: u64) {
    let posted = posted_ids(fixture);
    assert!(posted.len() > RELOADS, "seed {seed}: too few posts");
    let complete = wait_until_complete(|| {
        let received: BTreeSet<_> = posts(dir, "archive").into_iter().collect();
        let all = fixture.bots.keys().flat_map(|bot| posted.iter().map(move |id| (bot.clone(), id.clone())));
        all.filter(|post| !received.contains(post)).collect()
    });
    if let Err(missing) = complete {
        running.log.drain();
        let (count, log) = (missing.len(), running.log.last(LAST_LINES));
        panic!("seed {seed}: {count} are missing: {missing:#?}; the last lines: {log:#?}");
    }
}

fn check(fixture: &MultiBotFixture, dir: &ConfigDir, seed: u64) {
    for sink in ["archive", "one", "two"] {
        let mut times: BTreeMap<_, usize> = BTreeMap::new();
        for post in posts(dir, sink) {
            *times.entry(post).or_default() += 1;
        }
        let twice: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
        assert!(twice.is_empty(), "seed {seed}: {sink} received these more than once: {twice:#?}");
    }
    for bot in UNTOUCHED {
        assert_eq!(fixture.sockets(bot), (1, 1), "seed {seed}: the socket of {bot} was replaced");
    }
}

/// Checks that each bot has one socket and that few idle REST connections are open.
fn few_connections(fixture: &MultiBotFixture, running: &mut RunningProgram, seed: u64) {
    let bots = fixture.bots.len();
    let few = |seen: &matterhost_simulator::Counters| {
        fixture.bots.values().all(|bot| seen.open_sockets(&bot.user_id) == 1)
            && seen.connections_open <= bots + 2 * REST
    };
    if !fixture.simulator.wait_for(few, DEADLINE) {
        let sockets: Vec<_> = fixture.bots.keys().map(|bot| (bot, fixture.sockets(bot))).collect();
        let connections = fixture.simulator.counters().connections_open;
        running.log.drain();
        panic!("seed {seed}: {connections} connections, {sockets:?}, {:#?}", running.log.last(60));
    }
}

fn check_exit(running: RunningProgram, seed: u64) {
    running.signal("TERM");
    let (status, log) = running.wait_for_exit();
    assert_eq!(status.code(), Some(0), "seed {seed}: {log:#?}");
}

#[test]
fn a_hundred_reloads_under_load_lose_nothing_and_leave_nothing_behind() {
    let seeds: Vec<u64> = match number("MATTERHOST_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("MATTERHOST_SEEDS").unwrap_or(1)).map(|_| fastrand::u64(..)).collect(),
    };
    for seed in seeds {
        println!("seed {seed}; set MATTERHOST_SEED to repeat this run");
        survives(seed);
    }
}
