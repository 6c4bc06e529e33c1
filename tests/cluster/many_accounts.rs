//! Ten thousand accounts and more on three members of a cluster, without their connections: what moves, and what NATS has to do.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures_util::future::{BoxFuture, FutureExt as _};
use matterhost::cluster::{
    ClusterSettings, ClusterStatus, Coordinator, Fence, MemberLoop, MemberRecord, MemberRequest,
    NatsMembership, SHARDS, ShardId, ShardRunner, shard_of,
};
use tokio::{
    sync::{mpsc, watch},
    task::spawn,
    time::{sleep, timeout},
};

use crate::{action_contract::account, contract::id, nats_server::NatsServer};

/// The longest wait for what is certain to come.
const PATIENCE: Duration = Duration::from_secs(120);

/// The lifetime of a lease: the default.
const TTL: Duration = Duration::from_secs(10);

/// The accounts that may move at a time, as in the program.
const MOST_MOVING: usize = 64;

/// The time in which the accounts of a shard stop.
const STOP: Duration = Duration::from_millis(20);

/// The time for which requests are counted.
const COUNTED: Duration = Duration::from_secs(4);

/// The moves of all members.
#[derive(Default)]
struct Moves {
    weights: BTreeMap<ShardId, usize>,
    stopped: BTreeSet<ShardId>,
    /// The accounts that run nowhere at the moment, and the most that did so at a time.
    in_motion: usize,
    most_in_motion: usize,
    /// The accounts that were started by each member after they had stopped.
    moved_to: BTreeMap<u64, usize>,
}

struct Recorder {
    member: u64,
    moves: Arc<Mutex<Moves>>,
}

impl ShardRunner for Recorder {
    fn start(&mut self, shard: ShardId, _: Fence) -> BoxFuture<'static, ()> {
        let mut moves = self.moves.lock().unwrap();
        let weight = moves.weights.get(&shard).copied().unwrap_or_default();
        if moves.stopped.remove(&shard) {
            moves.in_motion -= weight;
            *moves.moved_to.entry(self.member).or_default() += weight;
        }
        async {}.boxed()
    }

    fn stop(&mut self, shard: ShardId) -> BoxFuture<'static, ()> {
        let mut moves = self.moves.lock().unwrap();
        moves.stopped.insert(shard);
        moves.in_motion += moves.weights.get(&shard).copied().unwrap_or_default();
        moves.most_in_motion = moves.most_in_motion.max(moves.in_motion);
        sleep(STOP).boxed()
    }
}

/// A member, which ends with this value.
struct Member {
    status: watch::Receiver<ClusterStatus>,
    _requests: mpsc::Sender<MemberRequest>,
}

async fn start(number: u64, server: &NatsServer, moves: &Arc<Mutex<Moves>>) -> Member {
    let store = NatsMembership::connect(&server.settings(), TTL).await.unwrap();
    let settings = ClusterSettings { lease_ttl: TTL, shards: SHARDS, most_moving: MOST_MOVING };
    let coordinator = Coordinator::new(settings, id(&format!("m{number}"), number), MemberRecord::default());
    let runner = Recorder { member: number, moves: Arc::clone(moves) };
    let (member, status) = MemberLoop::new(coordinator, Arc::new(store), runner);
    let (requests, requested) = mpsc::channel(8);
    let weights = moves.lock().unwrap().weights.clone();
    requests.send(MemberRequest::SetAccounts(weights)).await.unwrap();
    spawn(member.run(requested));
    Member { status, _requests: requests }
}

/// Waits until so many members own all shards, and nothing moves.
async fn settled(members: &mut [Member]) {
    let count = members.len();
    for member in members {
        let is_settled = |status: &ClusterStatus| {
            let shards = &status.shards;
            let is_quiet = shards.moving == 0 && shards.unowned == 0 && shards.awaited == 0;
            status.members.len() == count && status.is_settled && is_quiet && shards.running > 0
        };
        timeout(PATIENCE, member.status.wait_for(is_settled)).await.unwrap().unwrap();
    }
}

/// Returns the messages that NATS gets from its clients in a second, while nothing moves.
async fn quiet_rate(server: &NatsServer) -> f64 {
    let (before, begun) = (server.messages_received(), Instant::now());
    sleep(COUNTED).await;
    let messages = u32::try_from(server.messages_received() - before).unwrap();
    f64::from(messages) / begun.elapsed().as_secs_f64()
}

async fn join_third(accounts: usize) -> Moves {
    let server = NatsServer::start("");
    let mut weights = BTreeMap::new();
    for n in 0..accounts {
        *weights.entry(shard_of(&account(&format!("bot-{n}")))).or_insert(0) += 1;
    }
    let moves = Arc::new(Mutex::new(Moves { weights, ..Moves::default() }));
    let mut members = vec![start(1, &server, &moves).await, start(2, &server, &moves).await];
    settled(&mut members).await;
    let quiet = quiet_rate(&server).await;
    {
        let mut moves = moves.lock().unwrap();
        moves.moved_to.clear();
        moves.most_in_motion = moves.in_motion;
    }
    let (before, begun) = (server.messages_received(), Instant::now());
    members.push(start(3, &server, &moves).await);
    settled(&mut members).await;
    let (took, messages) = (begun.elapsed(), server.messages_received() - before);
    let moves = std::mem::take(&mut *moves.lock().unwrap());
    println!(
        "{accounts} accounts: {:?} moved, {} at a time, {messages} messages to NATS in {took:?}; {quiet:.1} a second at rest",
        moves.moved_to, moves.most_in_motion
    );
    moves
}

fn check_moves(moves: &Moves, accounts: usize) {
    assert_eq!((moves.moved_to.keys().copied().collect::<Vec<_>>(), moves.in_motion), (vec![3], 0));
    let (arrived, third) = (moves.moved_to[&3], accounts / 3);
    assert!(arrived.abs_diff(third) < third / 4, "{arrived} of {accounts} moved");
}

#[tokio::test]
async fn of_ten_thousand_accounts_a_third_moves_to_the_third_member_and_few_at_a_time() {
    let moves = join_third(10_000).await;
    check_moves(&moves, 10_000);
    assert!(moves.most_in_motion <= MOST_MOVING, "{} at a time", moves.most_in_motion);
}

#[tokio::test]
#[ignore = "it takes a minute: a shard has more accounts than may move at a time, so that each moves alone"]
async fn of_a_hundred_thousand_accounts_each_member_gives_one_shard_at_a_time() {
    let moves = join_third(100_000).await;
    check_moves(&moves, 100_000);
    let largest = moves.weights.values().max().copied().unwrap_or_default();
    assert!(moves.most_in_motion <= 4 * largest, "{} at a time", moves.most_in_motion);
}
