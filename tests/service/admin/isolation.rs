//! What bots hear while somebody does harm to the API.

use std::{
    collections::BTreeMap,
    fs,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc::{RecvTimeoutError, channel},
    },
    thread,
    time::{Duration, Instant},
};

use super::host::{ANY_PORT, AdminHost, TOKEN, add_bot};
use crate::program::{DEADLINE, Fixture};

/// How often people post.
const EVERY: Duration = Duration::from_millis(20);

/// All together may ask 200 times a second: harm that is done in no time is done again after a while.
const BETWEEN: Duration = Duration::from_millis(100);

/// Fewer posts would not show that nothing happens to them.
const AT_LEAST: usize = 50;

/// What the process may keep when all is over: what the allocator does not give back, and what the posts of the test's
/// own need. A thousand clients of whom something is kept are far more.
const KEEPS_KIB: u64 = 48 * 1_024;

/// The last of the posts.
const END: &str = "the end";

const ACCOUNTS: [&str; 2] = ["alerts", "helpdesk"];

/// Hosts two accounts, with a token and these keys of `[admin]`. People post all the time while somebody does harm, again
/// and again until enough was posted; each post comes out once for each account, over the socket that it had before. At the
/// end nothing is left of it.
pub(crate) fn assert_bots_unaffected(keys: &str, harm: impl Fn(&AdminHost)) {
    let fixture = Fixture::new();
    let (bot, section) = add_bot(&fixture, "alerts");
    let mut host = AdminHost::start(fixture, &format!("{section}{ANY_PORT}token = \"{TOKEN}\"\n{keys}"));
    for name in ACCOUNTS {
        host.await_state(name, "ready");
    }
    let (memory, files) = (host.memory_kib(), open_files(&host));
    let posted = posted_meanwhile(&host, harm);
    host.fixture.post(END);
    heard(&mut host, posted);
    for name in ACCOUNTS {
        let account = host.account(name);
        assert_eq!((&account["generation"], &account["restarts"]), (&1.into(), &0.into()), "{account}");
    }
    for id in [&bot.user_id, &host.fixture.bot.user_id] {
        assert_eq!(host.fixture.simulator.counters().opened_sockets(id), 1);
    }
    println!("{posted} posts meanwhile came out once for each of {} accounts", ACCOUNTS.len());
    nothing_is_left(&host, memory, files);
}

/// Gives how many posts were made while harm was done.
fn posted_meanwhile(host: &AdminHost, harm: impl Fn(&AdminHost)) -> usize {
    let (posted, (stop, stopped)) = (AtomicUsize::new(0), channel::<()>());
    thread::scope(|scope| {
        let (fixture, posted) = (&host.fixture, &posted);
        scope.spawn(move || {
            while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                fixture.post(&format!("post {}", posted.fetch_add(1, Ordering::Relaxed)));
            }
        });
        harm(host);
        while posted.load(Ordering::Relaxed) < AT_LEAST {
            thread::sleep(BETWEEN);
            harm(host);
        }
        drop(stop);
    });
    posted.into_inner()
}

/// Every post comes out once for each account.
fn heard(host: &mut AdminHost, posted: usize) {
    let mut heard: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut ended = 0;
    while ended < ACCOUNTS.len() {
        let event =
            host.running.events.wait_for_json("the end", |event| event["type"] == "com.mattermost.posted");
        let post = &event["data"]["post"];
        let (account, message) = (event["account"].as_str().unwrap(), post["message"].as_str().unwrap());
        ended += usize::from(message == END);
        if message.starts_with("post ") {
            *heard.entry((account.into(), message.into())).or_default() += 1;
        }
    }
    let twice: Vec<_> = heard.iter().filter(|(_, times)| **times != 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    assert_eq!(heard.len(), posted * ACCOUNTS.len());
}

fn nothing_is_left(host: &AdminHost, memory: u64, files: usize) {
    let end = Instant::now() + DEADLINE;
    loop {
        let (now, open) = (host.memory_kib(), open_files(host));
        // Connections of the host's own to its server come and go.
        if now <= memory + KEEPS_KIB && open <= files + 4 {
            println!(
                "memory: {memory} KiB before, {now} KiB after; open files: {files} before, {open} after"
            );
            return;
        }
        assert!(
            Instant::now() < end,
            "{memory} KiB and {files} files before, {now} KiB and {open} files after"
        );
        thread::sleep(Duration::from_millis(50));
    }
}

/// How many files the process has open.
pub(crate) fn open_files(host: &AdminHost) -> usize {
    fs::read_dir(format!("/proc/{}/fd", host.running.id())).unwrap().count()
}
