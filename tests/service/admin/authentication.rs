//! Tokens, rights, host names, origins and security headers.

use serde_json::json;

use super::host::{AdminHost, READ_TOKEN, TOKEN};

fn host_with_tokens() -> AdminHost {
    AdminHost::ready(&format!(
        "token = \"{TOKEN}\"\nread_token = \"{READ_TOKEN}\"\nhosts = [\"ops.example.com\"]\n"
    ))
}

#[test]
fn without_a_token_only_public_routes_respond() {
    let mut host = host_with_tokens();
    host.api.token = None;
    for path in ["/livez", "/readyz", "/openapi.json"] {
        assert_eq!(host.get(path).status, 200, "{path}");
    }
    for path in [
        "/v1/accounts",
        "/v1/instance",
        "/v1/events",
        "/v1/watch",
        "/metrics",
        "/readyz?verbose",
        "/v1/nothing",
    ] {
        let answer = host.get(path);
        assert!(answer.problem(401).contains("Authorization: Bearer"), "{path}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"matterhost\""));
    }
    for (method, path) in
        [("POST", "/v1/accounts/helpdesk/stop"), ("PUT", "/v1/log-level"), ("DELETE", "/v1/accounts")]
    {
        host.send(method, path, &json!({})).problem(401);
    }
    // Other spellings of a public path are not public.
    for path in ["/%6civez", "/livez/", "//livez", "/livez/../v1/accounts", "/livez%2f..%2fv1"] {
        assert_eq!(host.get(path).status, 401, "{path}");
    }
    host.api.token = Some(TOKEN);
    assert_eq!(host.account("helpdesk")["state"], "ready");
}

#[test]
fn wrong_tokens_are_refused_and_rate_limited_without_delaying_others() {
    let mut host = host_with_tokens();
    for wrong in ["Bearer ", "Basic dXNlcjpwYXNz", TOKEN, "Bearer wrongtoken-full-9f86d081", "Bearer \u{fc}"]
    {
        let answer = host.request("GET", "/v1/accounts", &[("authorization", wrong)], b"");
        assert!(matches!(answer.status, 401 | 429), "{wrong}: {answer:?}");
        assert!(!format!("{answer:?}{}", answer.text()).contains("full-9f86d081"), "{wrong}");
    }
    let mut refused = [0, 0];
    for guess in 0..200 {
        let bearer = format!("Bearer guess-{guess:016}");
        let answer = host.request("GET", "/v1/accounts", &[("authorization", bearer.as_str())], b"");
        let kind = usize::from(answer.status == 429);
        answer.problem([401, 429][kind]);
        refused[kind] += 1;
        if kind == 1 {
            assert!(answer.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
        }
        if guess % 20 == 0 {
            assert_eq!(host.get("/v1/accounts").status, 200, "the right token always works");
        }
    }
    println!("of 200 guesses {} got a 401 and {} a 429", refused[0], refused[1]);
    assert!(refused[1] > 100, "{refused:?}");
    host.api.token = Some(READ_TOKEN);
    assert_eq!(host.get("/v1/accounts").status, 200);
}

#[test]
fn a_read_token_can_change_nothing() {
    let mut host = host_with_tokens();
    host.api.token = Some(READ_TOKEN);
    for path in [
        "/v1/accounts",
        "/v1/accounts/helpdesk",
        "/v1/servers",
        "/v1/log-level",
        "/metrics",
        "/readyz?verbose",
    ] {
        assert_eq!(host.get(path).status, 200, "{path}");
    }
    let posts = json!({ "action": "post", "target": host.fixture.channel, "text": "m" });
    for (method, path, body) in [
        ("POST", "/v1/accounts/helpdesk/restart", &json!(null)),
        ("POST", "/v1/accounts/helpdesk/stop", &json!(null)),
        ("POST", "/v1/accounts/helpdesk/actions", &posts),
        ("PUT", "/v1/log-level", &json!({ "level": "off" })),
        ("POST", "/v1/reload", &json!(null)),
        ("DELETE", "/v1/accounts/helpdesk", &json!(null)),
        ("PATCH", "/v1/nothing", &json!(null)),
    ] {
        let detail = host.send(method, path, body).problem(403);
        assert!(detail.contains("read-only"), "{method} {path}: {detail}");
    }
    let account = host.account("helpdesk");
    assert_eq!((&account["state"], &account["generation"]), (&"ready".into(), &1.into()));
    assert_eq!(host.get("/v1/log-level").json()["level"], "info");
    assert_eq!(host.fixture.bot_posts(), [""; 0]);
}

#[test]
fn other_names_and_other_sites_are_refused() {
    let host = host_with_tokens();
    let own = format!("http://{}", host.address);
    for (lines, status) in [
        (&[("host", "evil.example")][..], 421),
        (&[("host", "127.0.0.1.evil.example:80")], 421),
        (&[("host", "127.0.0.1"), ("host", "evil.example")], 400),
        (&[("origin", "http://evil.example")], 403),
        (&[("origin", "null")], 403),
        (&[("origin", "http://127.0.0.1:1")], 403),
        (&[("sec-fetch-site", "cross-site")], 403),
        (&[("sec-fetch-site", "same-site")], 403),
        (&[("host", "ops.example.com:8466"), ("origin", "https://ops.example.com:8466")], 200),
        (&[("host", "LocalHost:1")], 200),
        (&[("host", "[::1]:8466")], 200),
        (&[("origin", own.as_str()), ("sec-fetch-site", "same-origin")], 200),
    ] {
        for path in ["/v1/accounts", "/v1/events?level=error", "/readyz?verbose"] {
            let answer = host.request_streaming(path, lines).answer;
            assert_eq!(answer.status, status, "{path} {lines:?}");
            assert!(answer.header("access-control-allow-origin").is_none());
        }
        // A probe may use any host name.
        let probed = if status == 400 { 400 } else { 200 };
        assert_eq!(host.request("GET", "/livez", lines, b"").status, probed, "{lines:?}");
    }
    // Links from other sites to the page are allowed.
    for (path, status) in [("/", 200), ("/v1/accounts", 403)] {
        let from = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
        assert_eq!(host.request("GET", path, &from, b"").status, status, "{path}");
    }
    let preflight = [("origin", "http://evil.example"), ("access-control-request-method", "POST")];
    host.request("OPTIONS", "/v1/accounts/helpdesk/stop", &preflight, b"").problem(403);
    let answer =
        host.request("POST", "/v1/accounts/helpdesk/stop", &[("origin", "http://evil.example")], b"");
    assert!(answer.problem(403).contains("other sites"));
    assert_eq!(host.account("helpdesk")["state"], "ready");
}

#[test]
fn no_response_may_be_cached_framed_or_read_by_another_site() {
    let host = host_with_tokens();
    let wrong = [("authorization", "Bearer wrong-full-9f86d081")];
    for (path, lines) in [
        ("/livez", &[][..]),
        ("/v1/accounts", &[]),
        ("/v1/accounts/nobody", &[]),
        ("/v1/accounts/%ff", &[]),
        ("/v1/accounts?a=b", &[]),
        ("/v1/events", &[]),
        ("/nothing", &[]),
        ("/v1/accounts", &wrong),
        ("/v1/accounts", &[("host", "evil.example")]),
        ("/v1/accounts/helpdesk/stop", &[]),
    ] {
        let answer = host.request_streaming(path, lines).answer;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path} {}", answer.status);
        }
        assert!(answer.header("content-security-policy").unwrap().contains("default-src 'none'"), "{path}");
        assert!(answer.header("server").is_none(), "{path}");
    }
}
