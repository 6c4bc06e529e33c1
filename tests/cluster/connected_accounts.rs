//! Accounts that move with their connections: how many have none at a time, for how long, and how fast the server is asked for new ones.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use matterhost_simulator::Counters;
use serde_json::Value;

use crate::{
    harness::{Cluster, terminate},
    one_view,
    processes::QuietOnDrop,
    program::RunningProgram,
    seeds::number,
};

/// The accounts that may move at a time, as in the program.
const MOST_MOVING: usize = 64;

/// The longest wait for what is certain to come: thousands of accounts connect.
const PATIENCE: Duration = Duration::from_secs(600);

/// The time for which requests at rest are counted.
const COUNTED: Duration = Duration::from_secs(10);

/// The sockets of the accounts, as the server sees them.
#[derive(Default)]
struct Sockets {
    open: usize,
    opened: u64,
    /// The most accounts that had no socket at a time.
    most_closed: usize,
    /// The accounts without a socket, each with the time since when.
    closed: BTreeMap<String, Instant>,
    /// The times that accounts had none.
    gaps: Vec<Duration>,
    dials: Vec<Instant>,
}

impl Sockets {
    fn of(seen: &Counters) -> Self {
        Self {
            open: seen.total_open_sockets(),
            opened: seen.sockets_opened.values().sum(),
            ..Self::default()
        }
    }

    fn look(&mut self, seen: &Counters) {
        let (now, open) = (Instant::now(), seen.total_open_sockets());
        let opened: u64 = seen.sockets_opened.values().sum();
        if (open, opened) == (self.open, self.opened) {
            return;
        }
        self.dials.extend((self.opened..opened).map(|_| now));
        (self.open, self.opened) = (open, opened);
        for (user, sockets) in &seen.sockets_open {
            if *sockets == 0 {
                self.closed.entry(user.clone()).or_insert(now);
            } else if let Some(since) = self.closed.remove(user) {
                self.gaps.push(now - since);
            }
        }
        self.most_closed = self.most_closed.max(self.closed.len());
    }

    /// Returns the most new sockets within a second.
    fn most_in_a_second(&self) -> usize {
        let within = |from: &Instant| {
            let end = *from + Duration::from_secs(1);
            self.dials.iter().filter(|at| (from..&end).contains(at)).count()
        };
        self.dials.iter().map(within).max().unwrap_or_default()
    }

    /// Returns the time for which half of the accounts had no socket, and the longest one.
    fn median_and_longest_gap(&mut self) -> (Duration, Duration) {
        self.gaps.sort();
        (self.gaps[self.gaps.len() / 2], *self.gaps.last().unwrap())
    }
}

/// Returns what the server sees of the sockets while something happens.
fn watch<T>(cluster: &Cluster, happens: impl FnOnce() -> T) -> (T, Sockets) {
    let is_over = AtomicBool::new(false);
    let sockets = Mutex::new(Sockets::of(&cluster.simulator.counters()));
    let happened = thread::scope(|scope| {
        scope.spawn(|| {
            let mut sockets = sockets.lock().unwrap();
            let looked = |seen: &Counters| {
                sockets.look(seen);
                is_over.load(Ordering::Relaxed)
            };
            // The pings of the accounts end it.
            assert!(cluster.simulator.wait_for(looked, PATIENCE));
        });
        let _over = QuietOnDrop(&is_over);
        happens()
    });
    (happened, sockets.into_inner().unwrap())
}

/// Returns a member's numbers of accounts by member, and true unless something moves or has no owner.
fn shares(cluster: &Cluster, member: &str) -> (Vec<usize>, bool) {
    let status = cluster.command(member, &["cluster", "status", "--json"]);
    let status: Value = serde_json::from_str(&status).unwrap();
    let members = status["members"].as_array().unwrap();
    let is_quiet = status["moving_shards"] == 0 && status["unowned_shards"] == 0;
    let accounts = |member: &Value| usize::try_from(member["accounts"].as_u64().unwrap()).unwrap();
    (members.iter().map(accounts).collect(), is_quiet)
}

/// Waits until all accounts are ready.
fn await_ready(cluster: &Cluster, member: &str) {
    cluster.await_for(PATIENCE, "all accounts ready", |cluster| {
        cluster.simulator.counters().total_open_sockets() == cluster.bots.len()
            && one_view::accounts(cluster, member).values().all(|(_, state)| state == "ready")
    });
}

/// Starts two members, and waits until they share all accounts.
fn start_two(cluster: &Cluster) -> Vec<RunningProgram> {
    let members = ["a", "b"].map(|name| cluster.start_with_admin(name));
    cluster.await_for(PATIENCE, "two members that share the accounts", |cluster| {
        let (shares, is_quiet) = shares(cluster, "a");
        shares.len() == 2 && shares.iter().all(|share| *share > 0) && is_quiet
    });
    await_ready(cluster, "a");
    members.into()
}

/// Lets a third member join two that have so many accounts, while they share so many requests per second. Returns the number of
/// accounts that have moved.
fn join_third(bots: usize, rate: u32) -> (usize, Sockets) {
    let cluster = Cluster::with(bots, Duration::from_secs(10));
    let mut members = start_two(&cluster);
    let nats = || cluster.nats.lock().unwrap().messages_received();
    let (before, begun) = (nats(), Instant::now());
    thread::sleep(COUNTED);
    let quiet = f64::from(u32::try_from(nats() - before).unwrap()) / begun.elapsed().as_secs_f64();
    cluster.set_rate(rate);
    for name in ["a", "b"] {
        cluster.reload(name);
    }
    let (before, begun) = (nats(), Instant::now());
    let (moved, mut sockets) = watch(&cluster, || {
        members.push(cluster.start_with_admin("c"));
        cluster.await_for(PATIENCE, "a third of the accounts on the third member", |cluster| {
            let seen = ["a", "b", "c"].map(|member| shares(cluster, member));
            let has_share = seen[2].0.get(2).is_some_and(|share| *share > bots / 4);
            has_share && seen.iter().all(|(_, is_quiet)| *is_quiet)
        });
        await_ready(&cluster, "c");
        shares(&cluster, "c").0[2]
    });
    let (median, longest) = sockets.median_and_longest_gap();
    println!(
        "{bots} accounts: {moved} moved in {:?}, {} without a socket at a time, each for {median:?} in the median and at most {longest:?}; at most {} new sockets \
         within a second, of {} requests a second for each member; {} messages to NATS, {quiet:.1} a second at rest",
        begun.elapsed(),
        sockets.most_closed,
        sockets.most_in_a_second(),
        rate / 3,
        nats() - before,
    );
    members.into_iter().for_each(terminate);
    (moved, sockets)
}

fn check(moved: usize, sockets: &Sockets) {
    assert_eq!(
        sockets.dials.len(),
        moved,
        "each account that moved lost its connection once, and no other one did"
    );
    assert!(
        sockets.most_closed <= MOST_MOVING,
        "{} accounts had no connection at a time",
        sockets.most_closed
    );
}

#[test]
fn few_accounts_are_without_a_connection_at_a_time_while_a_third_of_them_moves() {
    let (moved, sockets) = join_third(300, 180);
    check(moved, &sockets);
}

/// The number of accounts is that of the environment variable `MATTERHOST_ACCOUNTS`, or 3,000.
#[test]
#[ignore = "it takes minutes: see docs/BENCHMARKS.md"]
fn of_thousands_of_connected_accounts_a_third_moves_a_few_at_a_time() {
    let accounts = number("MATTERHOST_ACCOUNTS").unwrap_or(3_000);
    let (bots, rate) = (usize::try_from(accounts).unwrap(), u32::try_from(accounts / 20).unwrap());
    let (moved, sockets) = join_third(bots, rate);
    check(moved, &sockets);
}

#[test]
#[ignore = "it measures: see docs/BENCHMARKS.md"]
fn accounts_of_a_member_that_is_drained_are_without_a_connection_for_a_moment() {
    let cluster = Cluster::with(12, Duration::from_secs(10));
    let members = start_two(&cluster);
    let given = shares(&cluster, "b").0[0];
    let ((), mut sockets) = watch(&cluster, || {
        cluster.command("a", &["cluster", "drain"]);
        cluster.await_that("a member without accounts", |cluster| shares(cluster, "b").0[0] == 0);
        await_ready(&cluster, "b");
    });
    let (median, longest) = sockets.median_and_longest_gap();
    println!(
        "{given} accounts drained: each without a connection for {median:?} in the median, at most {longest:?}"
    );
    check(given, &sockets);
    members.into_iter().for_each(terminate);
}
