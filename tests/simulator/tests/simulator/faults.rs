//! Faults by script.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use matterhost_simulator::{Fault, FaultKind, RateLimit, Simulator, Target, Timings};
use tokio_tungstenite::tungstenite::Message;

use crate::client::{Socket, SocketEnd, TIMEOUT, rest, try_rest};
use crate::fixture::{Fixture, message};

#[test]
fn a_refusing_server_keeps_its_sockets_and_comes_back() {
    let fixture = Fixture::new();
    let mut socket = fixture.socket(&fixture.bot);
    let refuse = fixture.simulator.inject(Fault::new(FaultKind::Refuse));
    assert!(TcpStream::connect(fixture.simulator.address()).is_err());
    fixture.post("heard all the same");
    assert_eq!(message(&socket.json()), "heard all the same");
    fixture.simulator.clear_fault(refuse);
    fixture.socket(&fixture.peer);
}

#[test]
fn rest_faults_apply_to_the_chosen_user_and_number_of_times() {
    let fixture = Fixture::new();
    let me = |account| fixture.get("/api/v4/users/me", account);
    for (kind, status) in [
        (FaultKind::Unauthorized, 401),
        (FaultKind::ServerError, 500),
        (FaultKind::TooManyRequests { retry_after: 7 }, 429),
        (FaultKind::Html, 200),
        (FaultKind::Redirect("http://127.0.0.1:1/".to_owned()), 302),
    ] {
        let fault = Fault::new(kind.clone()).user(&fixture.bot.user_id).times(1);
        fixture.simulator.inject(fault);
        assert_eq!(me(&fixture.peer).status, 200, "{kind:?} is not for the peer");
        let struck = me(&fixture.bot);
        assert_eq!(struck.status, status, "{kind:?}");
        assert_eq!(struck.json().is_object(), matches!(status, 401 | 500), "{kind:?}");
        assert_eq!(me(&fixture.bot).status, 200, "{kind:?} strikes once");
    }
    let route = Target::Route("GET /users/me".to_owned());
    let fault = fixture.simulator.inject(Fault::new(FaultKind::Garbage).target(route));
    assert!(me(&fixture.bot).json().is_string());
    assert_eq!(fixture.get("/api/v4/users/me/teams", &fixture.bot).status, 200);
    fixture.simulator.clear_fault(fault);
    assert!(me(&fixture.bot).json().is_object());
}

#[test]
fn a_request_is_carried_out_although_its_answer_is_lost() {
    let fixture = Fixture::new();
    let fault = Fault::new(FaultKind::LostResponse).route("POST /posts").times(1);
    fixture.simulator.inject(fault);
    let post =
        serde_json::json!({ "channel_id": fixture.channel, "message": "hello", "pending_post_id": "p" });
    let ask = || {
        let (server, token) = (fixture.simulator.address(), Some(fixture.bot.token.as_str()));
        try_rest(server, "POST", "/api/v4/posts", token, Some(&post), &[])
    };
    assert!(ask().is_err());
    let made =
        || fixture.simulator.posts_in(&fixture.channel).into_iter().filter(|post| post.message == "hello");
    let first = made().next().expect("the post").id;
    assert_eq!(ask().expect("an answer").json()["id"], first.as_str(), "fact 19");
    assert_eq!(made().count(), 1);
}

#[test]
fn a_slow_server_takes_its_time() {
    let fixture = Fixture::new();
    let delay = Duration::from_millis(80);
    fixture.simulator.inject(Fault::new(FaultKind::Slow(delay)).times(1));
    let start = Instant::now();
    fixture.get("/api/v4/users/me", &fixture.bot);
    assert!(start.elapsed() >= delay);
}

#[test]
fn events_are_doubled_skipped_and_lost() {
    let fixture = Fixture::new();
    let mut socket = fixture.socket(&fixture.bot);
    let strike = |kind| {
        fixture.simulator.inject(Fault::new(kind).user(&fixture.bot.user_id).times(1));
    };
    strike(FaultKind::DuplicateEvent);
    fixture.post("twice");
    let seqs = [socket.json()["seq"].clone(), socket.json()["seq"].clone()];
    assert_eq!(seqs, [2, 2]);
    strike(FaultKind::SequenceGap);
    fixture.post("skipped");
    fixture.post("after the gap");
    assert_eq!(socket.json()["seq"], 4);
    strike(FaultKind::LostEvent);
    fixture.post("lost");
    fixture.post("after the loss");
    let event = socket.json();
    assert_eq!((message(&event), event["seq"].as_u64()), ("after the loss".to_owned(), Some(5)));
    assert_eq!(socket.request(1, "ping").1["status"], "OK");
}

#[test]
fn hello_is_withheld_or_never_reached() {
    let fixture = Fixture::new();
    let open = || Socket::open(fixture.simulator.address(), Some(&fixture.bot.token), "");
    fixture.simulator.inject(Fault::new(FaultKind::HelloWithheld).times(1));
    assert_eq!(open().json()["event"], "status_change");
    fixture.simulator.inject(Fault::new(FaultKind::DropBeforeHello).times(1));
    assert_eq!(open().end(), SocketEnd::Dropped);
    assert_eq!(open().json()["event"], "hello");
}

#[test]
fn frames_come_whole_in_pieces_huge_or_broken() {
    let fixture = Fixture::new();
    let mut socket = fixture.socket(&fixture.bot);
    let strike = |kind| {
        fixture.simulator.inject(Fault::new(kind).user(&fixture.bot.user_id));
    };
    strike(FaultKind::FragmentedEvent(5));
    assert_eq!(socket.json()["event"], "simulated");
    strike(FaultKind::HugeFrame(500_000));
    assert_eq!(socket.recv().len(), 500_000);
    strike(FaultKind::GarbageText);
    assert!(serde_json::from_str::<serde_json::Value>(&socket.recv()).is_err());
    strike(FaultKind::ServerPing);
    assert!(matches!(socket.socket.read(), Ok(Message::Ping(_))));
    strike(FaultKind::FrameHeaderOnly(400 << 20));
    let mut header = [0; 10];
    socket.socket.get_mut().read_exact(&mut header).expect("a header");
    assert_eq!(header[..2], [0x81, 127]);
    assert_eq!(u64::from_be_bytes(header[2..].try_into().expect("eight bytes")), 400 << 20);

    let mut other = fixture.socket(&fixture.peer);
    fixture.simulator.close_sockets(&fixture.peer.user_id, 1012);
    assert_eq!(other.end(), SocketEnd::Close(Some(1012)));
    let gone = fixture.simulator.wait_for(|c| c.open_sockets(&fixture.peer.user_id) == 0, TIMEOUT);
    assert!(gone);
    let mut broken = fixture.socket(&fixture.peer);
    fixture.simulator.inject(Fault::new(FaultKind::GarbageFrame).user(&fixture.peer.user_id));
    assert_eq!(broken.end(), SocketEnd::Dropped);
}

#[test]
fn a_silence_ends_by_itself_and_covers_rest() {
    let fixture = Fixture::new();
    let fault = Fault::new(FaultKind::Silence).user(&fixture.bot.user_id);
    let start = Instant::now();
    let lasting = Duration::from_millis(100);
    fixture.simulator.inject(fault.lasting(lasting));
    assert_eq!(fixture.get("/api/v4/users/me", &fixture.bot).status, 200);
    assert!(start.elapsed() >= lasting);
}

/// Fact 22: deaf, and `update_at` has not moved.
#[test]
fn deafness_without_drift() {
    let fixture = Fixture::new();
    for deafen in
        [(|fixture: &Fixture| fixture.simulator.deafen(&fixture.bot.user_id)) as fn(&Fixture), |fixture| {
            fixture.simulator.toggle_token(&fixture.bot.token_id);
        }]
    {
        let mut socket = Socket::open(fixture.simulator.address(), Some(&fixture.bot.token), "");
        assert_eq!(socket.json()["event"], "hello");
        let before = fixture.simulator.update_at(&fixture.bot.user_id);
        deafen(&fixture);
        fixture.post("unheard");
        assert_eq!(socket.request(1, "ping").1["error"]["status_code"], 401);
        assert_eq!(fixture.simulator.update_at(&fixture.bot.user_id), before);
    }
}

/// Fact 17: the server closes a client that does not read, and the queue is what bounds it.
#[test]
fn a_full_queue_ends_the_socket() {
    let builder = Simulator::builder().send_queue(16).send_buffer(4_096);
    let fixture = Fixture::with_simulator(builder.start().expect("a simulator"));
    let _socket = fixture.socket(&fixture.bot);
    let admin = fixture.simulator.admin().user_id;
    let text = "x".repeat(1 << 18);
    for _ in 0..48 {
        fixture.simulator.post(&admin, &fixture.channel, &text);
    }
    assert!(fixture.simulator.wait_for(|c| c.open_sockets(&fixture.bot.user_id) == 0, TIMEOUT));
}

/// A server with its own time between two pings, and for a pong.
fn with_pings(ping_interval: Duration, pong_wait: Duration) -> Fixture {
    let timings = Timings { ping_interval, pong_wait, ..Timings::default() };
    Fixture::with_simulator(Simulator::builder().timings(timings).start().expect("a simulator"))
}

/// Fact 17.
#[test]
fn a_client_without_pongs_is_dropped_and_large_frames_too() {
    let fixture = with_pings(Duration::from_millis(30), Duration::from_millis(150));
    let silent = fixture.socket(&fixture.bot);
    let gone = |c: &matterhost_simulator::Counters| c.open_sockets(&fixture.bot.user_id) == 0;
    assert!(fixture.simulator.wait_for(gone, TIMEOUT), "nobody reads, so nobody sends pongs");
    drop(silent);

    let mut large = fixture.socket(&fixture.peer);
    large.send(&format!(r#"{{"seq":1,"action":"ping","data":"{}"}}"#, "x".repeat(9_000)));
    assert_eq!(large.end(), SocketEnd::Dropped);
}

/// Fact 17: a ping waits for what is written before it. Left out, the next one would come too late for the pong.
#[test]
fn a_ping_that_is_due_while_the_client_does_not_read_comes_afterwards() {
    let fixture = with_pings(Duration::from_secs(2), Duration::from_millis(3_900));
    let mut socket = fixture.socket(&fixture.bot);
    let opened = Instant::now();
    // More than the buffers between the two hold.
    fixture.simulator.flood(&fixture.channel, 50_000, 100);
    thread::sleep(Duration::from_millis(2_200).saturating_sub(opened.elapsed()));
    assert_eq!(socket.ping(), Ok(()));
}

/// Fact 15: upgrades count, and are refused.
#[test]
fn upgrades_count_against_the_rate_limit() {
    let limit = RateLimit { per_second: 1, burst: 0 };
    let simulator = Simulator::builder().rate_limit(limit).start().expect("a simulator");
    let get = |path| rest(simulator.address(), "GET", path, None, None);
    assert_eq!(get("/api/v4/system/ping").status, 200);
    let refused = get("/api/v4/websocket");
    assert_eq!((refused.status, refused.body.as_str()), (429, "limit exceeded\n"));
    assert_eq!(refused.header("Retry-After"), Some("1"));
}

#[test]
fn a_flood_arrives_whole_and_in_sequence() {
    let fixture = Fixture::new();
    let mut socket = fixture.socket(&fixture.bot);
    fixture.simulator.flood(&fixture.channel, 5_000, 100);
    let mut ids = std::collections::BTreeSet::new();
    for number in 0..5_000 {
        let event = socket.json();
        assert_eq!(event["seq"], number + 2);
        let post = event["data"]["post"].as_str().expect("a post");
        let post: serde_json::Value = serde_json::from_str(post).expect("JSON");
        ids.insert(post["id"].as_str().expect("an id").to_owned());
    }
    assert_eq!(ids.len(), 5_000);
}

#[test]
fn tls_needs_the_simulators_authority_and_only_the_sub_path_is_served() {
    let simulator = Simulator::builder().tls(true).sub_path("/chat/").start().expect("a simulator");
    assert!(simulator.url().starts_with("https://") && simulator.url().ends_with("/chat"));
    let pem = simulator.ca_pem().expect("an authority");
    let ca = <rustls::pki_types::CertificateDer<'_> as rustls::pki_types::pem::PemObject>::from_pem_slice(
        pem.as_bytes(),
    );
    let mut roots = rustls::RootCertStore::empty();
    roots.add(ca.expect("a certificate")).expect("an authority");
    let ask = |roots: rustls::RootCertStore, path: &str| {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = simulator.address().ip().into();
        let mut tls = rustls::ClientConnection::new(Arc::new(config), name).expect("a client");
        let mut tcp = TcpStream::connect(simulator.address()).expect("a connection");
        let mut stream = rustls::Stream::new(&mut tls, &mut tcp);
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer)?;
        std::io::Result::Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    assert_eq!(ask(roots.clone(), "/chat/api/v4/system/ping").expect("an answer"), "HTTP/1.1 200");
    assert_eq!(ask(roots, "/api/v4/system/ping").expect("an answer"), "HTTP/1.1 404");
    assert!(ask(rustls::RootCertStore::empty(), "/").is_err());
}

#[test]
fn dropping_the_handle_ends_everything() {
    let fixture = Fixture::new();
    let mut socket = fixture.socket(&fixture.bot);
    let address = fixture.simulator.address();
    drop(fixture);
    assert_eq!(socket.end(), SocketEnd::Dropped);
    assert!(try_rest(address, "GET", "/api/v4/system/ping", None, None, &[]).is_err());
}
