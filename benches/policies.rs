//! Benchmarks of single decisions and parses.
#![expect(clippy::unwrap_used, reason = "unreadable recordings abort the benchmark")]

use std::{
    fs,
    hint::black_box,
    time::{Duration, Instant, UNIX_EPOCH},
};

use criterion::{BatchSize, Criterion, Throughput};
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

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    restarts(&mut criterion);
    gate(&mut criterion);
    keyed_queue(&mut criterion);
    cursors(&mut criterion);
    sibling_watch(&mut criterion);
    wire(&mut criterion);
    criterion.final_summary();
}

fn restarts(criterion: &mut Criterion) {
    let mut now = Instant::now();
    let mut budget = Budget::new(&RestartSettings::default());
    criterion.bench_function("budget: charge", |bencher| {
        bencher.iter(|| {
            now += Duration::from_secs(200);
            black_box(budget.charge(now))
        });
    });
    criterion.bench_function("common cause: one of 10,000 simultaneous drops", |bencher| {
        bencher.iter_batched(
            || all_but_one_dropped(now),
            |mut cause| {
                black_box(cause.dropped(now, 0));
                cause
            },
            BatchSize::LargeInput,
        );
    });
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

/// Measures the cost of cursors for an event: admission and acknowledgement, in a channel with a post per
/// millisecond.
fn cursors(criterion: &mut Criterion) {
    let mut replay = ReplayState::new(ReplaySettings { overlap_ms: 10_000, from: StartFrom::Now });
    let channel = ChannelId::from("channel");
    let mut create_at = 1_700_000_000_000_i64;
    criterion.bench_function("replay state: admit and acknowledge a post", |bencher| {
        bencher.iter(|| {
            create_at += 1;
            let id = PostId::from(format!("post{create_at:022}").as_str());
            let change = Change::Posted(PostKey { create_at, id });
            black_box(replay.admit(&channel, &change));
            replay.acknowledge(&channel, change);
        });
    });
    criterion.bench_function(
        "replay state: the change of a channel with a post per millisecond, a commit per post",
        |bencher| {
            bencher.iter(|| {
                create_at += 1;
                let id = PostId::from(format!("post{create_at:022}").as_str());
                replay.acknowledge(&channel, Change::Posted(PostKey { create_at, id }));
                black_box(replay.take_changes())
            });
        },
    );
}

fn gate(criterion: &mut Criterion) {
    let mut now = Instant::now();
    let mut bucket = TokenBucket::new(now, 50.0);
    criterion.bench_function("token bucket: take", |bencher| {
        bencher.iter(|| {
            now += Duration::from_millis(15);
            black_box(bucket.take(now))
        });
    });
    let mut queue = FairQueue::default();
    let classes = [RequestClass::Health, RequestClass::Connect, RequestClass::CatchUp, RequestClass::Reply];
    for (account, class) in (0..ACCOUNTS).zip(classes.into_iter().cycle()) {
        queue.push(class, account, ()).unwrap();
    }
    let mut account = ACCOUNTS;
    criterion.bench_function("fair queue: push and next, 10,000 waiting", |bencher| {
        bencher.iter(|| {
            account += 1;
            queue.push(classes[account % classes.len()], account, ()).unwrap();
            black_box(queue.next(true))
        });
    });
}

fn keyed_queue(criterion: &mut Criterion) {
    let channels: Vec<ChannelId> =
        (0..64).map(|n| ChannelId::from(format!("channel-{n}").as_str())).collect();
    let mut keyed_queue = KeyedQueue::new(16);
    let mut next = channels.iter().cycle();
    criterion.bench_function("keyed queue: push, take and complete", |bencher| {
        bencher.iter(|| {
            keyed_queue.push(next.next().unwrap().clone(), ());
            let (lane, ()) = keyed_queue.take().unwrap();
            keyed_queue.complete(black_box(&lane));
        });
    });
}

fn sibling_watch(criterion: &mut Criterion) {
    let users: Vec<UserId> = (0..ACCOUNTS).map(|n| UserId::from(format!("user-{n}").as_str())).collect();
    let mut sibling_watch = SiblingWatch::default();
    for (account, user) in users.iter().enumerate() {
        sibling_watch.set_baseline(user, &account, 1);
    }
    let now = Instant::now();
    let mut user = users.iter().cycle();
    criterion.bench_function("sibling watch: a known change", |bencher| {
        bencher.iter(|| black_box(sibling_watch.observe(now, user.next().unwrap(), 1)));
    });
    let mut update_at = 1;
    criterion.bench_function("sibling watch: a new change", |bencher| {
        bencher.iter(|| {
            update_at += 1;
            black_box(sibling_watch.observe(now, user.next().unwrap(), update_at))
        });
    });
}

fn wire(criterion: &mut Criterion) {
    let frames = recorded();
    let mut group = criterion.benchmark_group("wire");
    group.throughput(Throughput::Bytes(frames.iter().map(|frame| frame.len() as u64).sum()));
    group.bench_function(format!("envelopes of the {} recorded frames", frames.len()), |bencher| {
        bencher.iter(|| frames.iter().filter(|frame| black_box(parse_frame(frame)).is_ok()).count());
    });
    let post =
        frames.iter().filter(|frame| frame.contains(r#""event":"posted""#)).max_by_key(|post| post.len());
    let post = post.unwrap();
    let event = event(post);
    group.throughput(Throughput::Bytes(post.len() as u64));
    group.bench_function("the envelope of the longest recorded post", |bencher| {
        bencher.iter(|| black_box(parse_frame(post)).is_ok());
    });
    group.bench_function("the head of that post", |bencher| {
        bencher.iter(|| match parse_frame(post).unwrap() {
            Incoming::Event(envelope) => black_box(envelope.posted().unwrap().head()).is_ok(),
            Incoming::Reply(_) => false,
        });
    });
    group.bench_function("its line of CloudEvents", |bencher| {
        bencher.iter(|| black_box(cloud_event::encode_line(&event)));
    });
    group.finish();
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
