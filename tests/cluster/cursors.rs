//! The read positions of accounts in NATS.

#[path = "../../actors/tests/contracts/cursor_store.rs"]
mod cursor_store;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use matterhost::cluster::{NatsCluster, NatsCursors};
use matterhost_actors::{
    model::{AccountName, ChannelRecord, PostId, Records},
    ports::{AccountFence, CursorStore as _},
};

use crate::nats_server::NatsServer;

const TTL: Duration = Duration::from_secs(2);

/// A fence that is closed by hand.
struct Gate(AtomicBool);

impl AccountFence for Gate {
    fn is_open(&self, _: &AccountName) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

async fn open_with(server: &NatsServer, gate: &Arc<Gate>) -> NatsCursors {
    let gate = Arc::clone(gate);
    NatsCluster::connect(&server.settings(), TTL, gate).await.unwrap().cursors
}

async fn open(server: &NatsServer) -> NatsCursors {
    open_with(server, &Arc::new(Gate(true.into()))).await
}

fn name() -> AccountName {
    AccountName::new("helpdesk").unwrap()
}

fn post(n: i64) -> (i64, PostId) {
    (n, PostId::from(format!("post-{n:02}").as_str()))
}

/// Returns records of one channel in which everything up to a post is acknowledged, and some later posts.
fn acknowledged(until: i64, since: &[i64]) -> Records {
    let (anchor_at, anchor) = post(until);
    let record = ChannelRecord {
        anchor_at,
        anchor: Some(anchor),
        since: since.iter().map(|n| post(*n)).collect(),
        seen_until: until,
        edited_until: until,
        ..ChannelRecord::default()
    };
    Records { channels: [("c".into(), record)].into(), ..Records::default() }
}

#[tokio::test]
async fn the_cursors_in_nats_fulfil_the_contract() {
    let server = NatsServer::start("");
    cursor_store::check_contract(open(&server).await, async |_| open(&server).await).await;
}

#[tokio::test]
async fn reading_accounts_leaves_no_consumer_in_nats() {
    let server = NatsServer::start("");
    let store = open(&server).await;
    for n in 0..20 {
        let account = AccountName::new(&format!("bot-{n}")).unwrap();
        store.commit(&account, acknowledged(3, &[]).into()).await.unwrap();
        let reader = open(&server).await;
        assert_eq!(reader.load(&account).await, Ok(acknowledged(3, &[])));
    }
    assert_eq!(store.load(&name()).await, Ok(Records::default()));
    let left = server.request(async |context| {
        let mut stream = context.get_stream("KV_matterhost_cursors").await.unwrap();
        stream.info().await.unwrap().state.consumer_count
    });
    assert_eq!(left, 0, "NATS allows a thousand");
}

#[tokio::test]
async fn two_owners_of_an_account_lose_nothing_of_what_either_acknowledged() {
    let server = NatsServer::start("");
    let (old, new) = (open(&server).await, open(&server).await);
    old.commit(&name(), acknowledged(3, &[]).into()).await.unwrap();
    assert_eq!(new.load(&name()).await, Ok(acknowledged(3, &[])));
    new.commit(&name(), acknowledged(5, &[7]).into()).await.unwrap();
    // It does not know of that.
    old.commit(&name(), acknowledged(4, &[6]).into()).await.unwrap();
    let mut merged = acknowledged(5, &[6, 7]);
    merged.channels.values_mut().for_each(|channel| (channel.seen_until, channel.edited_until) = (4, 4));
    assert_eq!(new.load(&name()).await, Ok(merged));
}

#[tokio::test]
async fn a_member_whose_fence_is_closed_stores_nothing() {
    let server = NatsServer::start("");
    let gate = Arc::new(Gate(true.into()));
    let fenced = open_with(&server, &gate).await;
    fenced.commit(&name(), acknowledged(3, &[]).into()).await.unwrap();
    gate.0.store(false, Ordering::Relaxed);
    let refused = fenced.commit(&name(), acknowledged(4, &[]).into()).await.unwrap_err();
    assert!(refused.message.contains("another member may own the account"), "{refused}");
    assert_eq!(open(&server).await.load(&name()).await, Ok(acknowledged(3, &[])));
}

#[tokio::test]
async fn without_nats_the_error_names_it_and_afterwards_it_goes_on() {
    let mut server = NatsServer::start("");
    let store = open(&server).await;
    store.commit(&name(), acknowledged(3, &[]).into()).await.unwrap();
    server.stop();
    let down = store.commit(&name(), acknowledged(4, &[]).into()).await.unwrap_err();
    assert!(down.message.contains("account helpdesk, bucket matterhost_cursors of NATS JetStream"), "{down}");
    server.start_again();
    let again = async {
        while store.commit(&name(), acknowledged(5, &[]).into()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), again).await.unwrap();
    assert_eq!(open(&server).await.load(&name()).await, Ok(acknowledged(5, &[])));
}
