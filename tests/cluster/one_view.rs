//! Each member answers for all.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    time::Duration,
};

use serde_json::Value;

use crate::harness::{Cluster, terminate};

/// Returns the member and the state of each account, as a member shows them.
pub(crate) fn accounts(cluster: &Cluster, member: &str) -> BTreeMap<String, (Option<String>, String)> {
    let status = cluster.command(member, &["status", "--json"]);
    let status: Value = serde_json::from_str(&status).unwrap();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let account = |account: &Value| {
        (text(&account["name"]).unwrap(), (text(&account["member"]), text(&account["state"]).unwrap()))
    };
    status["accounts"].as_array().unwrap().iter().map(account).collect()
}

/// Returns the details of an account, as a member shows them.
pub(crate) fn account_detail(cluster: &Cluster, member: &str, account: &str) -> Value {
    serde_json::from_str(&cluster.command(member, &["status", account, "--json"])).unwrap()
}

/// Waits until a member shows all accounts as ready and the first of two members has given away what it has to give, and returns
/// the accounts of each.
pub(crate) fn shared(cluster: &Cluster, member: &str) -> [Vec<String>; 2] {
    let shared = || {
        let seen = accounts(cluster, member);
        ["a", "b"].map(|owner| {
            let is_owned = |(_, (of, state)): &(_, &(Option<String>, String))| {
                of.as_deref() == Some(owner) && state == "ready"
            };
            seen.iter().filter(is_owned).map(|(name, _)| name.clone()).collect::<Vec<_>>()
        })
    };
    cluster.await_that("all accounts ready on two members", |cluster| {
        let [of_a, of_b] = shared();
        let are_ready = of_a.len() + of_b.len() == accounts(cluster, member).len();
        !of_a.is_empty() && !of_b.is_empty() && are_ready && moving(cluster, "a") == 0
    });
    shared()
}

/// Returns the number of shards that a member is giving away.
fn moving(cluster: &Cluster, member: &str) -> u64 {
    let status = cluster.command(member, &["cluster", "status", "--json"]);
    serde_json::from_str::<Value>(&status).unwrap()["moving_shards"].as_u64().unwrap()
}

/// Returns the numbers of accounts of the members.
fn shares(cluster: &Cluster, member: &str) -> Vec<u64> {
    let status = cluster.command(member, &["cluster", "status", "--json"]);
    let status: Value = serde_json::from_str(&status).unwrap();
    status["members"].as_array().unwrap().iter().map(|member| member["accounts"].as_u64().unwrap()).collect()
}

/// Returns the requests per second that a member may make.
fn rate(cluster: &Cluster, member: &str) -> f64 {
    let mut connection = UnixStream::connect(cluster.path(&format!("{member}.sock"))).unwrap();
    connection
        .write_all(b"GET /v1/servers HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut response = String::new();
    connection.read_to_string(&mut response).unwrap();
    let (_, body) = response.split_once("\r\n\r\n").unwrap();
    let servers: Value = serde_json::from_str(body).unwrap();
    servers["servers"][0]["requests_per_second"].as_f64().unwrap()
}

#[test]
fn members_share_the_accounts_evenly_when_told_and_the_requests_at_one_address_always() {
    let cluster = Cluster::new();
    let a = cluster.start_with_admin_and("a", "allow_anonymous = true\n");
    assert!((rate(&cluster, "a") - 1000.0).abs() < 1e-6);
    let b = cluster.start("b");
    shared(&cluster, "a");
    cluster.await_that("half of the requests", |cluster| (rate(cluster, "a") - 500.0).abs() < 1e-6);
    let before = shares(&cluster, "a");
    assert_ne!(before, [6, 6], "the hash is even by chance: choose other names of members");
    let said = cluster.command("a", &["cluster", "rebalance"]);
    let moves = format!(
        "accounts that move: {}; `matterhost cluster status` shows the members\n",
        before[0].abs_diff(6)
    );
    assert_eq!(said, moves);
    cluster.await_that("equal shares", |cluster| shares(cluster, "a") == [6, 6]);
    assert_eq!(cluster.command("a", &["cluster", "rebalance"]), "each member has its share already\n");
    terminate(b);
    cluster.await_that("one member", |cluster| shares(cluster, "a") == [12]);
    cluster.await_that("all requests", |cluster| (rate(cluster, "a") - 1000.0).abs() < 1e-6);
    let b = cluster.start("b");
    cluster.await_that("the same shares", |cluster| shares(cluster, "a") == [6, 6]);
    cluster.await_sockets(1);
    cluster.post_to_each("hello");
    cluster.await_answers(0);
    [a, b].into_iter().for_each(terminate);
    assert!(cluster.answers().values().all(|answers| *answers == 1), "{:?}", cluster.answers());
}

#[test]
fn each_member_shows_and_restarts_the_accounts_of_all_and_marks_those_of_a_silent_one() {
    let cluster = Cluster::with(12, Duration::from_secs(20));
    let (a, b) = (cluster.start_with_admin("a"), cluster.start_with_admin("b"));
    let [of_a, of_b] = shared(&cluster, "a");
    assert_eq!(shared(&cluster, "b"), [of_a, of_b.clone()], "both say the same");
    let of_b = of_b[0].as_str();
    let detail = cluster.command("a", &["status", of_b]);
    assert!(detail.contains("member") && detail.contains("generation"), "{detail}");
    let restarted = cluster.command("a", &["restart", of_b]);
    assert_eq!(restarted, format!("{of_b}: restarting\n"));
    cluster.await_that("a second generation", |cluster| {
        let detail = account_detail(cluster, "a", of_b);
        detail["generation"] == 2 && detail["state"] == "ready" && detail["member"] == "b"
    });
    let (_, unknown) = cluster.try_command("a", &["status", "bot-x"]);
    assert!(unknown.contains("there is no account bot-x; did you mean"), "{unknown}");
    let (_, elsewhere) = cluster.try_command("a", &["post", of_b, "crew/channel-1", "hello"]);
    assert!(elsewhere.contains(&format!("account {of_b} is hosted by member b")), "{elsewhere}");
    b.signal("STOP");
    cluster.await_that("the accounts of a silent member", |cluster| {
        let seen = accounts(cluster, "a");
        seen.iter().all(|(_, (of, state))| match of.as_deref() {
            Some("a") => state == "ready",
            of => of == Some("b") && state == "unknown",
        })
    });
    let table = cluster.command("a", &["status"]);
    assert!(table.contains("member b does not answer") && table.contains(" unknown"), "{table}");
    let (succeeds, said) = cluster.try_command("a", &["restart", of_b]);
    assert!(!succeeds && said.contains("member b does not answer: it has not answered within 1s"), "{said}");
    b.signal("CONT");
    shared(&cluster, "a");
    [a, b].into_iter().for_each(terminate);
}
