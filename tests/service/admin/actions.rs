//! Actions on accounts, and posts as an account.

use serde_json::{Value, json};

use super::host::{AdminHost, TOKEN};

fn request_action(host: &AdminHost, action: &str) {
    let answer = host.post(&format!("/v1/accounts/helpdesk/{action}"));
    assert_eq!(answer.status, 202, "{action}: {}", answer.text());
    assert_eq!(answer.json(), json!({ "account": "helpdesk", "action": action }));
}

#[test]
fn a_restart_brings_the_next_generation_and_costs_nothing() {
    let mut host = AdminHost::ready("");
    request_action(&host, "restart");
    let again = |account: &Value| account["generation"] == 2 && account["state"] == "ready";
    let account = host.await_account("helpdesk", "the next generation", again);
    let ending = &account["last_ending"];
    assert_eq!(
        (&ending["reason"], &ending["charged"]),
        (&"operator_restart".into(), &false.into()),
        "{account}"
    );
    assert_eq!((&account["restarts"], &account["budget_left"]), (&1.into(), &5.into()), "{account}");
    assert_eq!(account["endings"].as_array().unwrap().len(), 1);
    host.fixture.post("after it");
    host.running.events.wait_for_post("after it");
    host.running.log.wait_for_json("the action in the log", |line| {
        line["message"] == "an operator requested an action" && line["action"] == "restart"
    });
}

#[test]
fn a_stopped_account_stays_stopped_until_it_is_started() {
    let mut host = AdminHost::ready("");
    request_action(&host, "stop");
    host.await_state("helpdesk", "stopped");
    assert_eq!(host.fixture.simulator.counters().open_sockets(&host.fixture.bot.user_id), 0);
    request_action(&host, "stop");
    let detail = host.post("/v1/accounts/helpdesk/audit").problem(409);
    assert!(detail.contains("not ready"), "{detail}");
    let answer = host.send(
        "POST",
        "/v1/accounts/helpdesk/actions",
        &json!({ "action": "post", "target": host.fixture.channel, "text": "m" }),
    );
    assert!(answer.problem(409).contains("start it first"));
    host.fixture.post("while away");
    request_action(&host, "start");
    host.await_state("helpdesk", "ready");
    assert_eq!(host.running.events.wait_for_post("while away")["recovered"], true);
    let answer = host.post("/v1/accounts/helpdesk/start").json();
    assert_eq!(answer["already_running"], true, "{answer}");
    assert_eq!(host.await_state("helpdesk", "ready")["generation"], 2, "a running account is not restarted");
    request_action(&host, "stop");
    host.await_state("helpdesk", "stopped");
    request_action(&host, "restart");
    host.await_state("helpdesk", "ready");
}

#[test]
fn a_reset_restores_the_budget_of_a_tripped_account() {
    let more =
        "[restart]\nmax_restarts = 1\nwithin = \"10m\"\nmin_backoff = \"10ms\"\nmax_backoff = \"10ms\"\n";
    let host = AdminHost::ready(more);
    for generation in [1, 2] {
        let ready = |account: &Value| account["generation"] == generation && account["state"] == "ready";
        host.await_account("helpdesk", "ready", ready);
        host.fixture
            .simulator
            .inject(matterhost_simulator::Fault::new(matterhost_simulator::FaultKind::GarbageFrame));
    }
    let account = host.await_state("helpdesk", "tripped");
    assert_eq!(
        (&account["budget_left"], &account["restarts_in_window"]),
        (&0.into(), &2.into()),
        "{account}"
    );
    assert_eq!(account["last_ending"]["charged"], true);
    assert!(account["next_attempt"].is_string(), "{account}");
    request_action(&host, "reset");
    let account = host.await_state("helpdesk", "ready");
    assert_eq!((&account["budget_left"], &account["generation"]), (&1.into(), &3.into()), "{account}");
}

#[test]
fn an_audit_is_made_when_it_is_asked_for() {
    let host = AdminHost::ready("[audit]\ninterval = \"1h\"\ngrace = \"1s\"\n");
    assert!(host.account("helpdesk")["liveness"]["last_audit"].is_null());
    request_action(&host, "audit");
    let audited = |account: &Value| account["liveness"]["last_audit"]["ok"] == true;
    host.await_account("helpdesk", "the audit", audited);
    host.post("/v1/accounts/helpdesk/destroy").problem(404);
    assert_eq!(host.account("helpdesk")["generation"], 1);
}

#[test]
fn no_response_contains_a_token() {
    let host = AdminHost::ready(&format!(
        "token = \"{TOKEN}\"
"
    ));
    assert_eq!(host.send("PUT", "/v1/log-level", &json!({"level": "trace"})).status, 200);
    let mut output = String::new();
    for (path, lines) in [
        ("/v1/accounts", &[][..]),
        ("/v1/accounts/helpdesk", &[]),
        ("/v1/accounts/wrongtoken-full-9f86d081", &[]),
        ("/v1/instance", &[]),
        ("/v1/reload", &[]),
        ("/metrics", &[]),
        ("/readyz?verbose", &[]),
        ("/v1/accounts", &[("authorization", "Bearer wrong-full-9f86d081")]),
        ("/v1/accounts", &[("host", "evil.example")]),
    ] {
        let answer = host.request("GET", path, lines, b"");
        output.extend([format!("{answer:?}"), answer.text()]);
    }
    request_action(&host, "restart");
    host.await_account("helpdesk", "again", |account| {
        account["generation"] == 2 && account["state"] == "ready"
    });
    let AdminHost { running, fixture, .. } = host;
    running.signal("TERM");
    let (_, log) = running.wait_for_exit();
    output += &log.concat();
    for secret in [TOKEN, "wrong-full-9f86d081", &fixture.bot.token] {
        assert!(!output.contains(secret), "{secret} appears in the output");
    }
    assert!(log.iter().any(|line| line.contains("TRACE")), "trace lines are logged");
}
