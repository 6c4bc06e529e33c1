//! Three members in trouble, at random, while people post: no post is lost, each answer is posted once, order is kept.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::AtomicBool,
    thread,
    time::Duration,
};

use crate::{
    cutting_proxy::CuttingProxy,
    harness::{Cluster, TTL, terminate},
    one_view,
    processes::QuietOnDrop,
    program::RunningProgram,
    seeds::number,
};

const NAMES: [&str; 3] = ["a", "b", "c"];

/// The size of the runs.
#[derive(Clone, Copy)]
struct Size {
    bots: usize,
    faults: usize,
    /// The runs at the same time. They mostly wait.
    at_a_time: usize,
}

/// The seeds in the suite, whose runs have to be short.
const FEW_SEEDS: u64 = 12;
const FEW: Size = Size { bots: 24, faults: 3, at_a_time: 3 };
/// The size of as many runs as are asked for.
const MANY: Size = Size { bots: 200, faults: 12, at_a_time: 1 };

/// The fewest posts of a run.
const ENOUGH_POSTS: usize = 50;

/// The people who post at the same time.
const POSTERS: u64 = 12;

/// A member with its way to NATS. It is `None` for a moment in which it does not run.
struct Member {
    name: &'static str,
    process: Option<RunningProgram>,
    proxy: CuttingProxy,
}

#[test]
fn nothing_is_lost_or_doubled_whatever_happens_to_the_members() {
    let seeds: Vec<_> = match number("MATTERHOST_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("MATTERHOST_SEEDS").unwrap_or(FEW_SEEDS)).map(|_| fastrand::u64(..)).collect(),
    };
    let size = if number("MATTERHOST_SEEDS").is_some() { MANY } else { FEW };
    for seeds in seeds.chunks(size.at_a_time) {
        thread::scope(|scope| {
            for seed in seeds {
                println!("seed {seed}; set MATTERHOST_SEED to repeat this run");
                scope.spawn(|| run(*seed, size));
            }
        });
    }
}

fn run(seed: u64, size: Size) {
    let mut random = fastrand::Rng::with_seed(seed);
    let cluster = Cluster::with(size.bots, "2s");
    let mut members = NAMES.map(|name| {
        let proxy = cluster.put_proxy_before_nats(name);
        Member { name, process: Some(cluster.start_with_admin(name)), proxy }
    });
    // A bot that has never been ready has no position yet: it would begin at the time of its next start.
    cluster.await_that("all bots ready", |cluster| {
        one_view::accounts(cluster, "a").values().all(|(_, state)| state == "ready")
    });
    let quiet = AtomicBool::new(false);
    thread::scope(|scope| {
        for poster in 0..POSTERS {
            let (cluster, quiet) = (&cluster, &quiet);
            scope.spawn(move || cluster.post_randomly_as(poster, POSTERS, seed, quiet));
        }
        let _quiet = QuietOnDrop(&quiet);
        for _ in 0..size.faults {
            trouble(&cluster, &mut members, &mut random, seed);
        }
        // The faults may be over within a moment.
        cluster.await_that("enough posts", |cluster| cluster.answers().len() >= ENOUGH_POSTS);
    });
    cluster.await_answers(seed);
    members.into_iter().filter_map(|member| member.process).for_each(terminate);
    cluster.check_answers(seed);
    check_order(&cluster, seed);
}

/// Harms one member, or what it needs, and repairs that again.
fn trouble(cluster: &Cluster, members: &mut [Member; 3], random: &mut fastrand::Rng, seed: u64) {
    let pause = Duration::from_millis(random.u64(..1_500));
    let longer_than_a_lease = TTL + Duration::from_millis(random.u64(200..1_000));
    let member = random.choice(&mut *members).unwrap();
    let process = member.process.take().unwrap();
    let fault = random.u8(..9);
    println!("seed {seed}: fault {fault} at member {}", member.name);
    let left = match fault {
        0 => {
            process.signal("KILL");
            process.wait_for_exit();
            None
        }
        1 => {
            terminate(process);
            None
        }
        2 => {
            process.signal("STOP");
            thread::sleep(longer_than_a_lease);
            process.signal("CONT");
            Some(process)
        }
        3 => {
            member.proxy.cut();
            Some(process)
        }
        4 => {
            member.proxy.hold_answers(true);
            thread::sleep(if random.bool() { longer_than_a_lease } else { pause });
            member.proxy.hold_answers(false);
            Some(process)
        }
        5 => {
            // Without a lease it refuses.
            cluster.try_command(member.name, &["cluster", "drain"]);
            thread::sleep(pause);
            cluster.try_command(member.name, &["cluster", "drain", "--undo"]);
            Some(process)
        }
        6 => {
            process.signal("HUP");
            Some(process)
        }
        7 => {
            let mut nats = cluster.nats.lock().unwrap();
            nats.stop();
            thread::sleep(if random.bool() { longer_than_a_lease } else { pause });
            nats.start_again();
            Some(process)
        }
        _ => {
            let bot = random.choice(&cluster.bots).unwrap().0.user_id.clone();
            cluster.simulator.disable(&bot);
            thread::sleep(pause);
            cluster.simulator.enable(&bot);
            Some(process)
        }
    };
    thread::sleep(pause / 2);
    member.process = Some(left.unwrap_or_else(|| cluster.start_with_admin(member.name)));
}

/// Checks that the posts of each channel were handed over in order: each, when it came first.
fn check_order(cluster: &Cluster, seed: u64) {
    let mut handed: Vec<_> = NAMES.iter().flat_map(|name| cluster.handed_to(name)).collect();
    handed.sort_by(|a, b| a.at.total_cmp(&b.at));
    let (mut known, mut last) = (BTreeSet::new(), BTreeMap::new());
    for event in handed {
        let number = |post: &str| post.rsplit(' ').next().unwrap().parse::<u64>().unwrap();
        if known.insert(event.post.clone()) {
            let before = last.insert(event.account.clone(), number(&event.post)).unwrap_or_default();
            assert!(before < number(&event.post), "seed {seed}: {event:?} came after post {before}");
        }
    }
}
