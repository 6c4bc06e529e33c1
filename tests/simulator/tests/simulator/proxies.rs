//! Proxies in front of the server, and what they do to it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use matterhost_simulator::{Fault, FaultKind, Simulator};

use crate::client::{Socket, SocketEnd, TIMEOUT, try_rest};
use crate::fixture::Fixture;

const ME: &str = "/api/v4/users/me";

fn strike(fixture: &Fixture, kind: FaultKind) {
    fixture.simulator.inject(Fault::new(kind).times(1));
}

#[test]
fn a_refusal_is_the_servers_or_the_proxys() {
    let fixture = Fixture::new();
    for (kind, status, id) in [
        (FaultKind::Forbidden, 403, Some("api.context.permissions.app_error")),
        (FaultKind::NotFound, 404, Some("app.channel.get.existing.app_error")),
        (FaultKind::ProxyPage(403), 403, None),
        (FaultKind::ProxyPage(404), 404, None),
        (FaultKind::ProxyPage(502), 502, None),
    ] {
        strike(&fixture, kind.clone());
        let refused = fixture.get(ME, &fixture.bot);
        assert_eq!((refused.status, refused.json()["id"].as_str()), (status, id), "{kind:?}");
        let is_html = refused.header("Content-Type") == Some("text/html");
        assert_eq!(is_html, id.is_none(), "{kind:?}");
        assert_eq!(fixture.get(ME, &fixture.bot).status, 200);
    }
}

#[test]
fn a_proxys_page_comes_for_the_ping_and_the_upgrade_too() {
    let fixture = Fixture::new();
    let fault = fixture.simulator.inject(Fault::new(FaultKind::ProxyPage(404)));
    for path in ["/api/v4/system/ping", "/api/v4/websocket"] {
        assert_eq!(fixture.get(path, &fixture.bot).status, 404, "{path}");
    }
    fixture.simulator.clear_fault(fault);
    fixture.socket(&fixture.bot);
}

/// The text of a whole exchange, interim answers too.
fn exchange(fixture: &Fixture, headers: &str) -> String {
    let mut stream = TcpStream::connect(fixture.simulator.address()).expect("a connection");
    stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
    let token = &fixture.bot.token;
    let head = ["GET ", ME, " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ", token, "\r\n", headers, "\r\n"];
    stream.write_all(head.concat().as_bytes()).expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn early_hints_come_before_the_answer() {
    let fixture = Fixture::new();
    strike(&fixture, FaultKind::EarlyHints);
    let answer = exchange(&fixture, "Connection: close\r\n");
    assert!(answer.starts_with("HTTP/1.1 103 Early Hints\r\n"), "{answer}");
    assert!(answer.contains("\r\n\r\nHTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(exchange(&fixture, "Connection: close\r\n").starts_with("HTTP/1.1 200 OK\r\n"));
}

#[test]
fn an_answer_is_compressed_though_nobody_asked() {
    let fixture = Fixture::new();
    strike(&fixture, FaultKind::Encoded("br"));
    let answer = fixture.get(ME, &fixture.bot);
    assert_eq!((answer.status, answer.header("Content-Encoding")), (200, Some("br")));
    assert!(answer.json().is_string(), "it is not readable as it is");
}

#[test]
fn each_socket_is_cut_at_its_age_or_when_idle() {
    let fixture = Fixture::new();
    let limit = Duration::from_millis(60);
    for kind in [FaultKind::SocketLifetime(limit), FaultKind::SocketIdle(limit)] {
        let fault = fixture.simulator.inject(Fault::new(kind.clone()).user(&fixture.bot.user_id));
        let mut peer = fixture.socket(&fixture.peer);
        for _ in 0..2 {
            let start = Instant::now();
            let mut socket = fixture.socket(&fixture.bot);
            assert_eq!(socket.end(), SocketEnd::Dropped, "{kind:?}");
            assert!(start.elapsed() >= limit, "{kind:?}");
        }
        assert!(peer.is_quiet(), "{kind:?} is not for the peer");
        fixture.simulator.clear_fault(fault);
    }
}

#[test]
fn a_socket_that_talks_is_not_idle() {
    let fixture = Fixture::new();
    let limit = Duration::from_millis(500);
    fixture.simulator.inject(Fault::new(FaultKind::SocketIdle(limit)));
    let mut socket = fixture.socket(&fixture.bot);
    let start = Instant::now();
    let mut seq = 0;
    while start.elapsed() < limit * 2 {
        seq += 1;
        assert_eq!(socket.request(seq, "ping").1["status"], "OK");
    }
    assert_eq!(socket.end(), SocketEnd::Dropped);
}

#[test]
fn a_cut_that_was_cleared_does_not_come() {
    let fixture = Fixture::new();
    let limit = Duration::from_millis(100);
    let fault = fixture.simulator.inject(Fault::new(FaultKind::SocketLifetime(limit)));
    let mut old = fixture.socket(&fixture.bot);
    fixture.simulator.clear_fault(fault);
    let counted = Fault::new(FaultKind::SocketLifetime(limit * 2)).times(1);
    fixture.simulator.inject(counted);
    assert_eq!(fixture.socket(&fixture.peer).end(), SocketEnd::Dropped);
    assert!(old.is_quiet(), "the older one lives on");
    assert!(Socket::open(fixture.simulator.address(), Some(&fixture.peer.token), "").json().is_object());
}

/// The clock of the server is set: posts, `update_at` and the `Date` of an answer go with it.
#[test]
fn the_servers_clock_is_ahead_for_a_while() {
    let fixture = Fixture::new();
    let admin = fixture.simulator.admin().user_id;
    let post = || fixture.simulator.post(&admin, &fixture.channel, "tick").create_at;
    let date = || fixture.get(ME, &fixture.bot).header("Date").expect("a date").to_owned();
    let (before, year) = (post(), 366 * 86_400_000);
    let today = date();
    fixture.simulator.shift_clock(year);
    assert!(post() >= before + year);
    assert_ne!(date().get(12..16), today.get(12..16), "another year");
    fixture.simulator.shift_clock(0);
    assert!(post() < before + year);
    assert_eq!(date().get(12..16), today.get(12..16));
}

#[test]
fn a_redirect_lasts_as_long_as_it_is_told() {
    let simulator = Simulator::start().expect("a simulator");
    let lasting = Duration::from_millis(150);
    let start = Instant::now();
    let redirect = FaultKind::Redirect("http://127.0.0.1:1/login".to_owned());
    simulator.inject(Fault::new(redirect).lasting(lasting));
    let ping = || try_rest(simulator.address(), "GET", "/api/v4/system/ping", None, None, &[]);
    assert_eq!(ping().expect("an answer").status, 302);
    while ping().expect("an answer").status == 302 {}
    assert!(start.elapsed() >= lasting);
}
