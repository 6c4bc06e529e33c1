//! Actions that programs put into the queue in NATS, taken by members as processes.

use std::{env, fs, os::unix::fs::symlink, path::PathBuf, process::Command, thread, time::Duration};

use async_nats::{HeaderMap, jetstream};
use futures_util::StreamExt as _;
use matterhost_simulator::PostOptions;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    harness::{Cluster, TTL, terminate},
    nats_sink::clients,
    one_view::{accounts, shared},
    program::{RunningProgram, text},
    refused_actions::refused_actions,
};

/// The longest wait for the next result.
const PATIENCE: Duration = Duration::from_secs(60);

/// The posts of each account while something happens to its member.
const POSTS: usize = 25;

/// Puts actions into the queue, each for the account of a number, and returns their results in the same order.
fn act(cluster: &Cluster, actions: &[(usize, Value)]) -> Vec<Value> {
    // Members may start meanwhile, for which the server is locked.
    let address = cluster.nats.lock().unwrap().address.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = async_nats::connect(address).await.unwrap();
        send(&jetstream::new(client), actions).await
    })
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
        let Ok(result) = timeout(PATIENCE, results.next()).await else { panic!("no result: {all:?}") };
        let result = result.unwrap();
        let n: usize = result.subject.rsplit('.').next().unwrap().parse().unwrap();
        all[n] = serde_json::from_slice(&result.payload).unwrap();
    }
    all
}

/// Returns a post to the channel of a bot.
fn post(cluster: &Cluster, bot: usize, text: &str) -> (usize, Value) {
    (bot, json!({ "action": "post", "target": cluster.bots[bot].1, "text": text }))
}

/// Returns the texts of the posts of a bot, in order.
fn posted(cluster: &Cluster, bot: usize) -> Vec<String> {
    let (account, channel) = &cluster.bots[bot];
    let posts = cluster.simulator.posts_in(channel).into_iter();
    let own = posts.filter(|post| post.user_id == account.user_id && post.kind.is_empty());
    own.map(|post| post.message).collect()
}

/// Fills the queue, and does something to the members while they take the actions. Then all are done once, in order, and told.
fn check_order(cluster: &Cluster, members: Vec<RunningProgram>, harm: impl FnOnce(&mut Vec<RunningProgram>)) {
    let bots = 0..cluster.bots.len();
    let texts: Vec<_> = (0..POSTS).map(|n| format!("post {n}")).collect();
    let all: Vec<_> =
        texts.iter().flat_map(|text| bots.clone().map(|bot| post(cluster, bot, text))).collect();
    let mut members = members;
    let results = thread::scope(|scope| {
        let acting = scope.spawn(|| act(cluster, &all));
        cluster.await_that("some of the posts", |cluster| {
            bots.clone().map(|bot| posted(cluster, bot).len()).sum::<usize>() > all.len() / 20
        });
        harm(&mut members);
        acting.join().unwrap()
    });
    for bot in bots {
        assert_eq!(posted(cluster, bot), texts, "bot-{bot}");
    }
    let wrong: Vec<_> = results.iter().filter(|result| result["status"] != 200).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    members.into_iter().for_each(terminate);
}

fn two_members(cluster: &Cluster) -> Vec<RunningProgram> {
    let members = ["a", "b"].map(|name| cluster.start_with_admin(name));
    shared(cluster, "a");
    members.into()
}

#[test]
fn actions_are_done_in_order_and_once_though_their_member_is_killed() {
    let cluster = Cluster::new().with_actions();
    let members = two_members(&cluster);
    check_order(&cluster, members, |members| {
        let b = members.pop().unwrap();
        b.signal("KILL");
        b.wait_for_exit();
    });
}

#[test]
fn actions_are_done_in_order_and_once_though_their_member_sleeps_for_longer_than_its_lease() {
    let cluster = Cluster::new().with_actions();
    let members = two_members(&cluster);
    check_order(&cluster, members, |members| {
        members[1].signal("STOP");
        thread::sleep(TTL * 2);
        members[1].signal("CONT");
    });
}

#[test]
fn a_member_that_is_ended_leaves_what_it_has_not_done_to_the_next_one() {
    let cluster = Cluster::new().with_actions();
    let members = vec![cluster.start_with_admin("a")];
    check_order(&cluster, members, |members| {
        terminate(members.pop().unwrap());
        let done = (0..cluster.bots.len()).map(|bot| posted(&cluster, bot).len()).sum::<usize>();
        println!("done before the end: {done} of {}", cluster.bots.len() * POSTS);
        members.push(cluster.start_with_admin("a"));
    });
}

#[test]
fn actions_are_done_in_order_and_once_though_their_accounts_move() {
    let cluster = Cluster::new().with_actions();
    let members = two_members(&cluster);
    check_order(&cluster, members, |members| {
        cluster.command("b", &["cluster", "drain"]);
        cluster.await_that("all accounts on one member", |cluster| {
            accounts(cluster, "a").values().all(|(of, _)| of.as_deref() == Some("a"))
        });
        terminate(members.pop().unwrap());
    });
}

/// A member has made a post and died before the result, and many others have posted by the next try.
#[test]
fn a_post_that_was_made_before_is_found_behind_many_others() {
    let cluster = Cluster::with(1, TTL).with_actions();
    terminate(cluster.start("a"));
    let (bot, channel) = &cluster.bots[0];
    let action = [post(&cluster, 0, "once")];
    thread::scope(|scope| {
        let acting = scope.spawn(|| act(&cluster, &action));
        let stored = loop {
            // The server is locked for a moment alone, because the sender needs its address.
            let first = cluster.nats.lock().unwrap().request(async |context| {
                let stream = context.get_stream("matterhost_actions").await.unwrap();
                stream.get_first_raw_message_by_subject("matterhost.actions.bot-0", 1).await.ok()
            });
            match first {
                Some(stored) => break stored,
                None => thread::sleep(Duration::from_millis(5)),
            }
        };
        let key = format!("nats-{}-{}", stored.sequence, stored.time.unix_timestamp_nanos());
        let made = cluster.simulator.post_with(&PostOptions {
            user_id: bot.user_id.clone(),
            channel_id: channel.clone(),
            message: "once".into(),
            props: [("matterhost_key".to_owned(), key.into())].into_iter().collect(),
            ..PostOptions::default()
        });
        for n in 0..500 {
            cluster.simulator.post(&cluster.person(), channel, &format!("between {n}"));
        }
        let a = cluster.start("a");
        assert_eq!(acting.join().unwrap(), [json!({ "status": 200, "ids": [made.id] })]);
        assert_eq!(posted(&cluster, 0), ["once"]);
        terminate(a);
    });
}

#[test]
fn what_is_wrong_is_refused_and_an_account_that_waits_keeps_nobody() {
    let cluster = Cluster::with(3, TTL).with_actions();
    let section = format!("[accounts.bot-2]\ntoken = \"{}\"\n", cluster.bots[2].0.token);
    cluster.simulator.disable(&cluster.bots[0].0.user_id);
    let a = cluster.start_without("a", &section);
    thread::scope(|scope| {
        let waiting = [post(&cluster, 0, "of a disabled bot"), post(&cluster, 2, "of a bot to come")];
        let waiting = scope.spawn(|| act(&cluster, &{ waiting }));
        let find = |user: &str| json!({ "action": "find_user", "user": user });
        let results = act(
            &cluster,
            &[
                (1, json!({ "action": "post", "target": "", "text": "x" })),
                (1, json!([find("@person-0"), { "action": "delete", "post": "x" }])),
                (1, json!([find("@person-0"), find("@nobody"), find("@person-0")])),
                (1, json!({ "action": "dance" })),
                post(&cluster, 1, "hello"),
            ],
        );
        let statuses = |result: &Value| {
            result.as_array().unwrap().iter().map(|one| one["status"].clone()).collect::<Vec<_>>()
        };
        assert!(results[0]["status"] == 400 && results[0]["detail"].as_str().unwrap().contains("target"));
        assert_eq!(statuses(&results[1]), [400], "{results:?}");
        assert_eq!(statuses(&results[2]), [200, 404, 424], "{results:?}");
        assert!(results[3]["detail"].as_str().unwrap().contains("unknown variant `dance`"), "{results:?}");
        assert_eq!(posted(&cluster, 1), ["hello"]);
        assert!(posted(&cluster, 0).is_empty() && posted(&cluster, 2).is_empty());
        cluster.await_that("the number of those that wait", |cluster| {
            let status: Value =
                serde_json::from_str(&cluster.command("a", &["cluster", "status", "--json"])).unwrap();
            (&status["actions"]["queued"], &status["actions"]["at_work"]) == (&json!(2), &json!(0))
        });
        assert!(
            cluster.command("a", &["cluster", "status"]).contains("2 actions are queued, the oldest for ")
        );
        cluster.simulator.enable(&cluster.bots[0].0.user_id);
        cluster.reload("a");
        cluster.command("a", &["restart", "bot-0"]);
        let waited = waiting.join().unwrap();
        assert!(waited.iter().all(|result| result["status"] == 200), "{waited:?}");
    });
    assert_eq!((posted(&cluster, 0).len(), posted(&cluster, 2).len()), (1, 1));
    terminate(a);
}

#[test]
fn a_refused_action_has_the_status_that_it_has_by_other_doors() {
    let cluster = Cluster::with(1, TTL).with_actions();
    let a = cluster.start("a");
    let (actions, expected): (Vec<_>, Vec<_>) = refused_actions(&cluster.bots[0].1).into_iter().unzip();
    let actions: Vec<_> = actions.into_iter().map(|action| (0, action)).collect();
    let results = act(&cluster, &actions);
    for ((result, status), (_, action)) in results.iter().zip(expected).zip(&actions) {
        assert_eq!(result["status"], status, "{action}: {result}");
    }
    assert!(posted(&cluster, 0).is_empty());
    terminate(a);
}

#[test]
fn a_result_goes_to_an_inbox_alone() {
    let cluster = Cluster::with(1, TTL).with_actions();
    let a = cluster.start("a");
    let action = post(&cluster, 0, "hello").1.to_string();
    let caught = cluster.nats.lock().unwrap().request(async |context| {
        let client = context.client();
        let mut caught = client.subscribe("elsewhere").await.unwrap();
        client.flush().await.unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("Matterhost-Reply-To", "elsewhere");
        let subject = "matterhost.actions.bot-0";
        context.publish_with_headers(subject, headers, action.into()).await.unwrap().await.unwrap();
        // Actions of an account are done in order, so that this one's result is later.
        send(&context, &[(0, json!({ "action": "find_user", "user": "@person-0" }))]).await;
        client.publish("elsewhere", "end".into()).await.unwrap();
        caught.next().await.unwrap().payload
    });
    assert_eq!((&caught[..], posted(&cluster, 0)), (&b"end"[..], vec!["hello".to_owned()]));
    terminate(a);
}

#[test]
fn clients_in_python_and_javascript_act_as_an_account_and_a_key_makes_one_post() {
    let (cluster, clients) = (Cluster::with(1, TTL).with_actions(), clients());
    symlink(clients.join("node_modules"), cluster.path("node_modules")).unwrap();
    let a = cluster.start("a");
    let (server, channel) =
        (format!("nats://{}", cluster.nats.lock().unwrap().address), cluster.bots[0].1.clone());
    for (program, folder, name) in [
        (clients.join("bin/python"), "python", "nats_action.py"),
        (PathBuf::from("node"), "javascript", "nats_action.mjs"),
    ] {
        let script = cluster.path(name);
        fs::copy(env::current_dir().unwrap().join("docs/handlers").join(folder).join(name), &script).unwrap();
        let run = || {
            let output =
                Command::new(&program).arg(&script).args([&server, "bot-0", &channel, name, name]).output();
            let output = output.unwrap();
            assert!(output.status.success(), "{}", text(&output.stderr));
            serde_json::from_str::<Value>(&text(&output.stdout)).unwrap()
        };
        let first = run();
        let ids = first["ids"].as_array().map(Vec::len);
        assert_eq!((&first["status"], ids), (&json!(200), Some(1)), "{first}");
        assert_eq!(run(), first, "the same post");
    }
    assert_eq!(posted(&cluster, 0), ["nats_action.py", "nats_action.mjs"]);
    terminate(a);
}
