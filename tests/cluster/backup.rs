//! A backup of the read positions, as `nats stream backup` and `nats stream restore` make and take it.

use async_nats::Client;
use bytes::Bytes;
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use crate::harness::{Cluster, TTL, terminate};

/// The stream of the bucket with the read positions.
const CURSORS: &str = "KV_matterhost_cursors";

/// A copy of a stream at one moment.
struct Backup {
    settings: Value,
    chunks: Vec<Bytes>,
}

/// Copies a stream, which goes on meanwhile.
async fn back_up(client: &Client, stream: &str) -> Backup {
    let inbox = client.new_inbox();
    let mut parts = client.subscribe(inbox.clone()).await.unwrap();
    let settings =
        ask(client, &format!("STREAM.SNAPSHOT.{stream}"), &json!({ "deliver_subject": inbox })).await;
    let mut chunks = Vec::new();
    while let Some(part) = parts.next().await {
        if part.payload.is_empty() {
            break;
        }
        chunks.push(part.payload);
        // The server sends more once it knows that this came.
        if let Some(reply) = part.reply {
            client.publish(reply, Bytes::new()).await.unwrap();
        }
    }
    Backup { settings, chunks }
}

/// Puts a copy in the place of a stream that is gone.
async fn restore(client: &Client, stream: &str, backup: Backup) {
    let order = json!({ "config": backup.settings["config"], "state": backup.settings["state"] });
    let answer = ask(client, &format!("STREAM.RESTORE.{stream}"), &order).await;
    let subject = answer["deliver_subject"].as_str().unwrap().to_owned();
    for chunk in backup.chunks {
        client.request(subject.clone(), chunk).await.unwrap();
    }
    let answer = client.request(subject, Bytes::new()).await.unwrap();
    assert!(!String::from_utf8_lossy(&answer.payload).contains("error"), "{answer:?}");
}

async fn ask(client: &Client, request: &str, body: &Value) -> Value {
    let answer = client.request(format!("$JS.API.{request}"), body.to_string().into()).await.unwrap();
    let answer: Value = serde_json::from_slice(&answer.payload).unwrap();
    assert!(answer.get("error").is_none(), "{answer}");
    answer
}

#[test]
fn members_go_on_from_a_backup_of_the_read_positions_and_answer_nothing_twice() {
    let cluster = Cluster::with(4, TTL);
    let nats = || cluster.nats.lock().unwrap();
    let member = cluster.start("a");
    cluster.await_sockets(1);
    cluster.post_to_each("before");
    cluster.await_answers(0);
    let stored = nats().request(async |context| back_up(&context.client(), CURSORS).await);
    cluster.post_to_each("after");
    cluster.await_answers(0);
    terminate(member);
    cluster.post_to_each("missed");
    nats().request(async |context| {
        for stream in [CURSORS, "KV_matterhost_shards", "KV_matterhost_members"] {
            context.delete_stream(stream).await.unwrap();
        }
        restore(&context.client(), CURSORS, stored).await;
    });
    let member = cluster.start("a");
    cluster.await_answers(0);
    terminate(member);
    assert!(cluster.answers().values().all(|answers| *answers == 1), "{:?}", cluster.answers());
    let handed = cluster.handed_to("a");
    let times = |text: &str| handed.iter().filter(|event| event.post.starts_with(text)).count();
    // The backup may lack acknowledgements of the last 100 ms.
    assert!((4..=8).contains(&times("before")), "{handed:#?}");
    assert_eq!((times("after"), times("missed")), (8, 4), "{handed:#?}");
}
