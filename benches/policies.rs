//! Benchmarks of single decisions and parses.
#![expect(clippy::unwrap_used, reason = "unreadable recordings abort the benchmark")]

use std::{
    fs,
    hint::black_box,
    time::{Duration, Instant, UNIX_EPOCH},
};

use divan::{Bencher, counter::BytesCount};
use matterhost::sinks::cloud_event;
use matterhost_actors::{
    mattermost::{Incoming, parse_frame},
    model::{
        AccountName, AccountUser, Change, ChannelId, Event, EventBody, Generation, PostId, PostKey,
        ServerName, UserId,
    },
    policy::{
        Budget, CommonCause, FairQueue, KeyedQueue, ReplaySettings, ReplayState, RequestClass,
        RestartSettings, SiblingWatch, StartFrom, TokenBucket,
    },
};

/// The number of accounts that one host must support.
const ACCOUNTS: usize = 10_000;

/// Repetitions of what takes nanoseconds, between two looks at the clock.
const MANY: u32 = 1_000;

fn main() {
    divan::main();
}

#[divan::bench(name = "budget: charge", sample_size = MANY)]
fn charge(bencher: Bencher) {
    let mut now = Instant::now();
    let mut budget = Budget::new(&RestartSettings::default());
    bencher.bench_local(|| {
        now += Duration::from_secs(200);
        budget.charge(now)
    });
}

#[divan::bench(name = "common cause: one of 10,000 simultaneous drops")]
fn one_of_many_drops(bencher: Bencher) {
    let now = Instant::now();
    bencher.with_inputs(|| all_but_one_dropped(now)).bench_local_refs(|cause| cause.dropped(now, 0));
}

/// Drops all accounts but one.
fn all_but_one_dropped(now: Instant) -> CommonCause<usize> {
    let mut cause = CommonCause::default();
    (0..ACCOUNTS).for_each(|account| cause.ready(account));
    for account in 1..ACCOUNTS {
        cause.dropped(now, account);
    }
    cause
}

#[divan::bench(name = "token bucket: take", sample_size = MANY)]
fn take_a_token(bencher: Bencher) {
    let mut now = Instant::now();
    let mut bucket = TokenBucket::new(now, 50.0);
    bencher.bench_local(|| {
        now += Duration::from_millis(15);
        bucket.take(now)
    });
}

#[divan::bench(name = "fair queue: push and next, 10,000 waiting", sample_size = MANY)]
fn fair_queue(bencher: Bencher) {
    let mut queue = FairQueue::default();
    let classes = [RequestClass::Health, RequestClass::Connect, RequestClass::CatchUp, RequestClass::Reply];
    for (account, class) in (0..ACCOUNTS).zip(classes.into_iter().cycle()) {
        queue.push(class, account, ()).unwrap();
    }
    let mut account = ACCOUNTS;
    bencher.bench_local(|| {
        account += 1;
        queue.push(classes[account % classes.len()], account, ()).unwrap();
        queue.next(true)
    });
}

#[divan::bench(name = "keyed queue: push, take and complete", sample_size = MANY)]
fn keyed_queue(bencher: Bencher) {
    let channels: Vec<ChannelId> =
        (0..64).map(|n| ChannelId::from(format!("channel-{n}").as_str())).collect();
    let mut keyed_queue = KeyedQueue::new(16);
    let mut next = channels.iter().cycle();
    bencher.bench_local(|| {
        keyed_queue.push(next.next().unwrap().clone(), ());
        let (lane, ()) = keyed_queue.take().unwrap();
        keyed_queue.complete(black_box(&lane));
    });
}

/// A channel with a post per millisecond.
struct BusyChannel {
    replay: ReplayState,
    id: ChannelId,
    create_at: i64,
}

impl BusyChannel {
    fn new() -> Self {
        let replay = ReplayState::new(ReplaySettings { overlap_ms: 10_000, from: StartFrom::Now });
        Self { replay, id: ChannelId::from("channel"), create_at: 1_700_000_000_000 }
    }

    fn next_post(&mut self) -> Change {
        self.create_at += 1;
        let id = PostId::from(format!("post{:022}", self.create_at).as_str());
        Change::Posted(PostKey { create_at: self.create_at, id })
    }
}

#[divan::bench(name = "replay state: admit and acknowledge a post", sample_size = MANY)]
fn admit_and_acknowledge(bencher: Bencher) {
    let mut channel = BusyChannel::new();
    bencher.bench_local(|| {
        let post = channel.next_post();
        black_box(channel.replay.admit(&channel.id, &post));
        channel.replay.acknowledge(&channel.id, post);
    });
}

#[divan::bench(name = "replay state: the change of a channel with a post per millisecond, a commit per post", sample_size = MANY)]
fn take_the_changes(bencher: Bencher) {
    let mut channel = BusyChannel::new();
    bencher.bench_local(|| {
        let post = channel.next_post();
        channel.replay.acknowledge(&channel.id, post);
        channel.replay.take_changes()
    });
}

/// Returns the watch of all accounts, each with a baseline of 1, and their users.
fn watch_of_all() -> (SiblingWatch<usize>, Vec<UserId>) {
    let users: Vec<UserId> = (0..ACCOUNTS).map(|n| UserId::from(format!("user-{n}").as_str())).collect();
    let mut watch = SiblingWatch::default();
    for (account, user) in users.iter().enumerate() {
        watch.set_baseline(user, &account, 1);
    }
    (watch, users)
}

#[divan::bench(name = "sibling watch: a known change", sample_size = MANY)]
fn known_change(bencher: Bencher) {
    let (mut watch, users) = watch_of_all();
    let (now, mut user) = (Instant::now(), users.iter().cycle());
    bencher.bench_local(|| watch.observe(now, user.next().unwrap(), 1));
}

#[divan::bench(name = "sibling watch: a new change", sample_size = MANY)]
fn new_change(bencher: Bencher) {
    let (mut watch, users) = watch_of_all();
    let (now, mut user) = (Instant::now(), users.iter().cycle());
    let mut update_at = 1;
    bencher.bench_local(|| {
        update_at += 1;
        watch.observe(now, user.next().unwrap(), update_at)
    });
}

#[divan::bench(name = "wire: envelopes of the recorded frames")]
fn envelopes(bencher: Bencher) {
    let frames = recorded();
    let bytes: usize = frames.iter().map(String::len).sum();
    let parse = || frames.iter().filter(|frame| black_box(parse_frame(frame)).is_ok()).count();
    bencher.counter(BytesCount::new(bytes)).bench_local(parse);
}

#[divan::bench(name = "wire: the longest recorded post, its envelope")]
fn envelope_of_the_longest_post(bencher: Bencher) {
    let post = longest_post();
    bencher.counter(BytesCount::of_str(&post)).bench_local(|| black_box(parse_frame(&post)).is_ok());
}

#[divan::bench(name = "wire: the longest recorded post, its head")]
fn head_of_the_longest_post(bencher: Bencher) {
    let post = longest_post();
    bencher.counter(BytesCount::of_str(&post)).bench_local(|| match parse_frame(&post).unwrap() {
        Incoming::Event(envelope) => black_box(envelope.posted().unwrap().head()).is_ok(),
        Incoming::Reply(_) => false,
    });
}

#[divan::bench(name = "wire: the longest recorded post, its line of CloudEvents")]
fn line_of_the_longest_post(bencher: Bencher) {
    let post = longest_post();
    let event = event(&post);
    bencher.counter(BytesCount::of_str(&post)).bench_local(|| cloud_event::encode_line(&event));
}

/// Returns the longest recorded frame with a post.
fn longest_post() -> String {
    let posts = recorded().into_iter().filter(|frame| frame.contains(r#""event":"posted""#));
    posts.max_by_key(String::len).unwrap()
}

/// Reads the recorded text frames of a server.
fn recorded() -> Vec<String> {
    let file = fs::read_to_string("tests/fixtures/wire/events.jsonl").unwrap();
    let lines = file.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    lines.filter_map(|line| Some(line["recv"].as_str()?.to_owned())).collect()
}

fn event(frame: &str) -> Event {
    let Incoming::Event(envelope) = parse_frame(frame).unwrap() else { return event(&recorded()[0]) };
    Event {
        account: AccountName::new("helpdesk").unwrap(),
        server: ServerName::new("main").unwrap(),
        user: AccountUser::default(),
        channel: None,
        sender: None,
        generation: Generation(1),
        connection_id: "connection".into(),
        received_at: UNIX_EPOCH + Duration::from_secs(1_700_000_000),
        recovered: false,
        last_recovered: false,
        own: false,
        body: EventBody {
            event: envelope.event.as_ref().into(),
            channel_id: envelope.channel_id(),
            change: None,
            post: None,
            seq: envelope.seq,
            data: envelope.data.get().into(),
            broadcast: envelope.broadcast.get().into(),
        },
    }
}
