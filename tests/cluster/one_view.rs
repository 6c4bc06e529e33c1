//! Each member answers for all.

use std::collections::BTreeMap;

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

/// Waits until a member shows all accounts as ready, and returns the accounts of each of two members.
fn shared(cluster: &Cluster, member: &str) -> [Vec<String>; 2] {
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
        !of_a.is_empty() && !of_b.is_empty() && of_a.len() + of_b.len() == accounts(cluster, member).len()
    });
    shared()
}

#[test]
fn each_member_shows_and_restarts_the_accounts_of_all_and_marks_those_of_a_silent_one() {
    let cluster = Cluster::with(12, "20s");
    let (a, b) = (cluster.start_with_admin("a"), cluster.start_with_admin("b"));
    let [of_a, of_b] = shared(&cluster, "a");
    assert_eq!(shared(&cluster, "b"), [of_a, of_b.clone()], "both say the same");
    let of_b = of_b[0].as_str();
    let detail = cluster.command("a", &["status", of_b]);
    assert!(detail.contains("member") && detail.contains("generation"), "{detail}");
    let restarted = cluster.command("a", &["restart", of_b]);
    assert_eq!(restarted, format!("{of_b}: restarting\n"));
    cluster.await_that("a second generation", |cluster| {
        let detail: Value = serde_json::from_str(&cluster.command("a", &["status", of_b, "--json"])).unwrap();
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
