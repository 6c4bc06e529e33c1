//! After a kill, the store contains every answered commit.

use std::{
    collections::HashMap,
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use matterhost_actors::ports::CursorStore as _;
use matterhost_actors::store::{DiskSettings, DiskStore};

use crate::{
    child::{child_process, print_line},
    store_dir::{StoreDir, name, records, seed, update},
};

const ACCOUNTS: usize = 8;
/// Kills per run, all with the same store.
const KILLS: u32 = 12;
/// Maximum number of commits before a kill.
const MOST_ANSWERS: usize = 300;

/// The part of the child process: it commits until it is killed.
pub(crate) fn committing(dir: &Path, fsync: bool) {
    print_line("begins");
    let store = DiskStore::open(dir, DiskSettings { fsync }).unwrap();
    let account = async |n: usize| {
        let account = format!("bot-{n}");
        let first = store.load(&name(&account)).await.unwrap().account.map_or(0, |kept| kept.server_time);
        for time in first + 1.. {
            // The first commit is of whole records, and so is one that cannot be told from another.
            let changes = if time % 10 == 1 { records(2, time).into() } else { update(2, time) };
            store.commit(&name(&account), changes).await.unwrap();
            print_line(&format!("answered {account} {time}"));
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(join_all((0..ACCOUNTS).map(account)));
}

#[test]
fn every_answered_commit_is_found_after_a_kill() {
    let seed = seed();
    println!("seed {seed}; set MATTERHOST_SEED to repeat this run");
    let mut random = fastrand::Rng::with_seed(seed);
    let store_dir = StoreDir::new();
    let mut answered = HashMap::new();
    for kill in 0..KILLS {
        let answers = random.usize(1..MOST_ANSWERS);
        // A kill loses nothing that the operating system already has, synced or not.
        let part = if kill % 2 == 0 { "committing" } else { "committing-unsynced" };
        killed_after(child_process(part, store_dir.dir()), answers, random.u64(..500), &mut answered);
        let store = store_dir.open().unwrap();
        for (account, time) in &mut answered {
            let found = store_dir.load(&store, account).unwrap();
            let kept = found.account.as_ref().unwrap().server_time;
            // A commit in progress may be there too, but only completely.
            assert!(kept == *time || kept == *time + 1, "kill {kill}: {account} has {kept}, not {time}");
            assert_eq!(found, records(2, kept), "kill {kill}: {account}");
            // The next child goes on from here, answered or not.
            *time = kept;
        }
        store_dir.close(&store);
    }
    assert_eq!(answered.len(), ACCOUNTS);
}

/// Kills a process after a number of answers and microseconds, and records the last answer of each account.
fn killed_after(mut playing: Command, answers: usize, micros: u64, answered: &mut HashMap<String, i64>) {
    let mut child = playing.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut received = 0;
    for line in lines {
        let line = line.unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        let ["answered", account, time] = words[..] else { continue };
        answered.insert(account.to_owned(), time.parse().unwrap());
        received += 1;
        if received == answers {
            spin(micros);
            child.kill().unwrap();
        }
    }
    assert!(received >= answers, "the process ended by itself");
    child.wait().unwrap();
}

/// Waits actively: a sleep would take a millisecond or two.
fn spin(micros: u64) {
    let end = Instant::now() + Duration::from_micros(micros);
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}

#[test]
fn a_kill_while_the_file_is_made_leaves_none_half_made() {
    let seed = seed();
    println!("seed {seed}; set MATTERHOST_SEED to repeat this run");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut before = 0;
    for _ in 0..KILLS {
        let store_dir = StoreDir::new();
        let mut child = child_process("committing", store_dir.dir()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("begins")));
        spin(random.u64(..20_000));
        child.kill().unwrap();
        child.wait().unwrap();
        before += u32::from(!store_dir.file().exists());
        store_dir.close(&store_dir.open().unwrap());
    }
    println!("{before} of {KILLS} were killed before the file existed");
}

#[test]
fn files_left_by_a_kill_are_harmless() {
    let store_dir = StoreDir::new();
    fs::write(store_dir.dir().join("cursors.redb1a2b3c.new"), "half a store").unwrap();
    let store = store_dir.open().unwrap();
    store_dir.commit(&store, "a", records(1, 1)).unwrap();
    store_dir.close(&store);
    let store = store_dir.open().unwrap();
    assert_eq!(store_dir.load(&store, "a").unwrap(), records(1, 1));
}
