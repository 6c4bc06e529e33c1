//! The lists and details of accounts and servers.

use serde_json::Value;

use super::host::{ANY_PORT, AdminHost, add_bot};
use crate::program::Fixture;

fn names(answer: &Value) -> Vec<&str> {
    answer["accounts"].as_array().unwrap().iter().map(|account| account["name"].as_str().unwrap()).collect()
}

#[test]
fn accounts_are_listed_by_name_and_chosen_by_state_server_and_name() {
    let fixture = Fixture::new();
    let (_, section) = add_bot(&fixture, "alerts");
    let invalid = "[accounts.zero]\nserver = \"main\"\ntoken = \"nobodys0token0nobodys0toke\"\n";
    let host = AdminHost::start(fixture, &format!("{section}{invalid}{ANY_PORT}"));
    host.await_state("alerts", "ready");
    host.await_state("helpdesk", "ready");
    host.await_state("zero", "blocked");
    for (query, expected) in [
        ("", &["alerts", "helpdesk", "zero"][..]),
        ("?state=ready", &["alerts", "helpdesk"]),
        ("?state=blocked,tripped", &["zero"]),
        ("?state=stopped", &[]),
        ("?state=", &[]),
        ("?state=blokked", &[]),
        ("?server=main&name=e", &["alerts", "helpdesk", "zero"]),
        ("?server=other", &[]),
        ("?name=help", &["helpdesk"]),
        ("?name=%2e%2e%2f", &[]),
    ] {
        let answer = host.get(&format!("/v1/accounts{query}"));
        assert_eq!(answer.status, 200, "{query} {}", answer.text());
        assert_eq!(names(&answer.json()), expected, "{query}");
    }
    let detail = host.get("/v1/events?fact=closd").problem(400);
    assert!(detail.contains("closd") && detail.contains("closed"), "{detail}");
    let detail = host.get("/v1/accounts?stat=ready").problem(400);
    assert!(detail.contains("stat") && detail.contains("state"), "{detail}");
}

#[test]
fn one_account_is_returned_with_all_its_details() {
    let mut host = AdminHost::ready("");
    host.fixture.post("hello");
    host.running.events.wait_for_post("hello");
    let account = host.await_account("helpdesk", "an event", |account| account["events"] != 0);
    assert_eq!((&account["server"], &account["generation"]), (&"main".into(), &1.into()), "{account}");
    assert_eq!(account["budget_left"], 5);
    assert!(account["last_event"].as_str().unwrap().ends_with('Z'), "{account}");
    assert_eq!(account["endings"], Value::Array(Vec::new()));
    assert!(account["liveness"].is_object() && account["cursor_lag_ms"].is_u64(), "{account}");
    host.fixture.simulator.cycle(&host.fixture.bot.user_id);
    let account = host.account("helpdesk");
    assert!(!account.to_string().contains(&host.fixture.bot.token));
}

#[test]
fn an_unknown_account_is_not_found() {
    let host = AdminHost::ready("");
    let long = "x".repeat(10_000);
    for name in
        ["nobody", "..%2f..%2fetc%2fpasswd", "a%00b", "a%0Ab", "%FF%FE", "%20", "a%2Fb", long.as_str()]
    {
        for (method, path) in [("GET", ""), ("HEAD", ""), ("POST", "/restart"), ("POST", "/stop")] {
            let answer = host.request(method, &format!("/v1/accounts/{name}{path}"), &[], b"");
            if method == "HEAD" {
                assert_eq!((answer.status, answer.body.len()), (404, 0));
                continue;
            }
            let detail = answer.problem(404);
            assert!(detail.len() < 1_000 && !detail.contains('\n') && !detail.contains('\0'), "{detail:?}");
        }
    }
    // A path that the client has not normalized does not exist.
    for path in ["/v1/accounts/../instance", "/v1/accounts/helpdesk/", "/v1//accounts", "/v1/accounts/a/b/c"]
    {
        let answer = host.get(path);
        assert!(matches!(answer.status, 404 | 405), "{path} {}", answer.text());
        answer.problem(answer.status);
    }
    assert_eq!(host.account("helpdesk")["generation"], 1);
}

#[test]
fn servers_are_listed_with_address_and_status() {
    let host = AdminHost::ready("");
    let servers = host.get("/v1/servers").json();
    let server = &servers["servers"][0];
    assert_eq!(
        (&server["name"], &server["up"], &server["accounts"]),
        (&"main".into(), &true.into(), &1.into())
    );
    assert_eq!(server["url"].as_str().unwrap().trim_end_matches('/'), host.fixture.simulator.url());
    host.fixture.simulator.stop_server();
    let mut stream = host.stream("/v1/events?server=main", &[]);
    let down = || host.get("/v1/servers").json()["servers"][0]["up"] == false;
    if !down() {
        stream.wait_for_fact("server_down");
        assert!(down());
    }
    assert!(host.get("/v1/servers").json()["servers"][0]["down_since"].is_string());
}
