//! What the simulator does over real sockets, each test with the fact that it answers to.

use std::time::Duration;

use matterhost_simulator::{Simulator, Timings};

use crate::client::{End, PATIENCE, Socket, rest_with, try_rest};
use crate::room::{Room, message};

#[test]
fn a_post_reaches_every_member_in_sequence() {
    let room = Room::new();
    let mut socket = room.socket(&room.bot);
    room.post("one");
    room.post("two");
    for (seq, text) in [(2, "one"), (3, "two")] {
        let event = socket.json();
        assert_eq!((message(&event), event["seq"].as_u64()), (text.to_owned(), Some(seq)));
    }
}

/// Facts 3, 4, 6 and 8.
#[test]
fn a_cycle_leaves_the_socket_deaf_and_others_hear_of_it() {
    let room = Room::new();
    let mut bot = room.socket(&room.bot);
    let mut peer = room.socket(&room.peer);
    let before = room.simulator.update_at(&room.bot.user_id);

    room.simulator.disable(&room.bot.user_id);
    assert_eq!(room.get("/api/v4/users/me", &room.bot).status, 401);
    assert_eq!(bot.json()["data"]["status"], "offline");
    room.simulator.enable(&room.bot.user_id);
    room.post("unheard");

    let (disabled, enabled, posted) = (peer.json(), peer.json(), peer.json());
    assert_ne!(disabled["data"]["user"]["delete_at"], 0);
    assert_eq!(enabled["data"]["user"]["delete_at"], 0);
    assert!(enabled["data"]["user"]["update_at"].as_i64() > Some(before));
    assert_eq!(message(&posted), "unheard");
    assert!(bot.is_quiet(), "the deaf socket answers pings and hears nothing");
    let (events, reply) = bot.ask(1, "ping");
    assert!(events.is_empty());
    assert_eq!(reply["error"]["status_code"], 401);
}

/// Facts 5 and 10.
#[test]
fn resuming_a_deaf_socket_is_gapless_and_loses_posts() {
    let room = Room::new();
    let mut bot = Socket::open(room.simulator.address(), Some(&room.bot.token), "");
    let id = bot.json()["data"]["connection_id"].as_str().expect("an id").to_owned();
    assert_eq!(bot.json()["seq"], 1);
    room.simulator.cycle(&room.bot.user_id);
    assert_eq!(bot.json()["seq"], 2);
    room.post("lost");
    bot.cut();
    assert!(room.simulator.wait_for(|c| c.open_sockets(&room.bot.user_id) == 0, PATIENCE));

    let query = format!("?connection_id={id}&sequence_number=3");
    let mut resumed = Socket::open(room.simulator.address(), Some(&room.bot.token), &query);
    let online = resumed.json();
    assert_eq!((online["event"].as_str(), online["seq"].as_u64()), (Some("status_change"), Some(3)));
    room.post("heard");
    let posted = resumed.json();
    assert_eq!((message(&posted), posted["seq"].as_u64()), ("heard".to_owned(), Some(4)));
}

/// Fact 9.
#[test]
fn users_me_has_an_entity_tag_with_update_at() {
    let room = Room::new();
    let me = room.get("/api/v4/users/me", &room.bot);
    let etag = me.header("etag").expect("a tag").to_owned();
    let again = |room: &Room| {
        let headers = [("If-None-Match", etag.as_str())];
        let token = Some(room.bot.token.as_str());
        rest_with(room.simulator.address(), "GET", "/api/v4/users/me", token, None, &headers)
    };
    assert_eq!((again(&room).status, again(&room).body), (304, String::new()));
    room.simulator.cycle(&room.bot.user_id);
    assert_eq!(again(&room).status, 200);
}

/// Fact 1.
#[test]
fn a_bad_token_is_upgraded_and_then_dropped() {
    let timings = Timings { auth_drop: Duration::from_millis(50), ..Timings::default() };
    let simulator = Simulator::builder().timings(timings).start().expect("a simulator");
    for token in [None, Some("xxxxxxxxxxxxxxxxxxxxxxxxxx")] {
        let mut socket = Socket::open(simulator.address(), token, "");
        assert_eq!(socket.end(), End::Dropped);
    }
}

/// Fact 16.
#[test]
fn a_stopped_server_drops_and_refuses_and_comes_back_on_its_port() {
    let room = Room::new();
    let mut bot = room.socket(&room.bot);
    room.simulator.stop_server();
    assert_eq!(bot.end(), End::Dropped);
    let ping = || try_rest(room.simulator.address(), "GET", "/api/v4/system/ping", None, None, &[]);
    let refused = ping().expect_err("nothing listens");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    room.simulator.start_server().expect("the port is still ours");
    assert_eq!(ping().expect("an answer").status, 200);
    room.socket(&room.bot);
}

#[test]
fn a_silent_socket_speaks_again_when_the_fault_is_cleared() {
    let room = Room::new();
    let mut bot = room.socket(&room.bot);
    let silence = room.simulator.silence(&room.bot.user_id);
    room.post("held back");
    bot.socket.get_ref().set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
    assert_eq!(bot.end(), End::Silent, "nothing is read within the timeout");
    bot.socket.get_ref().set_read_timeout(Some(PATIENCE)).expect("a timeout");
    room.simulator.clear(silence);
    assert_eq!(message(&bot.json()), "held back");
}

#[test]
fn a_reset_is_a_reset() {
    let room = Room::new();
    let mut bot = room.socket(&room.bot);
    room.simulator.reset(&room.bot.user_id);
    assert_eq!(room.simulator.counters().open_sockets(&room.bot.user_id), 0);
    let error = std::io::Read::read(&mut bot.socket.get_mut(), &mut [0]).expect_err("a reset");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}
