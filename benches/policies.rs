//! What single decisions and parses cost.
#![expect(clippy::unwrap_used, reason = "recordings that cannot be read end the benchmark")]

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

/// As many accounts as one host is to carry.
const ACCOUNTS: usize = 10_000;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    restarts(&mut criterion);
    gate(&mut criterion);
    lanes(&mut criterion);
    cursors(&mut criterion);
    siblings(&mut criterion);
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
    criterion.bench_function("common cause: one of 10,000 that fall together", |bencher| {
        bencher.iter_batched(
            || fallen(now),
            |mut cause| {
                black_box(cause.dropped(now, 0));
                cause
            },
            BatchSize::LargeInput,
        );
    });
}

/// All but one have fallen.
fn fallen(now: Instant) -> CommonCause<usize> {
    let mut cause = CommonCause::default();
    (0..ACCOUNTS).for_each(|account| cause.ready(account));
    for account in 1..ACCOUNTS {
        cause.dropped(now, account);
    }
    cause
}

/// What cursors add to an event: taken, and acknowledged. A busy channel, a post a millisecond.
fn cursors(criterion: &mut Criterion) {
    let mut replay = ReplayState::new(ReplaySettings { overlap_ms: 10_000, from: StartFrom::Now });
    let channel = ChannelId::from("channel");
    let mut create_at = 1_700_000_000_000_i64;
    criterion.bench_function("book: take and acknowledge a post", |bencher| {
        bencher.iter(|| {
            create_at += 1;
            let id = PostId::from(format!("post{create_at:022}").as_str());
            let change = Change::Posted(PostKey { create_at, id });
            black_box(replay.admit(&channel, &change));
            replay.acknowledge(&channel, change);
        });
    });
    criterion.bench_function("book: the record of a channel with a post a millisecond", |bencher| {
        bencher.iter(|| {
            create_at += 1;
            let id = PostId::from(format!("post{create_at:022}").as_str());
            replay.acknowledge(&channel, Change::Posted(PostKey { create_at, id }));
            black_box(replay.take_changes())
        });
    });
}

fn gate(criterion: &mut Criterion) {
    let mut now = Instant::now();
    let mut bucket = TokenBucket::new(now, 50.0);
    criterion.bench_function("pace: take", |bencher| {
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
    criterion.bench_function("shares: push and next, 10,000 waiting", |bencher| {
        bencher.iter(|| {
            account += 1;
            queue.push(classes[account % classes.len()], account, ()).unwrap();
            black_box(queue.next(true))
        });
    });
}

fn lanes(criterion: &mut Criterion) {
    let channels: Vec<ChannelId> =
        (0..64).map(|n| ChannelId::from(format!("channel-{n}").as_str())).collect();
    let mut lanes = KeyedQueue::new(16);
    let mut next = channels.iter().cycle();
    criterion.bench_function("lanes: push, take and done", |bencher| {
        bencher.iter(|| {
            lanes.push(next.next().unwrap().clone(), ());
            let (lane, ()) = lanes.take().unwrap();
            lanes.complete(black_box(&lane));
        });
    });
}

fn siblings(criterion: &mut Criterion) {
    let users: Vec<UserId> = (0..ACCOUNTS).map(|n| UserId::from(format!("user-{n}").as_str())).collect();
    let mut siblings = SiblingWatch::default();
    for (account, user) in users.iter().enumerate() {
        siblings.set_baseline(user, &account, 1);
    }
    let now = Instant::now();
    let mut user = users.iter().cycle();
    criterion.bench_function("witness: saw what another told before", |bencher| {
        bencher.iter(|| black_box(siblings.observe(now, user.next().unwrap(), 1)));
    });
    let mut update_at = 1;
    criterion.bench_function("witness: saw news", |bencher| {
        bencher.iter(|| {
            update_at += 1;
            black_box(siblings.observe(now, user.next().unwrap(), update_at))
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

/// The text frames that a server sent.
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
        generation: Generation(1),
        connection_id: "connection".into(),
        received_at: UNIX_EPOCH + Duration::from_secs(1_700_000_000),
        recovered: false,
        own: false,
        body: EventBody {
            event: envelope.event.as_ref().into(),
            channel_id: envelope.channel_id(),
            change: None,
            seq: envelope.seq,
            data: envelope.data.get().into(),
            broadcast: envelope.broadcast.get().into(),
        },
    }
}
