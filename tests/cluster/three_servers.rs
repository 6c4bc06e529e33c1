//! Three servers of NATS, of which one may fail, and without two of which members stop.

use std::{
    sync::atomic::AtomicBool,
    thread,
    time::{Duration, Instant},
};

use crate::{
    harness::{BOTS, Cluster, terminate},
    processes::{QuietOnDrop, await_silence},
    seeds::seed,
};

/// Kills two of three servers.
fn stop_quorum(cluster: &Cluster) {
    cluster.more_nats.iter().for_each(|server| server.lock().unwrap().stop());
}

fn start_quorum_again(cluster: &Cluster) {
    cluster.more_nats.iter().for_each(|server| server.lock().unwrap().start_again());
}

#[test]
#[ignore = "NATS takes up to six seconds to elect a leader, and the suite has none to spare: see docs/TESTING.md"]
fn one_of_three_servers_of_nats_fails_after_the_other_and_all_posts_are_answered_once() {
    let (seed, begun) = (seed(), Instant::now());
    let cluster = Cluster::with_three_servers(BOTS);
    println!("three servers after {:?}", begun.elapsed());
    let members = ["a", "b"].map(|name| cluster.start(name));
    cluster.await_sockets(1);
    println!("two members after {:?}", begun.elapsed());
    let quiet = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| cluster.post_randomly(seed, &quiet));
        let _quiet = QuietOnDrop(&quiet);
        for server in &cluster.more_nats {
            let answered = || cluster.answers().values().filter(|count| **count > 0).count();
            server.lock().unwrap().stop();
            let (killed, before) = (Instant::now(), answered());
            cluster.await_that("a hundred more answers", |_| answered() > before + 100);
            println!("a hundred answers {:?} after a server was killed", killed.elapsed());
            server.lock().unwrap().start_again();
            // It takes part again before the next one is killed.
            cluster.await_that("a server that is healthy", |_| server.lock().unwrap().is_healthy());
            thread::sleep(Duration::from_millis(100));
        }
    });
    cluster.await_answers(seed);
    members.into_iter().for_each(terminate);
    cluster.check_answers(seed);
    println!("done after {:?}", begun.elapsed());
}

#[test]
#[ignore = "the leases outlive an election of NATS, so that it takes half a minute: see docs/TESTING.md"]
fn without_a_quorum_of_nats_all_members_stop_and_with_one_again_all_posts_are_answered_once() {
    let (seed, cluster) = (seed(), Cluster::with_three_servers(BOTS));
    let [mut a, mut b] = ["a", "b"].map(|name| cluster.start(name));
    cluster.await_sockets(1);
    let answered = || cluster.answers().values().filter(|count| **count > 0).count();
    let quiet = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| cluster.post_randomly(seed, &quiet));
        let _quiet = QuietOnDrop(&quiet);
        cluster.await_that("answers of both", |cluster| {
            ["a", "b"].iter().all(|member| !cluster.handed_to(member).is_empty()) && answered() > 20
        });
        stop_quorum(&cluster);
        let lost = Instant::now();
        await_silence(&cluster, [&mut a, &mut b]);
        println!("silent {:?} after the quorum was lost", lost.elapsed());
        start_quorum_again(&cluster);
        let (back, before) = (Instant::now(), answered());
        for member in [&mut a, &mut b] {
            member.log.wait_for_line("joined the cluster");
        }
        println!("joined {:?} after the quorum came back", back.elapsed());
        cluster.await_that("a hundred more answers", |_| answered() > before + 100);
    });
    cluster.await_answers(seed);
    [a, b].into_iter().for_each(terminate);
    cluster.check_answers(seed);
}

#[test]
#[ignore = "NATS needs seconds to elect a leader, see docs/TESTING.md"]
fn a_member_that_starts_without_a_quorum_of_nats_waits_for_it() {
    let cluster = Cluster::with_three_servers(BOTS);
    terminate(cluster.start("a"));
    stop_quorum(&cluster);
    let mut member = cluster.begin("a");
    member.log.wait_for_line("NATS JetStream does not answer, or has no leader");
    start_quorum_again(&cluster);
    member.log.wait_for_line("joined the cluster");
    terminate(member);
}
