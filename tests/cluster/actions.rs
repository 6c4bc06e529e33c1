//! Actions that programs put into the queue in NATS.

use std::{
    env, fs, os::unix::fs::symlink, path::PathBuf, process::Command, sync::Arc, thread, time::Duration,
};

use async_nats::{HeaderMap, jetstream};
use futures_util::StreamExt as _;
use matterhost::cluster::{ActionQueue as _, NatsCluster, ShardFences, shard_of};
use matterhost_actors::model::AccountName;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    harness::{Cluster, TTL, terminate},
    nats_server::NatsServer,
    nats_sink::clients,
    one_view::shared,
    program::text,
};

/// The longest wait for a result.
const PATIENCE: Duration = Duration::from_secs(60);

/// Puts actions into the queue, each for the account of a number, and returns their results in the same order.
fn act(cluster: &Cluster, actions: &[(usize, Value)]) -> Vec<Value> {
    cluster.nats.lock().unwrap().request(async |context| send(&context, actions).await)
}

async fn send(context: &jetstream::Context, actions: &[(usize, Value)]) -> Vec<Value> {
    let client = context.client();
    let inbox = client.new_inbox();
    let mut results = client.subscribe(format!("{inbox}.*")).await.unwrap();
    for (n, (bot, action)) in actions.iter().enumerate() {
        let mut headers = HeaderMap::new();
        headers.insert("Matterhost-Reply-To", format!("{inbox}.{n}"));
        let subject = format!("matterhost.actions.bot-{bot}");
        let stored = context.publish_with_headers(subject, headers, action.to_string().into()).await.unwrap();
        stored.await.unwrap();
    }
    let mut all = vec![Value::Null; actions.len()];
    while all.iter().any(Value::is_null) {
        let result = timeout(PATIENCE, results.next()).await.expect("a result").unwrap();
        let n: usize = result.subject.rsplit('.').next().unwrap().parse().unwrap();
        all[n] = serde_json::from_slice(&result.payload).unwrap();
    }
    all
}

/// Returns a post to the channel of a bot.
fn post(cluster: &Cluster, bot: usize, text: &str) -> (usize, Value) {
    (bot, json!({ "action": "post", "target": cluster.bots[bot].1, "text": text }))
}

/// Returns the number of posts with a text in the channel of a bot.
fn count(cluster: &Cluster, bot: usize, text: &str) -> usize {
    cluster.simulator.posts_in(&cluster.bots[bot].1).iter().filter(|post| post.message == text).count()
}

#[test]
fn actions_find_the_member_that_hosts_the_account_and_are_done_once_though_it_is_killed() {
    let cluster = Cluster::new().with_actions();
    let a = cluster.start_with_admin("a");
    let b = cluster.start("b");
    shared(&cluster, "a");
    let all: Vec<_> = (0..cluster.bots.len()).map(|bot| post(&cluster, bot, "first")).collect();
    for (bot, result) in act(&cluster, &all).iter().enumerate() {
        let posts = cluster.simulator.posts_in(&cluster.bots[bot].1);
        let made = posts.iter().find(|post| post.message == "first").unwrap();
        assert_eq!(*result, json!({ "status": 200, "ids": [made.id] }));
    }
    let wrong = [
        (0, json!({ "action": "post", "target": "", "text": "x" })),
        (0, json!([{ "action": "find_user", "user": "@person-0" }, { "action": "delete", "post": "x" }])),
        (
            0,
            json!([{ "action": "find_user", "user": "@person-0" }, { "action": "find_user", "user": "@nobody" }]),
        ),
    ];
    let results = act(&cluster, &wrong);
    assert_eq!((&results[0]["status"], &results[1][0]["status"]), (&json!(400), &json!(400)), "{results:?}");
    assert_eq!(
        (&results[2][0]["status"], &results[2][1]["status"]),
        (&json!(200), &json!(404)),
        "{results:?}"
    );

    let texts: Vec<_> =
        (0..4).flat_map(|n| (0..cluster.bots.len()).map(move |bot| (bot, format!("post {n}")))).collect();
    let many: Vec<_> = texts.iter().map(|(bot, text)| post(&cluster, *bot, text)).collect();
    let results = thread::scope(|scope| {
        let acting = scope.spawn(|| act(&cluster, &many));
        cluster.await_that("half of the posts", |cluster| {
            texts.iter().filter(|(bot, text)| count(cluster, *bot, text) > 0).count() > texts.len() / 4
        });
        b.signal("KILL");
        acting.join().unwrap()
    });
    b.wait_for_exit();
    for ((bot, text), result) in texts.iter().zip(&results) {
        assert_eq!(
            (&result["status"], count(&cluster, *bot, text)),
            (&json!(200), 1),
            "{bot} {text}: {result}"
        );
    }
    terminate(a);
}

#[test]
fn a_result_goes_to_an_inbox_alone() {
    let cluster = Cluster::with(1, "2s").with_actions();
    let a = cluster.start("a");
    cluster.await_sockets(1);
    let action = post(&cluster, 0, "hello").1.to_string();
    let caught = cluster.nats.lock().unwrap().request(async |context| {
        let client = context.client();
        let mut caught = client.subscribe("elsewhere").await.unwrap();
        client.flush().await.unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("Matterhost-Reply-To", "elsewhere");
        context
            .publish_with_headers("matterhost.actions.bot-0", headers, action.into())
            .await
            .unwrap()
            .await
            .unwrap();
        // Actions of an account are done in order, so that this one's result is later.
        send(&context, &[(0, json!({ "action": "find_user", "user": "@person-0" }))]).await;
        client.publish("elsewhere", "end".into()).await.unwrap();
        caught.next().await.unwrap().payload
    });
    assert_eq!((&caught[..], count(&cluster, 0, "hello")), (&b"end"[..], 1));
    terminate(a);
}

#[test]
fn clients_in_python_and_javascript_act_as_an_account_and_a_key_makes_one_post() {
    let (cluster, clients) = (Cluster::with(1, "2s").with_actions(), clients());
    symlink(clients.join("node_modules"), cluster.path("node_modules")).unwrap();
    let a = cluster.start("a");
    cluster.await_sockets(1);
    let (server, channel) =
        (format!("nats://{}", cluster.nats.lock().unwrap().address), cluster.bots[0].1.clone());
    for (program, name) in
        [(clients.join("bin/python"), "nats_action.py"), (PathBuf::from("node"), "nats_action.mjs")]
    {
        let script = cluster.path(name);
        fs::copy(env::current_dir().unwrap().join("docs/handlers").join(name), &script).unwrap();
        let run = || {
            let output =
                Command::new(&program).arg(&script).args([&server, "bot-0", &channel, name, name]).output();
            let output = output.unwrap();
            assert!(output.status.success(), "{}", text(&output.stderr));
            serde_json::from_str::<Value>(&text(&output.stdout)).unwrap()
        };
        let first = run();
        assert_eq!(
            (&first["status"], first["ids"].as_array().map(Vec::len)),
            (&json!(200), Some(1)),
            "{first}"
        );
        assert_eq!((run(), count(&cluster, 0, name)), (first, 1), "the same post");
    }
    terminate(a);
}

#[tokio::test]
async fn an_action_that_is_not_done_comes_again_with_the_same_identity() {
    let server = NatsServer::start("");
    let cluster =
        NatsCluster::connect(&server.settings(), TTL, Arc::new(ShardFences::default())).await.unwrap();
    let queue = cluster.open_actions(&server.settings()).await.unwrap();
    let account = AccountName::new("help.desk").unwrap();
    let mut actions = queue.take(shard_of(&account), vec![account.clone()]);
    let context = jetstream::new(async_nats::connect(&server.address).await.unwrap());
    for text in ["one", "two"] {
        let stored = context.publish("matterhost.actions.help%2Edesk", text.into()).await.unwrap();
        stored.await.unwrap();
    }
    let mut seen = Vec::new();
    while seen.len() < 3 {
        let action = timeout(PATIENCE, actions.recv()).await.unwrap().unwrap();
        assert_eq!(action.account, account);
        seen.push((action.id, String::from_utf8(action.text).unwrap()));
        // The first is dropped.
        if seen.len() > 1 {
            action.result.send(Vec::new()).unwrap();
        }
    }
    assert_eq!(seen[2], seen[0]);
    assert!(seen[0].1 == "one" && seen[1].1 == "two" && seen[0].0 != seen[1].0, "{seen:?}");
    drop(actions);
    let mut again = queue.take(shard_of(&account), vec![account]);
    let stored = context.publish("matterhost.actions.help%2Edesk", "three".into()).await.unwrap();
    stored.await.unwrap();
    let action = timeout(PATIENCE, again.recv()).await.unwrap().unwrap();
    assert_eq!(action.text, b"three", "what is done does not come again");
}

#[tokio::test]
async fn a_stream_that_is_no_queue_of_actions_is_refused() {
    let server = NatsServer::start("");
    let cluster =
        NatsCluster::connect(&server.settings(), TTL, Arc::new(ShardFences::default())).await.unwrap();
    let context = jetstream::new(async_nats::connect(&server.address).await.unwrap());
    let (name, subjects) = ("matterhost_actions".into(), vec!["matterhost.actions.*".into()]);
    context.create_stream(jetstream::stream::Config { name, subjects, ..Default::default() }).await.unwrap();
    let error = cluster.open_actions(&server.settings()).await.unwrap_err().to_string();
    assert!(
        error.contains("is no work queue") && error.contains("nats stream rm matterhost_actions"),
        "{error}"
    );
}
