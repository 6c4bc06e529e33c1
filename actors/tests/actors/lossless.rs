//! Nothing is lost under random faults: over sockets, with a server whose posts become visible late and out of order
//! (fact 23), and a host that is stopped and killed during the run.

mod addresses;
mod field_faults;
mod random_faults;
mod users;

use std::{
    collections::{BTreeSet, HashMap},
    thread,
    time::Duration,
};

use matterhost_actors::{
    hosting::{AuditSettings, CatchUpSettings, HostSettings},
    mattermost::ClientLimits,
    model::{Change, ChannelId, PostId},
};
use matterhost_simulator::{Post, ServerVersion};

use self::{
    addresses::TwoAddresses,
    field_faults::MANY_CHANGES,
    random_faults::{RunLog, inject_random_fault},
    users::{ChattingUsers, now_ms},
};
use crate::{
    harness::{REAL_TIMEOUT, ReceivedChange},
    simulator_harness::{SimulatorHarness, config_with, fault_tolerant_settings, quick_builder, run, seeds},
};

const MS: Duration = Duration::from_millis(1);

/// The longest delay before a post becomes visible; younger posts may become visible before it.
const MAX_COMMIT_DELAY: Duration = Duration::from_millis(30);

/// The delay that the host allows for: much longer, because the test machine may be busy. With 0 the runs fail.
const OVERLAP: Duration = Duration::from_secs(1);

/// Longer than a run takes.
const MAX_AGE: Duration = Duration::from_secs(600);

/// Concurrent runs; each spends most of its time waiting.
const CONCURRENT_RUNS: usize = 4;

/// Faults in one run.
const FAULTS: usize = 8;

/// The bits of a seed that decide about its run; all bits of a constant must be set. The host is also killed.
const KILLS_BITS: u64 = 0b1;
/// The server is of the newer version.
const NEW_BITS: u64 = 0b10;
/// The host reaches the server by two addresses.
const TWO_ADDRESSES_BITS: u64 = 0b100;
/// It does so with TLS.
const TLS_BITS: u64 = 0b1100;
/// The catch-up has a `max_age`.
const MAX_AGE_BITS: u64 = 0b1_0000;
/// The bot has no sibling.
const ALONE_BITS: u64 = 0b110_0000;
/// There are many changes at once.
const MANY_CHANGES_BITS: u64 = 0b111_1000_0000;
/// Each request to one of two addresses has a connection of its own.
const DIALING_BITS: u64 = 0b1000_0000_0000;

fn decides(seed: u64, bits: u64) -> bool {
    seed & bits == bits
}

#[test]
fn a_resume_after_a_cycle_while_away_loses_nothing_though_its_sequence_has_no_gap() {
    use matterhost_simulator::{Fault, FaultKind};
    run(async || {
        let mut harness = SimulatorHarness::with_one_bot().await;
        harness.post_and_wait(1).await;
        let bot = harness.bots[0].user_id.clone();
        let refusing = harness.simulator.inject(Fault::new(FaultKind::Refuse));
        harness.simulator.drop_sockets(&bot);
        harness.host.wait_until_closed("bot").await;
        harness.simulator.disable(&bot);
        let missed = harness.post("while disabled");
        harness.simulator.enable(&bot);
        harness.simulator.clear_fault(refusing);
        harness.host.wait_until_ready("bot").await;
        harness.host.sink.wait_for_posts(2).await;
        assert_eq!(harness.host.sink.posts()[1].id, missed, "fact 21");
    });
}

#[test]
fn nothing_is_lost_despite_random_faults() {
    for seeds in seeds(12).chunks(CONCURRENT_RUNS) {
        thread::scope(|scope| {
            for seed in seeds {
                println!("seed {seed}; set MATTERHOST_SEED={seed} to repeat this run");
                scope.spawn(|| run(async || run_with_faults(*seed).await));
            }
        });
    }
}

fn settings(max_age: Option<Duration>) -> HostSettings {
    let catch_up = CatchUpSettings { overlap: OVERLAP, max_age, ..CatchUpSettings::default() };
    let audit = AuditSettings { interval: 500 * MS, grace: 100 * MS, ..AuditSettings::default() };
    HostSettings { catch_up, audit, ..fault_tolerant_settings() }
}

/// Returns the users of a run, with their server and the host.
async fn users_of(seed: u64, version: ServerVersion) -> ChattingUsers {
    let has_tls = decides(seed, TLS_BITS);
    let settings = settings(decides(seed, MAX_AGE_BITS).then_some(MAX_AGE));
    let simulator = quick_builder(version).tls(has_tls).start().unwrap();
    let names = ["bot".into(), "sibling".into()];
    let names = &names[..2 - usize::from(decides(seed, ALONE_BITS))];
    if !decides(seed, TWO_ADDRESSES_BITS) {
        return ChattingUsers::new(SimulatorHarness::with_settings(simulator, settings, names).await, None);
    }
    let two = TwoAddresses::of(simulator.address(), has_tls);
    let mut limits = ClientLimits::default();
    if decides(seed, DIALING_BITS) {
        // Each request has a connection of its own.
        limits.keep_alive = Duration::ZERO;
    }
    let server = config_with(&simulator, &limits).with_addresses(two.addresses());
    let harness = SimulatorHarness::with_server(simulator, settings, server, names).await;
    ChattingUsers::new(harness, Some(two))
}

/// Runs once.
async fn run_with_faults(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let kills = decides(seed, KILLS_BITS);
    let version = if decides(seed, NEW_BITS) { ServerVersion::V11_1 } else { ServerVersion::V5_37 };
    let mut users = users_of(seed, version).await;
    let mut log = RunLog::new(decides(seed, MANY_CHANGES_BITS));
    for n in 0..2 {
        users.harness.add_channel_with_bots(&format!("side-{n}"));
    }
    users.date_from_now();
    users.harness.simulator.randomize_commit_delay(MAX_COMMIT_DELAY);
    for _ in 0..FAULTS {
        users.chat(&mut random, 12).await;
        inject_random_fault(&mut users, &mut log, &mut random, kills).await;
    }
    users.harness.simulator.clear_faults();
    users.addresses.iter().for_each(TwoAddresses::clear);
    users.harness.simulator.randomize_commit_delay(Duration::ZERO);
    users.chat(&mut random, 1).await;
    users.wait_until_visible().await;
    wait_until_received(&mut users, &log, seed).await;
    // Another catch-up must deliver nothing twice.
    users.harness.drop_and_reconnect().await;
    check_duplicates_and_order(&mut users, &log, seed, kills);
    let received = log.received(&users.harness);
    for post in users.never_told() {
        let is_post = |change: &ReceivedChange| change.create_at > 0 && change.id.as_str() == post;
        assert!(
            !received.iter().flatten().any(is_post),
            "seed {seed}: told {post}, made while the bot was out, faults {:#?}",
            log.faults
        );
    }
}

/// Waits until the bot has received every post, the last edit of each, and the deletion of each that it had received.
async fn wait_until_received(users: &mut ChattingUsers, log: &RunLog, seed: u64) {
    let deadline = tokio::time::Instant::now() + REAL_TIMEOUT;
    // Nobody posts any more. To read thousands of posts again and again would keep the server from its work.
    let posts: Vec<Post> = users.posts().collect();
    loop {
        let cut = log.cut_channels(&mut users.harness);
        let missing = missing(users, &posts, &log.received(&users.harness), &cut);
        if missing.is_empty() {
            return;
        }
        if tokio::time::Instant::now() > deadline {
            users.harness.host.pass_observations();
            let details = describe(users, log, &missing);
            panic!("seed {seed}: missing {missing:#?}, faults {:#?}, {details}", log.faults);
        }
        tokio::time::sleep(20 * MS).await;
    }
}

/// Describes the posts with these labels, all posts of their channels, what was received of those, and what was observed.
fn describe(users: &ChattingUsers, log: &RunLog, labels: &[String]) -> String {
    let is_labelled = |id: &str| labels.iter().any(|label| label.contains(id));
    let posts: Vec<Post> = users.posts().filter(|post| is_labelled(&post.id)).collect();
    let deleted: Vec<_> = users.deleted().filter(|deleted| is_labelled(&deleted.post.id)).collect();
    let of_deleted = deleted.iter().map(|deleted| &deleted.post);
    let channels: BTreeSet<&str> = posts.iter().chain(of_deleted).map(|post| &*post.channel_id).collect();
    let is_there = |channel: &str| channels.contains(channel);
    let there = users.posts().filter(|post| is_there(&post.channel_id));
    let there: Vec<_> = there.map(|post| format!("{} {} {:?}", post.id, post.create_at, post.kind)).collect();
    let describe = |received: &ReceivedChange| {
        let way = if received.recovered { "fetched" } else { "live" };
        format!("{:?} {way} {:?}", received.generation, received.change)
    };
    let of_host = |received: Vec<ReceivedChange>| {
        let there = received.into_iter().filter(|received| is_there(received.channel.as_str()));
        there.map(|received| describe(&received)).collect::<Vec<_>>()
    };
    let received: Vec<_> = log.received(&users.harness).into_iter().map(of_host).collect();
    let seen = users.harness.host.seen.iter();
    let observed: Vec<_> =
        seen.map(|seen| format!("{:?} {} {:?}", seen.at, seen.subject, seen.fact)).collect();
    format!(
        "{posts:#?}, deleted {deleted:#?}, posts there {there:#?}, received {received:#?}, observed {observed:#?}"
    )
}

/// Returns the labels of the changes that the bot has not received. Of the channels in `cut` it was told that the server leaves
/// edits and deletions out.
fn missing(
    users: &ChattingUsers,
    posts: &[Post],
    lives: &[Vec<ReceivedChange>],
    cut: &BTreeSet<ChannelId>,
) -> Vec<String> {
    let is_cut = |channel: &str| cut.iter().any(|known| known.as_str() == channel);
    let received: BTreeSet<String> = lives.iter().flatten().map(|received| label(&received.change)).collect();
    let mut missing = Vec::new();
    for post in posts {
        let id = PostId::from(post.id.as_str());
        // The post about a removal is for those who stay.
        if !users.is_while_out(&post.id) && post.kind != "system_remove_from_channel" {
            missing.push(format!("posted {id}"));
        }
        if post.edit_at > 0 && !is_cut(&post.channel_id) {
            missing.push(label(&Change::Edited { id, edit_at: post.edit_at }));
        }
    }
    // A post that was deleted before it was told needs no more.
    let deleted = users.deleted().map(|deleted| &deleted.post).filter(|post| !is_cut(&post.channel_id));
    let told = |post: &&Post| received.contains(&format!("posted {}", post.id));
    missing.extend(deleted.filter(told).map(|post| format!("deleted {}", post.id)));
    missing.retain(|label| !received.contains(label));
    missing
}

fn label(change: &Change) -> String {
    match change {
        Change::Posted(post) => format!("posted {}", post.id),
        Change::Edited { id, edit_at } => format!("edited {id} at {edit_at}"),
        Change::Deleted { id } => format!("deleted {id}"),
        Change::Left => "left".into(),
    }
}

/// Checks that, without kills and clocks set back, nothing was received twice, and that the posts of one catch-up were in
/// order.
fn check_duplicates_and_order(users: &mut ChattingUsers, log: &RunLog, seed: u64, kills: bool) {
    let lives = log.received(&users.harness);
    let mut counts: HashMap<String, usize> = HashMap::new();
    for received in lives.iter().flatten() {
        *counts.entry(label(&received.change)).or_default() += 1;
    }
    let twice: Vec<String> =
        counts.into_iter().filter(|(_, count)| *count > 1).map(|(label, _)| label).collect();
    let may_repeat = kills || log.faults.contains(&"clock ahead");
    if !may_repeat && !twice.is_empty() {
        users.harness.host.pass_observations();
        let details = describe(users, log, &twice);
        panic!("seed {seed}: received more than once: {twice:#?}, faults {:#?}, {details}", log.faults);
    }
    // After a gap a generation catches up again, so a post that becomes visible late is delivered late.
    if log.faults.contains(&"gap") {
        return;
    }
    // At addresses in trouble a catch-up takes long, and reads again where too many posts came meanwhile. Many changes take
    // several pages.
    let has_pages = log.faults.iter().any(|fault| ["short pages", MANY_CHANGES].contains(fault));
    let may_be_late = has_pages || users.addresses.is_some();
    let channels = users.harness.channels.borrow().clone();
    for (channel, received) in channels.iter().flat_map(|c| lives.iter().map(move |l| (c, l))) {
        let posts =
            received.iter().filter(|change| change.channel.as_str() == channel && change.create_at > 0);
        let posts = posts.filter(|change| !users.is_thread_reply(change.id.as_str()));
        let posts: Vec<&ReceivedChange> = posts.collect();
        for run in posts.chunk_by(|a, b| a.recovered && b.recovered && a.generation == b.generation) {
            let is_sorted = run.is_sorted_by_key(|post| (post.create_at, post.id.clone()));
            if !(is_sorted || (may_be_late && is_late_order(run))) {
                users.harness.host.pass_observations();
                let labels: Vec<String> = run.iter().map(|post| label(&post.change)).collect();
                let details = describe(users, log, &labels);
                panic!(
                    "seed {seed}: posts of {channel} out of order: {labels:#?}, faults {:#?}, {details}",
                    log.faults
                );
            }
        }
    }
}

/// True if the order of posts can come from several pages or rounds: each begins before the last post of the one before, so
/// that it also has posts that became visible meanwhile. They are older than the posts before them by the overlap at most.
fn is_late_order(run: &[&ReceivedChange]) -> bool {
    let overlap = i64::try_from(OVERLAP.as_millis()).unwrap();
    // A post dated into the future is the last of its page.
    let latest = now_ms();
    let times: Vec<i64> = run.iter().map(|post| post.create_at).filter(|time| *time <= latest).collect();
    times.windows(2).all(|pair| pair[0] <= pair[1] + overlap)
}
