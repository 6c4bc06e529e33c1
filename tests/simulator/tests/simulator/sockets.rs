//! The behaviour of the simulator over real sockets, each test with the fact that it answers to.

use std::time::Duration;

use matterhost_simulator::{Simulator, Timings};

use crate::client::{Socket, SocketEnd, TIMEOUT, rest_with, try_rest};
use crate::fixture::{Fixture, message};

#[test]
fn a_post_reaches_every_member_in_sequence() {
    let fixture = Fixture::new();
    let mut socket = fixture.socket(&fixture.bot);
    fixture.post("one");
    fixture.post("two");
    for (seq, text) in [(2, "one"), (3, "two")] {
        let event = socket.json();
        assert_eq!((message(&event), event["seq"].as_u64()), (text.to_owned(), Some(seq)));
    }
}

/// Facts 3, 4, 6 and 8.
#[test]
fn a_cycle_leaves_the_socket_deaf_and_others_hear_of_it() {
    let fixture = Fixture::new();
    let mut bot = fixture.socket(&fixture.bot);
    let mut peer = fixture.socket(&fixture.peer);
    let before = fixture.simulator.update_at(&fixture.bot.user_id);

    fixture.simulator.disable(&fixture.bot.user_id);
    assert_eq!(fixture.get("/api/v4/users/me", &fixture.bot).status, 401);
    assert_eq!(bot.json()["data"]["status"], "offline");
    fixture.simulator.enable(&fixture.bot.user_id);
    fixture.post("unheard");

    let (disabled, enabled, posted) = (peer.json(), peer.json(), peer.json());
    assert_ne!(disabled["data"]["user"]["delete_at"], 0);
    assert_eq!(enabled["data"]["user"]["delete_at"], 0);
    assert!(enabled["data"]["user"]["update_at"].as_i64() > Some(before));
    assert_eq!(message(&posted), "unheard");
    assert!(bot.is_quiet(), "the deaf socket answers pings and hears nothing");
    let (events, reply) = bot.request(1, "ping");
    assert!(events.is_empty());
    assert_eq!(reply["error"]["status_code"], 401);
}

/// Facts 5 and 10.
#[test]
fn resuming_a_deaf_socket_is_gapless_and_loses_posts() {
    let fixture = Fixture::new();
    let mut bot = Socket::open(fixture.simulator.address(), Some(&fixture.bot.token), "");
    let id = bot.json()["data"]["connection_id"].as_str().expect("an id").to_owned();
    assert_eq!(bot.json()["seq"], 1);
    fixture.simulator.cycle(&fixture.bot.user_id);
    assert_eq!(bot.json()["seq"], 2);
    fixture.post("lost");
    bot.disconnect();
    assert!(fixture.simulator.wait_for(|c| c.open_sockets(&fixture.bot.user_id) == 0, TIMEOUT));

    let query = format!("?connection_id={id}&sequence_number=3");
    let mut resumed = Socket::open(fixture.simulator.address(), Some(&fixture.bot.token), &query);
    let online = resumed.json();
    assert_eq!((online["event"].as_str(), online["seq"].as_u64()), (Some("status_change"), Some(3)));
    fixture.post("heard");
    let posted = resumed.json();
    assert_eq!((message(&posted), posted["seq"].as_u64()), ("heard".to_owned(), Some(4)));
}

/// Fact 9.
#[test]
fn users_me_has_an_entity_tag_with_update_at() {
    let fixture = Fixture::new();
    let me = fixture.get("/api/v4/users/me", &fixture.bot);
    let etag = me.header("etag").expect("a tag").to_owned();
    let again = |fixture: &Fixture| {
        let headers = [("If-None-Match", etag.as_str())];
        let token = Some(fixture.bot.token.as_str());
        rest_with(fixture.simulator.address(), "GET", "/api/v4/users/me", token, None, &headers)
    };
    assert_eq!((again(&fixture).status, again(&fixture).body), (304, String::new()));
    fixture.simulator.cycle(&fixture.bot.user_id);
    assert_eq!(again(&fixture).status, 200);
}

/// Fact 1.
#[test]
fn a_bad_token_is_upgraded_and_then_dropped() {
    let timings = Timings { auth_timeout: Duration::from_millis(50), ..Timings::default() };
    let simulator = Simulator::builder().timings(timings).start().expect("a simulator");
    for token in [None, Some("xxxxxxxxxxxxxxxxxxxxxxxxxx")] {
        let mut socket = Socket::open(simulator.address(), token, "");
        assert_eq!(socket.end(), SocketEnd::Dropped);
    }
}

/// Fact 16.
#[test]
fn a_stopped_server_drops_and_refuses_and_comes_back_on_its_port() {
    let fixture = Fixture::new();
    let mut bot = fixture.socket(&fixture.bot);
    fixture.simulator.stop_server();
    assert_eq!(bot.end(), SocketEnd::Dropped);
    let ping = || try_rest(fixture.simulator.address(), "GET", "/api/v4/system/ping", None, None, &[]);
    let refused = ping().expect_err("nothing listens");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    fixture.simulator.start_server().expect("the port is still ours");
    assert_eq!(ping().expect("an answer").status, 200);
    fixture.socket(&fixture.bot);
}

#[test]
fn a_silent_socket_speaks_again_when_the_fault_is_cleared() {
    let fixture = Fixture::new();
    let mut bot = fixture.socket(&fixture.bot);
    let silence = fixture.simulator.silence_connections(&fixture.bot.user_id);
    fixture.post("held back");
    bot.socket.get_ref().set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
    assert_eq!(bot.end(), SocketEnd::Silent, "nothing is read within the timeout");
    bot.socket.get_ref().set_read_timeout(Some(TIMEOUT)).expect("a timeout");
    fixture.simulator.clear_fault(silence);
    assert_eq!(message(&bot.json()), "held back");
}

#[test]
fn a_reset_is_a_reset() {
    let fixture = Fixture::new();
    let mut bot = fixture.socket(&fixture.bot);
    fixture.simulator.reset_connections(&fixture.bot.user_id);
    assert_eq!(fixture.simulator.counters().open_sockets(&fixture.bot.user_id), 0);
    let error = std::io::Read::read(&mut bot.socket.get_mut(), &mut [0]).expect_err("a reset");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}
