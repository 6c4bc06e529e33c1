//! Requests and their responses, valid and invalid.

use std::{io::Write as _, time::Duration};

use matterhost_actors::mattermost::{ClientLimits, Etag, Me, RestErrorKind};
use tokio::net::TcpListener;

use crate::support::{
    AfterResponse, SECRET, Server, client, client_with, header, json, recorded, response, run, token,
};

const USER: &str = r#"{"id":"u1","username":"bot","update_at":5,"delete_at":0,
    "roles":"system_user system_guest","is_bot":true,"unknown":{}}"#;

/// Returns the error of `me` if the server sends this response.
async fn failure(reply: impl Into<Vec<u8>>, then: AfterResponse) -> RestErrorKind {
    let server = Server::respond_with(reply, then).await;
    let limits = ClientLimits { max_body_bytes: 1000, ..ClientLimits::default() };
    let error = client_with(&server.url(), None, limits).me(&token(), None).await.unwrap_err();
    assert_eq!(error.route, "/users/me");
    error.kind
}

async fn etag(client: &matterhost_actors::mattermost::Client) -> Etag {
    match client.me(&token(), None).await.unwrap().value {
        Me::User { etag, .. } => etag.unwrap(),
        Me::Unmodified => panic!("the request had no ETag"),
    }
}

#[test]
fn a_recorded_account_is_understood() {
    run(async {
        let server =
            Server::respond_with(recorded("rate_limit", "/api/v4/users/me", 200), AfterResponse::KeepAlive)
                .await;
        let answer = client(&server.url()).me(&token(), None).await.unwrap();
        let Me::User { user, etag } = answer.value else { panic!() };
        assert_eq!((&*user.username, user.update_at), ("admin", 1_795_354_179_603));
        assert!(!user.roles.is_guest && !user.is_bot && etag.is_some());
        let rate = answer.rate.unwrap();
        assert_eq!((rate.limit, rate.remaining, rate.reset), (6, 4, Duration::from_secs(1)));
    });
}

#[test]
fn a_request_has_exactly_the_required_headers() {
    run(async {
        let server = Server::respond_with(json(USER), AfterResponse::KeepAlive).await;
        let client = client(&format!("{}/team/chat/", server.url()));
        let Me::User { user, .. } = client.me(&token(), None).await.unwrap().value else { panic!() };
        assert!(user.roles.is_guest && user.is_bot);
        client.system_ping().await.unwrap();
        let [me, ping] = &server.heads()[..] else { panic!() };
        assert!(me.starts_with("GET /team/chat/api/v4/users/me HTTP/1.1\r\n"), "{me}");
        assert_eq!(header(me, "authorization"), Some(&*format!("Bearer {SECRET}")));
        assert_eq!(header(me, "host"), Some(&*server.address.to_string()));
        assert_eq!(header(me, "user-agent"), Some("matterhost/test"));
        assert_eq!((header(me, "cookie"), header(me, "if-none-match")), (None, None));
        assert!(ping.starts_with("GET /team/chat/api/v4/system/ping HTTP/1.1\r\n"), "{ping}");
        assert_eq!(header(ping, "authorization"), None);
    });
}

#[test]
fn an_unchanged_account_is_a_304() {
    run(async {
        let known =
            Server::respond_with(recorded("connect", "/api/v4/users/me", 200), AfterResponse::KeepAlive)
                .await;
        let etag = etag(&client(&known.url())).await;
        let server =
            Server::respond_with("HTTP/1.1 304 Not Modified\r\n\r\n", AfterResponse::KeepAlive).await;
        let client = client(&server.url());
        for _ in 0..2 {
            let answer = client.me(&token(), Some(&etag)).await.unwrap();
            assert_eq!(answer.value, Me::Unmodified);
        }
        let sent = header(&server.heads()[0], "if-none-match").unwrap().to_owned();
        assert_eq!(sent, "5.37.0.pt4mbhwr1tgi3penh1rjpxswwc.1795354064436..0.true.true.0");
        assert_eq!(server.connections(), 1);
        let unrequested = client.me(&token(), None).await.unwrap_err();
        assert_eq!(unrequested.kind, RestErrorKind::Redirect);
    });
}

#[test]
fn refusals_have_distinct_errors() {
    run(async {
        let server =
            Server::respond_with(recorded("errors", "/api/v4/users/me", 401), AfterResponse::KeepAlive).await;
        let error = client(&server.url()).me(&token(), None).await.unwrap_err();
        assert_eq!(error.kind, RestErrorKind::Unauthorized);
        assert_eq!(error.id.as_deref(), Some("api.context.session_expired.app_error"));
        let server =
            Server::respond_with(recorded("rate_limit", "/api/v4/users/me", 429), AfterResponse::KeepAlive)
                .await;
        let error = client(&server.url()).me(&token(), None).await.unwrap_err();
        let retry_after = Some(Duration::from_secs(1));
        assert_eq!(error.kind, RestErrorKind::RateLimited { retry_after });
        assert_eq!(&*error.message, "limit exceeded");
        let cases = [
            ("429 x", RestErrorKind::RateLimited { retry_after: None }),
            ("404 x", RestErrorKind::NotFound),
            ("403 x", RestErrorKind::Refused(403)),
            ("500 x", RestErrorKind::Server(500)),
            ("503 x", RestErrorKind::Server(503)),
            ("302 x", RestErrorKind::Redirect),
        ];
        for (status, kind) in cases {
            let reply = response(status, "content-type: text/html\r\n", "<html>no</html>");
            assert_eq!(failure(reply, AfterResponse::KeepAlive).await, kind);
        }
    });
}

#[test]
fn nonsensical_responses_have_distinct_errors() {
    run(async {
        let page = response("200 OK", "content-type: text/html\r\n", "<html>log in</html>");
        assert_eq!(failure(page, AfterResponse::KeepAlive).await, RestErrorKind::NotJson);
        let mislabelled = response("200 OK", "content-type: text/html\r\n", USER);
        assert_eq!(failure(mislabelled, AfterResponse::KeepAlive).await, RestErrorKind::NotJson);
        assert_eq!(failure(json("<html>"), AfterResponse::KeepAlive).await, RestErrorKind::NotJson);
        assert_eq!(failure(json("{\"id\":7}"), AfterResponse::KeepAlive).await, RestErrorKind::BadBody);
        assert_eq!(failure(json(""), AfterResponse::KeepAlive).await, RestErrorKind::BadBody);
        assert_eq!(failure("SSH-2.0-OpenSSH\r\n\r\n", AfterResponse::Close).await, RestErrorKind::BadBody);
        assert_eq!(failure("", AfterResponse::Close).await, RestErrorKind::Unreachable);
        // The HTTP client returns a truncated body as if it were complete.
        for framing in ["content-length: 100", "transfer-encoding: chunked"] {
            for body in ["", "5\r\n{\"id\"\r\n"] {
                let cut = format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n{body}");
                let cut = cut.replace("100\r\n\r\n5\r\n", "100\r\n\r\n");
                assert_eq!(failure(cut, AfterResponse::Close).await, RestErrorKind::Unreachable, "{framing}");
            }
        }
    });
}

#[test]
fn a_long_body_is_refused() {
    run(async {
        let long = json(&format!("{{\"id\":\"{}\"}}", "x".repeat(2000)));
        assert_eq!(failure(long, AfterResponse::Hang).await, RestErrorKind::TooLarge);
        let chunk = "3e8\r\n".to_owned() + &"x".repeat(1000) + "\r\n";
        let endless = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunk}{chunk}");
        assert_eq!(failure(endless, AfterResponse::Hang).await, RestErrorKind::TooLarge);
    });
}

#[test]
fn a_slow_answer_is_given_up() {
    run(async {
        for slow in ["", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"] {
            let server = Server::respond_with(slow, AfterResponse::Hang).await;
            let request_timeout = Duration::from_millis(100);
            let limits = ClientLimits { request_timeout, ..ClientLimits::default() };
            let error = client_with(&server.url(), None, limits).me(&token(), None).await.unwrap_err();
            assert_eq!(error.kind, RestErrorKind::Timeout);
        }
    });
}

#[test]
fn a_redirect_is_not_followed() {
    run(async {
        let elsewhere = Server::respond_with(json(USER), AfterResponse::KeepAlive).await;
        let location = format!("location: {}/api/v4/users/me\r\n", elsewhere.url());
        for status in ["301 x", "302 x", "307 x", "308 x"] {
            let server =
                Server::respond_with(response(status, &location, ""), AfterResponse::KeepAlive).await;
            let error = client(&server.url()).me(&token(), None).await.unwrap_err();
            assert_eq!(error.kind, RestErrorKind::Redirect);
            assert_eq!(server.heads().len(), 1);
        }
        assert_eq!(elsewhere.connections(), 0);
    });
}

#[test]
fn one_connection_serves_many_requests_and_few_serve_a_crowd() {
    run(async {
        let server = Server::respond_with(json(USER), AfterResponse::KeepAlive).await;
        let client = client(&server.url());
        for _ in 0..50 {
            client.me(&token(), None).await.unwrap();
        }
        assert_eq!(server.connections(), 1);
        let token = token();
        let crowd = (0..100).map(|_| client.me(&token, None));
        for answer in futures_util::future::join_all(crowd).await {
            answer.unwrap();
        }
        assert!(server.connections() <= ClientLimits::default().rest_connections);
    });
}

#[test]
fn names_and_ipv6_addresses_are_reached() {
    run(async {
        let server = Server::bind("[::1]:0", json(USER), AfterResponse::KeepAlive).await;
        let port = server.address.port();
        client(&format!("http://[::1]:{port}/")).me(&token(), None).await.unwrap();
        assert_eq!(header(&server.heads()[0], "host"), Some(&*format!("[::1]:{port}")));
        // The name resolves to both addresses, of which only one listens.
        let server = Server::respond_with(json(USER), AfterResponse::KeepAlive).await;
        let port = server.address.port();
        client(&format!("http://localhost:{port}")).me(&token(), None).await.unwrap();
    });
}

#[test]
fn a_closed_port_is_unreachable() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let error = client(&url).me(&token(), None).await.unwrap_err();
        assert_eq!(error.kind, RestErrorKind::Unreachable);
        assert!(error.source.is_some());
    });
}

#[test]
fn a_compressed_body_is_bounded_by_its_decompressed_size() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&vec![b' '; 1_000_000]).unwrap();
    let bomb = encoder.finish().unwrap();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
        bomb.len()
    );
    let kind = run(failure([head.into_bytes(), bomb].concat(), AfterResponse::KeepAlive));
    assert_eq!(kind, RestErrorKind::TooLarge);
}
