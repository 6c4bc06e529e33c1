//! Malformed and oversized requests.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    time::{Duration, Instant},
};

use super::{
    host::{ANY_PORT, AdminHost, TOKEN, add_bot},
    http_client::{self, Response},
    isolation::assert_bots_unaffected,
};
use crate::program::{DEADLINE, Fixture};

/// Sends these bytes and returns the response, if there is one. The server may close before all are sent.
fn send(host: &AdminHost, bytes: &[u8]) -> Option<Response> {
    let mut stream = http_client::connect(host.address);
    if let Err(error) = stream.write_all(bytes) {
        assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{error}");
    }
    http_client::read(stream)
}

fn head(path: &[u8], lines: &str) -> Vec<u8> {
    let rest = format!(" HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {TOKEN}\r\n{lines}\r\n");
    [b"GET ", path, rest.as_bytes()].concat()
}

#[test]
fn invalid_requests_are_refused_or_closed() {
    assert_bots_unaffected("", |host| {
        let noise: Vec<u8> = (0..20_000).map(|_| fastrand::u8(..)).collect();
        let whole = b"GET /livez HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".to_vec();
        let long = "a".repeat(200_000);
        for (what, bytes) in [
            ("noise", [b"\0".as_slice(), &noise].concat()),
            ("a request and noise", [whole.as_slice(), b"\0", &noise].concat()),
            ("many requests at once", whole.repeat(1_000)),
            ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec()),
            ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec()),
            ("a long path", head(format!("/v1/{long}").as_bytes(), "")),
            ("a long header", head(b"/v1/accounts", &format!("x-a: {long}\r\n"))),
            ("many headers", head(b"/v1/accounts", &"x-a: b\r\n".repeat(5_000))),
            ("two lengths", head(b"/v1/accounts", "content-length: 5\r\ncontent-length: 6\r\n")),
            (
                "length and chunks",
                head(b"/v1/accounts", "content-length: 5\r\ntransfer-encoding: chunked\r\n"),
            ),
            ("no number", head(b"/v1/accounts", "content-length: -1\r\n")),
            ("a path of bytes", head(b"/v1/accounts/\xff\xfe", "")),
            ("a header of bytes", head(b"/v1/accounts/x", "x-a: \u{1}\r\n")),
            ("an empty line", b"\r\n\r\n\r\n".to_vec()),
        ] {
            let answer = send(host, &bytes);
            let status = answer.map(|answer| answer.status);
            println!("{what}: {status:?}");
            assert!(status.is_none_or(|status| status < 500), "{what}");
            assert_eq!(host.get("/livez").status, 200, "{what}");
        }
    });
}

#[test]
fn bodies_are_bounded_and_need_a_token() {
    assert_bots_unaffected("", |host| {
        let posts = "POST /v1/accounts/helpdesk/actions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n";
        let known = format!("{posts}authorization: Bearer {TOKEN}\r\n");
        for (largest, other) in
            [(1_024 * 1_024, known.clone()), (256 * 1_024, known.replace("actions", "restart"))]
        {
            for length in [largest + 1, 10_000_000_000, usize::MAX] {
                // Refused at once, before any of the body arrives.
                let request = format!("{other}content-length: {length}\r\n\r\n");
                let answer = send(host, request.as_bytes()).unwrap();
                assert!(answer.problem(413).contains(&largest.to_string()), "{length}");
            }
        }
        let chunk = format!("8000\r\n{}\r\n", " ".repeat(0x8000));
        let endless = format!("{known}transfer-encoding: chunked\r\n\r\n{}", chunk.repeat(100));
        let answer = send(host, endless.as_bytes());
        println!("3 MiB in chunks: {:?}", answer.as_ref().map(|answer| answer.status));
        answer.unwrap().problem(413);
        for posts in [posts, &posts.replace("accounts/helpdesk/actions", "replies")] {
            send(host, format!("{posts}content-length: 1000000\r\n\r\n").as_bytes()).unwrap().problem(401);
        }
        // A public path does not wait for a body.
        let began = Instant::now();
        for path in ["/livez", "/openapi.json"] {
            let request = format!("POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 100\r\n\r\n");
            let answer = send(host, request.as_bytes()).unwrap();
            assert_eq!(answer.header("allow"), Some("GET, HEAD"));
            answer.problem(405);
        }
        assert!(began.elapsed() < Duration::from_secs(9), "the server waited for a body");
    });
}

/// Long requests of one account, which are slow to come, leave memory to others and everything to short ones.
#[test]
fn an_account_has_a_share_of_the_long_requests() {
    const SHARE: usize = 16;
    const LONG: usize = 256 * 1_024 + 1;
    let fixture = Fixture::new();
    let (_, other) = add_bot(&fixture, "other");
    let host = AdminHost::start(fixture, &format!("{ANY_PORT}token = \"{TOKEN}\"\n{other}"));
    for account in ["helpdesk", "other"] {
        host.await_state(account, "ready");
    }
    let path = |account: &str| format!("/v1/accounts/{account}/actions");
    let typing = r#"{"action":"typing","target":"crew/lobby"}"#;
    let bearer = format!("Bearer {TOKEN}");
    let act = |account: &str, bytes: usize| {
        let length = bytes.to_string();
        let lines = [
            ("host", "127.0.0.1"),
            ("authorization", &*bearer),
            ("content-type", "application/json"),
            ("content-length", &length),
        ];
        let head = http_client::head("POST", &path(account), &lines);
        // One that is refused may be closed before all of it is sent, and its answer be lost.
        send(&host, format!("{head}{typing}{}", " ".repeat(bytes - typing.len())).as_bytes())
    };
    let status = |account: &str, bytes: usize| act(account, bytes).map(|answer| answer.status);
    let lines = [("host", "127.0.0.1"), ("authorization", &bearer), ("content-length", &LONG.to_string())];
    let begin = |_| {
        let mut stream = http_client::connect(host.address);
        stream.write_all(http_client::head("POST", &path("helpdesk"), &lines).as_bytes()).unwrap();
        stream
    };
    assert_eq!(status("helpdesk", LONG), Some(200));
    let slow: Vec<_> = (0..SHARE).map(begin).collect();
    let await_answer = |status: u16| {
        let end = Instant::now() + DEADLINE;
        loop {
            match act("helpdesk", LONG) {
                Some(answer) if answer.status == status => return answer,
                other => assert!(Instant::now() < end, "{other:?}"),
            }
        }
    };
    let refused = await_answer(503);
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    let detail = refused.problem(503);
    assert!(detail.contains("too many long requests of account helpdesk"), "{detail}");
    assert_eq!((status("helpdesk", LONG - 1), status("other", LONG)), (Some(200), Some(200)));
    drop(slow);
    await_answer(200);
}

#[test]
fn invalid_and_too_deep_json_is_refused() {
    assert_bots_unaffected("", |host| {
        let posts = "/v1/accounts/helpdesk/actions";
        let deep = |open: &str| {
            format!(r#"{{"action":"post","target":"a/c","text":"m","props":{{"a":{}"#, open.repeat(20_000))
        };
        let big = format!(r#"{{"{}":1}}"#, "k".repeat(200_000));
        for body in [
            deep("[").as_bytes(),
            deep("{\"a\":").as_bytes(),
            b"\xff\xfe{}",
            b"{\"action\":\"\xff\"}",
            b"{\"action\":\"post\",\"target\":\"a/c\",\"text\":\"\\ud800\"}",
            b"{",
            b"null",
            b"1e999",
            big.as_bytes(),
        ] {
            let answer = host.request("POST", posts, &[("content-type", "application/json")], body);
            let detail = answer.problem(400);
            assert!(detail.len() < 2_000, "{} characters", detail.len());
        }
        let packed = [("content-type", "application/json"), ("content-encoding", "gzip")];
        host.request("POST", posts, &packed, b"\x1f\x8b\x08\0\0\0\0\0").problem(400);
        assert_eq!(host.fixture.bot_posts(), [""; 0]);
    });
}

/// Sends this many requests at once on one connection; returns what comes back until it is closed.
fn send_at_once(host: &AdminHost, request: &[u8], count: usize) -> String {
    let mut stream = http_client::connect(host.address);
    // The server may close before all are sent.
    let _ = stream.write_all(&request.repeat(count));
    let mut answers = Vec::new();
    let mut buffer = [0; 4_096];
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        answers.extend_from_slice(&buffer[..read]);
    }
    String::from_utf8_lossy(&answers).into_owned()
}

#[test]
fn of_requests_sent_at_once_the_first_is_answered() {
    let mut host = AdminHost::ready("");
    let probe = b"GET /livez HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".to_vec();
    let authorization = format!("authorization: Bearer {}", host.token.unwrap());
    let query =
        format!("GET /v1/accounts HTTP/1.1\r\nhost: 127.0.0.1\r\n{authorization}\r\n\r\n").into_bytes();
    for request in [&probe, &query] {
        for count in [2, 20_000] {
            let answers = send_at_once(&host, request, count);
            assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "of {count}: {answers}");
            assert!(answers.starts_with("HTTP/1.1 200 "), "{answers}");
        }
    }
    host.running.signal("TERM");
    host.running.log.read_to_end();
    let noise = host.running.log.last(usize::MAX).iter().filter(|line| line.contains("actix"));
    assert_eq!(noise.count(), 0, "each such connection is logged");
}
