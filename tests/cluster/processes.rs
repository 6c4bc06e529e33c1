//! Two members as processes: one is killed, stopped for longer than its lease, or ended, while people post.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    harness::{Cluster, TTL, terminate, unix_time},
    program::RunningProgram,
    seeds::seed,
};

/// Stops the people when dropped, also after a failure.
pub(crate) struct QuietOnDrop<'a>(pub(crate) &'a AtomicBool);

impl Drop for QuietOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs two members that share the bots, and does something to them while people post. Then all posts are answered once.
fn run(harm: impl FnOnce(&Cluster, [RunningProgram; 2]) -> Vec<RunningProgram>) -> Cluster {
    let (seed, cluster) = (seed(), Cluster::new());
    let a = cluster.start("a");
    cluster.await_sockets(1);
    let b = cluster.start("b");
    let quiet = AtomicBool::new(false);
    let left = thread::scope(|scope| {
        scope.spawn(|| cluster.post_randomly(seed, &quiet));
        let _quiet = QuietOnDrop(&quiet);
        cluster.await_that("both members get events", |cluster| {
            !cluster.handed_to("a").is_empty() && !cluster.handed_to("b").is_empty()
        });
        harm(&cluster, [a, b])
    });
    cluster.await_answers(seed);
    left.into_iter().for_each(terminate);
    cluster.check_answers(seed);
    cluster
}

/// Kills a member, and returns the time until all bots are connected elsewhere.
fn fail_over(cluster: &Cluster, member: RunningProgram) -> Duration {
    let killed = Instant::now();
    member.signal("KILL");
    member.wait_for_exit();
    // Until the simulator has seen the end of its sockets, all bots seem to be connected.
    cluster.await_a_bot_without_a_socket();
    cluster.await_sockets(1);
    killed.elapsed()
}

#[test]
fn a_member_that_is_killed_is_replaced_without_a_lost_post_or_a_doubled_answer() {
    run(|cluster, [a, b]| {
        println!("fail-over: {:?}", fail_over(cluster, a));
        vec![b, cluster.start("a")]
    });
}

#[test]
#[ignore = "a benchmark with a goal, of a minute: see docs/BENCHMARKS.md"]
fn half_of_twenty_fail_overs_take_a_lease_and_half_a_second_at_most() {
    let cluster = Cluster::new();
    let _b = cluster.start_with_admin("b");
    let mut times: Vec<_> = (0..20)
        .map(|_| {
            let a = cluster.start_with_admin("a");
            cluster.await_that("both with accounts", |cluster| shows(cluster, "a", &BOTH_WITH_ACCOUNTS));
            cluster.await_sockets(1);
            fail_over(&cluster, a)
        })
        .collect();
    times.sort_unstable();
    println!("fail-overs: {times:?}");
    assert!(times[10] <= TTL + Duration::from_millis(500), "{times:?}");
}

#[test]
fn a_member_that_wakes_after_its_lease_hands_nothing_over() {
    run(|cluster, [mut a, b]| {
        a.signal("STOP");
        cluster.await_all_on("b", unix_time());
        let before = cluster.handed_to("a").len();
        let woken = unix_time();
        a.signal("CONT");
        a.log.wait_for_line("the lease of this member is over");
        a.log.wait_for_line("joined the cluster");
        let joined = unix_time();
        let handed = cluster.handed_to("a");
        let late: Vec<_> =
            handed[before..].iter().filter(|event| (woken..joined).contains(&event.at)).collect();
        assert!(late.is_empty(), "{late:?} between {woken} and {joined}");
        vec![a, b]
    });
}

#[test]
fn a_member_that_is_ended_hands_its_accounts_over_without_a_doubled_event() {
    let cluster = run(|cluster, [a, b]| {
        let ended = Instant::now();
        terminate(a);
        cluster.await_sockets(1);
        println!("hand-over: {} ms", ended.elapsed().as_millis());
        cluster.await_all_on("b", unix_time());
        vec![b]
    });
    let mut times = BTreeMap::new();
    for event in cluster.handed_to("a").into_iter().chain(cluster.handed_to("b")) {
        *times.entry(event.post).or_insert(0) += 1;
    }
    let twice: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
}

/// Waits until the members a and b have lost their leases, and checks that they then hand over nothing while people post.
pub(crate) fn await_silence(cluster: &Cluster, members: [&mut RunningProgram; 2]) {
    for member in members {
        member.log.wait_for_line("the lease of this member is over");
    }
    cluster.await_sockets(0);
    let (stopped, posts) = (unix_time(), cluster.answers().len());
    cluster.await_that("more posts", |cluster| cluster.answers().len() > posts + 20);
    let handed = ["a", "b"].into_iter().flat_map(|member| cluster.handed_to(member));
    let late: Vec<_> = handed.filter(|event| event.at > stopped).collect();
    assert!(late.is_empty(), "{late:?} while no member had a lease");
}

#[test]
fn without_nats_all_members_stop_and_afterwards_nothing_is_lost() {
    run(|cluster, [mut a, mut b]| {
        cluster.nats.lock().unwrap().stop();
        await_silence(cluster, [&mut a, &mut b]);
        cluster.nats.lock().unwrap().start_again();
        for member in [&mut a, &mut b] {
            member.log.wait_for_line("joined the cluster");
        }
        vec![a, b]
    });
}

/// Two members with accounts, of which none is draining.
const BOTH_WITH_ACCOUNTS: [(bool, bool); 2] = [(false, false); 2];

/// Returns true if the member shows these members: draining or not, and without accounts or with some.
fn shows(cluster: &Cluster, member: &str, members: &[(bool, bool)]) -> bool {
    let status = cluster.command(member, &["cluster", "status", "--json"]);
    let status: Value = serde_json::from_str(&status).unwrap();
    let of = |member: &Value| (member["draining"] == true, member["accounts"] == 0);
    let seen: Vec<_> = status["members"].as_array().unwrap().iter().map(of).collect();
    seen == members && status["unowned_shards"] == 0
}

#[test]
fn a_member_that_is_drained_gives_its_accounts_away_and_takes_them_again() {
    run(|cluster, [a, b]| {
        terminate(a);
        let a = cluster.start_with_admin("a");
        cluster.await_that("both with accounts", |cluster| shows(cluster, "a", &BOTH_WITH_ACCOUNTS));
        cluster.command("a", &["cluster", "drain"]);
        cluster
            .await_that("a without accounts", |cluster| shows(cluster, "a", &[(true, true), (false, false)]));
        let (succeeds, said) = cluster.try_command("a", &["health", "--ready"]);
        assert!(!succeeds && said.contains("not ready: this member is draining"), "{said}");
        cluster.command("a", &["cluster", "drain", "--undo"]);
        cluster.await_that("a with accounts", |cluster| shows(cluster, "a", &BOTH_WITH_ACCOUNTS));
        cluster.await_that("a that is ready", |cluster| cluster.try_command("a", &["health", "--ready"]).0);
        vec![a, b]
    });
}
