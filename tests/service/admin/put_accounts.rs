//! Accounts that tools put and delete by the API.

use std::{env, fs, thread, time::Instant};

use serde_json::{Value, json};

use super::{
    host::{ANY_PORT, AdminHost, Api, READ_TOKEN, REQUEST_INTERVAL, TOKEN, add_bot},
    http_client::Response,
};
use crate::program::{ConfigDir, DEADLINE, Fixture, text};

/// Accounts that are put one after another.
const MANY: usize = 100;

fn path(account: &str) -> String {
    format!("/v1/accounts/{account}")
}

fn changes(answer: &Response, status: u16) -> Value {
    assert_eq!(answer.status, status, "{}", answer.text());
    answer.json()["changes"].take()
}

/// Waits until the bot has read a post. Returns its generation.
fn hears(host: &mut AdminHost, account: &str, words: &str) -> u64 {
    let generation = host.await_state(account, "ready")["generation"].as_u64().unwrap();
    let source = format!("/{account}");
    host.fixture.post(words);
    host.running.events.wait_for_json(words, |event| {
        event["data"]["post"]["message"] == words && event["source"].as_str().unwrap().ends_with(&source)
    });
    generation
}

#[test]
fn an_account_that_is_put_hears_and_is_there_after_a_reload_and_a_restart() {
    let mut host = AdminHost::ready("");
    let token = add_bot(&host.fixture, "alerts").0.token;
    let body = json!({ "token": token, "server": "main", "health": { "poll_interval": "20s" } });
    let added = changes(&host.send("PUT", &path("alerts"), &body), 201);
    assert_eq!(
        added,
        json!([{ "kind": "account", "name": "alerts", "status": "added", "effect": "immediate" }])
    );
    let generation = hears(&mut host, "alerts", "hello");

    let own = host.account("helpdesk");
    assert_eq!(
        (&host.account("alerts")["source"], &own["source"]),
        (&"api".into(), &"matterhost.toml".into())
    );
    let listed = host.get("/v1/accounts?name=alerts").json();
    assert_eq!(listed["accounts"][0]["source"], "api");
    for (body, status) in [(body.clone(), 200), (json!({ "server": "main", "health": body["health"] }), 200)]
    {
        assert_eq!(changes(&host.send("PUT", &path("alerts"), &body), status), json!([]), "the same again");
    }
    assert_eq!(changes(&host.post("/v1/reload"), 200), json!([]));
    let now = [host.account("alerts"), host.account("helpdesk")].map(|account| account["generation"].clone());
    assert_eq!(now, [generation.into(), own["generation"].clone()]);

    let mut host = host.restart();
    assert_eq!(host.await_state("alerts", "ready")["source"], "api");
    hears(&mut host, "alerts", "hello again");
    let removed = changes(&host.request("DELETE", &path("alerts"), &[], b""), 200);
    assert_eq!(removed[0]["status"], "removed");
    host.request("DELETE", &path("alerts"), &[], b"").problem(404);
    let host = host.restart();
    host.await_state("helpdesk", "ready");
    host.get(&path("alerts")).problem(404);
    let kept = fs::read_dir(host.dir.path().join("state/matterhost/accounts")).unwrap();
    assert_eq!(kept.count(), 0);
}

#[test]
fn an_account_that_cannot_be_is_refused_and_changes_nothing() {
    let host = AdminHost::ready(&format!("token = \"{TOKEN}\"\nread_token = \"{READ_TOKEN}\"\n"));
    let put = |account: &str, body: Value| host.send("PUT", &path(account), &body);
    let mistakes = json!({ "token": "a b", "server": "mian", "sinks": ["hook"] });
    let refused = put("alerts", mistakes);
    refused.problem(422);
    let problems = refused.json()["problems"].take();
    assert_eq!(problems[1]["key"], "accounts.alerts.server");
    assert_eq!(problems[1]["remedy"], "did you mean main?", "{problems}");
    assert_eq!(problems.as_array().unwrap().len(), 3, "{problems}");

    let detail = put("helpdesk", json!({ "token": "x".repeat(26) })).problem(409);
    assert!(detail.contains("account helpdesk is configured in matterhost.toml"), "{detail}");
    let detail = host.request("DELETE", &path("helpdesk"), &[], b"").problem(409);
    assert!(detail.contains("matterhost.toml"), "{detail}");
    let detail = put("a%20b", json!({})).problem(400);
    assert!(detail.contains("use 1 to 128 letters"), "{detail}");
    let detail = put("alerts", json!({ "token_file": "/etc/shadow" })).problem(400);
    assert!(detail.contains("unknown field `token_file`"), "{detail}");
    let detail = put("alerts", json!({ "token": "x".repeat(9_000) })).problem(413);
    assert!(detail.contains("8192 bytes"), "{detail}");
    let reader = Api { token: Some(READ_TOKEN), ..host.api };
    for method in ["PUT", "DELETE"] {
        reader.send(method, &path("alerts"), &json!({})).problem(403);
    }
    assert_eq!(host.get("/v1/accounts").json()["accounts"].as_array().unwrap().len(), 1);
    assert!(!host.dir.path().join("state/matterhost/accounts").exists());
}

#[test]
fn a_command_that_removes_accounts_of_files_names_the_route() {
    let (fixture, token) = (Fixture::new(), "x".repeat(26));
    let dir = ConfigDir::with(&fixture.config());
    let kept = dir.path().join("state/matterhost/accounts");
    fs::create_dir_all(&kept).unwrap();
    fs::write(kept.join("tool.json"), "{}").unwrap();
    fs::write(kept.join("tool.token"), token).unwrap();
    let output = dir.matterhost(&["account", "remove", "tool"]).output().unwrap();
    let said = text(&output.stderr);
    assert!(!output.status.success() && said.contains("send DELETE /v1/accounts/tool"), "{said}");
    assert!(kept.join("tool.json").exists());
}

#[test]
fn without_state_on_disk_an_account_is_refused_with_the_remedy() {
    let more = format!("[state]\nstore = \"memory\"\n{ANY_PORT}token = \"{TOKEN}\"\n");
    let host = AdminHost::start(Fixture::new(), &more);
    let answer = host.send("PUT", &path("alerts"), &json!({ "token": "x".repeat(26) }));
    assert!(answer.problem(409).contains("set state.store = \"disk\""), "{}", answer.text());
}

#[test]
fn accounts_that_are_put_at_once_and_during_reloads_are_all_there() {
    let host = AdminHost::ready("");
    let before = host.account("helpdesk")["generation"].clone();
    let api = host.api;
    let put = |n: usize| {
        let body = json!({ "token": format!("nobodys0token0nobodys{n:05}") });
        changes(&api.send("PUT", &path(&format!("tool-{n}")), &body), 201);
    };
    thread::scope(|scope| {
        for first in [0, 10, 20, 30] {
            scope.spawn(move || (first..first + 10).for_each(put));
        }
        scope.spawn(|| (0..4).for_each(|_| drop(changes(&api.post("/v1/reload"), 200))));
    });
    assert_eq!(host.get("/v1/accounts").json()["accounts"].as_array().unwrap().len(), 41);
    // Of two that change the same account, the later is kept.
    thread::scope(|scope| {
        for sections in
            [json!({ "health": { "poll_interval": "9s" } }), json!({ "delivery": { "queue": 99 } })]
        {
            scope.spawn(move || api.send("PUT", &path("tool-0"), &sections).status);
        }
    });
    let host = host.restart();
    host.await_state("helpdesk", "ready");
    assert_eq!(host.get("/v1/accounts").json()["accounts"].as_array().unwrap().len(), 41);
    assert!(before == 1, "{before}");
}

#[test]
fn many_accounts_disturb_none_and_each_is_put_within_a_bounded_time() {
    let host = AdminHost::ready("");
    let begun = Instant::now();
    let many = env::var("MATTERHOST_PUTS").ok().and_then(|many| many.parse().ok()).unwrap_or(MANY);
    for n in 0..many {
        let body = json!({ "token": format!("nobodys0token0nobodys{n:05}") });
        changes(&host.send("PUT", &path(&format!("tool-{n}")), &body), 201);
        thread::sleep(REQUEST_INTERVAL);
    }
    println!("{many} accounts in {:?}", begun.elapsed());
    assert!(begun.elapsed() < DEADLINE);
    assert_eq!(host.get("/v1/accounts").json()["accounts"].as_array().unwrap().len(), many + 1);
    let helpdesk = host.account("helpdesk");
    assert_eq!((&helpdesk["generation"], &helpdesk["state"]), (&1.into(), &"ready".into()));
    for n in 0..many {
        changes(&host.request("DELETE", &path(&format!("tool-{n}")), &[], b""), 200);
        thread::sleep(REQUEST_INTERVAL);
    }
    assert_eq!(host.account("helpdesk")["generation"], 1);
}
