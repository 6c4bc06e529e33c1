//! Three servers of NATS, of which one may fail.

use std::{
    sync::atomic::AtomicBool,
    thread,
    time::{Duration, Instant},
};

use crate::{
    harness::{Cluster, terminate},
    processes::{QuietOnDrop, seed},
};

#[test]
#[ignore = "NATS takes up to six seconds to elect a leader, and the suite has none to spare: see docs/TESTING.md"]
fn one_of_three_servers_of_nats_fails_after_the_other_and_all_posts_are_answered_once() {
    let (seed, begun) = (seed(), Instant::now());
    let cluster = Cluster::with_three_servers();
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
