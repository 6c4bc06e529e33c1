//! Checks that bots are not affected by abuse of the API.

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

/// The time between two posts.
const POST_INTERVAL: Duration = Duration::from_millis(20);

/// The pause between two rounds of abuse, because the API admits 200 requests per second.
const ROUND_INTERVAL: Duration = Duration::from_millis(100);

/// The least number of posts for a meaningful test.
const MIN_POSTS: usize = 50;

/// The growth of memory that is allowed: memory that the allocator does not return, and the posts of the test itself. A leak of a
/// thousand clients is far larger.
const MAX_GROWTH_KIB: u64 = 48 * 1_024;

/// The text of the last post.
const END: &str = "the end";

const ACCOUNTS: [&str; 2] = ["alerts", "helpdesk"];

/// Hosts two accounts, with a token and these keys of `[admin]`. Posts continuously while it repeats the abuse; checks that
/// each account receives each post once over its first socket, and that no memory or files leak.
pub(crate) fn assert_bots_unaffected(keys: &str, abuse: impl Fn(&AdminHost)) {
    let fixture = Fixture::new();
    let (bot, section) = add_bot(&fixture, "alerts");
    let mut host = AdminHost::start(fixture, &format!("{section}{ANY_PORT}token = \"{TOKEN}\"\n{keys}"));
    for name in ACCOUNTS {
        host.await_state(name, "ready");
    }
    let (memory, files) = (host.memory_kib(), open_files(&host));
    let posted = post_during(&host, abuse);
    host.fixture.post(END);
    assert_received_once(&mut host, posted);
    for name in ACCOUNTS {
        let account = host.account(name);
        assert_eq!((&account["generation"], &account["restarts"]), (&1.into(), &0.into()), "{account}");
    }
    for id in [&bot.user_id, &host.fixture.bot.user_id] {
        assert_eq!(host.fixture.simulator.counters().opened_sockets(id), 1);
    }
    println!("{posted} posts were received once by each of {} accounts", ACCOUNTS.len());
    assert_nothing_leaks(&host, memory, files);
}

/// Repeats the abuse while posting; returns the number of posts.
fn post_during(host: &AdminHost, abuse: impl Fn(&AdminHost)) -> usize {
    let (posted, (stop, stopped)) = (AtomicUsize::new(0), channel::<()>());
    thread::scope(|scope| {
        let (fixture, posted) = (&host.fixture, &posted);
        scope.spawn(move || {
            while stopped.recv_timeout(POST_INTERVAL) == Err(RecvTimeoutError::Timeout) {
                fixture.post(&format!("post {}", posted.fetch_add(1, Ordering::Relaxed)));
            }
        });
        abuse(host);
        while posted.load(Ordering::Relaxed) < MIN_POSTS {
            thread::sleep(ROUND_INTERVAL);
            abuse(host);
        }
        drop(stop);
    });
    posted.into_inner()
}

/// Checks that every account received every post once.
fn assert_received_once(host: &mut AdminHost, posted: usize) {
    let mut received: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut ended = 0;
    while ended < ACCOUNTS.len() {
        let event =
            host.running.events.wait_for_json("the end", |event| event["type"] == "com.mattermost.posted");
        let post = &event["data"]["post"];
        let (account, message) = (event["account"].as_str().unwrap(), post["message"].as_str().unwrap());
        ended += usize::from(message == END);
        if message.starts_with("post ") {
            *received.entry((account.into(), message.into())).or_default() += 1;
        }
    }
    let duplicates: Vec<_> = received.iter().filter(|(_, times)| **times != 1).collect();
    assert!(duplicates.is_empty(), "{duplicates:?}");
    assert_eq!(received.len(), posted * ACCOUNTS.len());
}

fn assert_nothing_leaks(host: &AdminHost, memory: u64, files: usize) {
    let end = Instant::now() + DEADLINE;
    loop {
        let (now, open) = (host.memory_kib(), open_files(host));
        // The host's own connections to its server vary.
        if now <= memory + MAX_GROWTH_KIB && open <= files + 4 {
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

/// Returns the number of open files of the process.
pub(crate) fn open_files(host: &AdminHost) -> usize {
    fs::read_dir(format!("/proc/{}/fd", host.running.id())).unwrap().count()
}
