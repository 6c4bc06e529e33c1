//! Tokens with a scope.

use serde_json::json;

use super::host::{ANY_PORT, AdminHost, Api, TOKEN, add_bot};
use crate::program::{Fixture, output, text};

/// The token that may act as `helpdesk`, and one that may read.
const ACTING: &str = "mustnotshow-act-60303ae2";
const READING: &str = "mustnotshow-scoped-read-60303ae2";

/// Starts a host with the accounts `helpdesk` and `alerts`, a full token and the two tokens, of which one is in a file.
fn start() -> AdminHost {
    let fixture = Fixture::new();
    let (_, alerts) = add_bot(&fixture, "alerts");
    let tokens = format!(
        "token = \"{TOKEN}\"\n[admin.tokens.cron]\nscope = \"act\"\naccounts = [\"helpdesk\", \"helpdsk\"]\ntoken = \"{ACTING}\"\n\
         [admin.tokens.graphs]\nscope = \"read\"\ntoken = \"{READING}\"\n"
    );
    let host = AdminHost::start(fixture, &format!("{alerts}{ANY_PORT}{tokens}"));
    host.await_state("helpdesk", "ready");
    host.await_state("alerts", "ready");
    host
}

#[test]
fn a_token_may_do_what_its_scope_says_and_a_refusal_says_what_is_lacking() {
    let host = start();
    let [acting, reading] = [ACTING, READING].map(|token| Api { token: Some(token), ..host.api });
    let post = json!({ "action": "post", "target": host.fixture.channel, "text": "by cron" });
    let posted = acting.send("POST", "/v1/accounts/helpdesk/actions", &post);
    assert_eq!(posted.status, 200);
    let lookup = format!("/v1/accounts/helpdesk/lookups/posts?target={}", host.fixture.channel);
    assert_eq!(acting.get(&lookup).status, 200);
    assert_eq!(acting.get("/v1/instance").json()["acts_as"], json!(["helpdesk", "helpdsk"]));
    assert_eq!(reading.get("/v1/instance").json().get("acts_as"), None);
    for (api, method, path, scope) in [
        (&acting, "POST", "/v1/accounts/alerts/actions", "act for the account alerts"),
        (&acting, "GET", "/v1/accounts", "the scope read or full"),
        (&acting, "GET", "/metrics", "the scope read or full"),
        (&acting, "POST", "/v1/accounts/helpdesk/restart", "the scope full"),
        (&acting, "POST", "/v1/sign-in-links", "the scope full"),
        (&reading, "POST", "/v1/accounts/helpdesk/actions", "act for the account helpdesk"),
        (&reading, "GET", lookup.as_str(), "act for the account helpdesk"),
        (&reading, "POST", "/v1/reload", "the scope full"),
    ] {
        let detail = api.send(method, path, &post).problem(403);
        assert!(detail.contains(scope), "{method} {path}: {detail}");
    }
    for path in ["/v1/accounts", "/metrics", "/v1/sinks"] {
        assert_eq!((reading.get(path).status, host.get(path).status), (200, 200), "{path}");
    }
    assert_eq!(host.fixture.bot_posts(), ["by cron"]);
    host.running.signal("TERM");
    let (_, log) = host.running.wait_for_exit();
    let warned =
        |line: &String| line.contains("no account helpdsk") && line.contains("did you mean helpdesk");
    assert!(log.iter().any(warned), "{log:?}");
}

#[test]
fn the_post_command_needs_only_the_token_of_its_account() {
    let host = start();
    let file = host.dir.write("cron.token", ACTING);
    let (admin, token) =
        (format!("--admin={}", host.api.address), format!("--token-file={}", file.display()));
    let run = |account: &str| output(&["post", account, &host.fixture.channel, "nightly", &admin, &token]);
    assert!(run("helpdesk").status.success());
    let refused = run("alerts");
    let message = text(&refused.stderr);
    assert!(!refused.status.success() && message.contains("act for the account alerts"), "{message}");
    assert_eq!(host.fixture.bot_posts(), ["nightly"]);
}
