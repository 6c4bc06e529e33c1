//! The instance, the log level, the probes and HEAD requests.

use serde_json::json;

use super::host::{ANY_PORT, AdminHost, READ_TOKEN, TOKEN, add_bot};
use crate::program::Fixture;

#[test]
fn the_instance_has_its_version_and_the_callers_rights() {
    let host = AdminHost::ready("allow_anonymous = true\n");
    let instance = host.get("/v1/instance").json();
    assert_eq!(instance["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!((&instance["read_only"], &instance["authenticated"]), (&false.into(), &false.into()));
    assert!(instance["started"].as_str().unwrap() <= instance["now"].as_str().unwrap(), "{instance}");
    let host = AdminHost::ready(&format!("token = \"{TOKEN}\"\nread_token = \"{READ_TOKEN}\"\n"));
    let instance = |token: &str| {
        let bearer = format!("Bearer {token}");
        host.request("GET", "/v1/instance", &[("authorization", bearer.as_str())], b"").json()
    };
    assert_eq!(instance(TOKEN)["read_only"], false);
    let reader = instance(READ_TOKEN);
    assert_eq!((&reader["read_only"], &reader["authenticated"]), (&true.into(), &true.into()));
    assert_eq!(instance(TOKEN)["instance"], reader["instance"]);
}

#[test]
fn the_log_level_changes_at_once() {
    let mut host = AdminHost::ready("");
    assert_eq!(host.get("/v1/log-level").json(), json!({ "level": "info" }));
    let answer = host.send("PUT", "/v1/log-level", &json!({ "level": "matterhost=debug,info" }));
    assert_eq!((answer.status, &answer.json()["level"]), (200, &"matterhost=debug,info".into()));
    host.post("/v1/accounts/helpdesk/restart");
    host.running.log.wait_for_json("a line at debug level", |line| {
        line["level"] == "DEBUG" && line["fact"] == "connecting"
    });
    for (body, expected) in [
        (json!({ "level": "loud" }), "write error, warn, info"),
        (json!({ "level": "" }), "write error, warn, info"),
        (json!({ "level": "a\nb=info" }), "write error, warn, info"),
        (json!({ "levle": "info" }), "levle"),
    ] {
        let detail = host.send("PUT", "/v1/log-level", &body).problem(400);
        assert!(detail.contains(expected), "{detail}");
    }
    assert_eq!(host.get("/v1/log-level").json()["level"], "matterhost=debug,info");
}

/// Starts a host of which two of three accounts are ready.
fn start_two_of_three(policy: &str) -> AdminHost {
    let fixture = Fixture::new();
    let (_, section) = add_bot(&fixture, "alerts");
    let invalid = "[accounts.zero]\ntoken = \"nobodys0token0nobodys0toke\"\n";
    let host = AdminHost::start(fixture, &format!("{section}{invalid}{ANY_PORT}ready = \"{policy}\"\n"));
    host.await_state("alerts", "ready");
    host.await_state("helpdesk", "ready");
    host.await_state("zero", "blocked");
    host
}

#[test]
fn the_host_is_ready_when_enough_accounts_are() {
    for (policy, status, text) in [
        ("all", 503, "not ready: 2 of 3 accounts are ready; all must be\n"),
        ("any", 200, "ready: 2 of 3 accounts are ready; one must be\n"),
        ("66%", 200, "ready: 2 of 3 accounts are ready; 66% must be\n"),
        ("67%", 503, "not ready: 2 of 3 accounts are ready; 67% must be\n"),
    ] {
        let host = start_two_of_three(policy);
        let answer = host.get("/readyz");
        assert_eq!((answer.status, answer.text().as_str()), (status, text));
        assert_eq!((host.get("/livez").status, host.get("/livez").text().as_str()), (200, "live\n"));
    }
}

#[test]
fn verbose_readiness_lists_each_account_with_its_reason() {
    let host = start_two_of_three("all");
    for query in ["verbose", "verbose=", "verbose=1"] {
        let text = host.get(&format!("/readyz?{query}")).text();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert!(lines[1].starts_with("[+]alerts ready since 2"), "{text}");
        assert!(
            lines[3].starts_with("[-]zero blocked since 2") && lines[3].ends_with(": unauthorized"),
            "{text}"
        );
    }
    let detail = host.get("/readyz?verbos").problem(400);
    assert!(detail.contains("verbos"), "{detail}");
}

#[test]
fn a_head_is_the_same_without_the_body() {
    let host = AdminHost::ready("");
    for path in [
        "/livez",
        "/readyz",
        "/metrics",
        "/openapi.json",
        "/v1/accounts",
        "/v1/instance",
        "/v1/events",
        "/v1/watch",
    ] {
        let answer = host.request("HEAD", path, &[("connection", "close")], b"");
        assert_eq!((answer.status, answer.body.len()), (200, 0), "{path}");
        let content_type = answer.header("content-type").unwrap().to_owned();
        assert_eq!(
            content_type,
            host.request_streaming(path, &[]).answer.header("content-type").unwrap(),
            "{path}"
        );
    }
    assert_eq!(host.request("HEAD", "/v1/accounts/nobody", &[], b"").status, 404);
}
