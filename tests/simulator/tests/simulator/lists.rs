//! Lists of posts and channels, where the recordings cannot be played: order, ties, limits, lag.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use matterhost_simulator::{Counters, PostOptions, Simulator};
use serde_json::{Value, json};

use crate::client::{TIMEOUT, rest};
use crate::fixture::{Fixture, message};

fn ids(list: &Value) -> Vec<String> {
    let order = list["order"].as_array().expect("an order");
    order.iter().map(|id| id.as_str().expect("an id").to_owned()).collect()
}

fn posts(fixture: &Fixture, query: &str) -> Value {
    fixture.get(&format!("/api/v4/channels/{}/posts?{query}", fixture.channel), &fixture.bot).json()
}

/// The `last_post_at` of the fixture's channel in the list of channels.
fn last_post_at(fixture: &Fixture) -> i64 {
    let list = fixture.get("/api/v4/users/me/channels", &fixture.bot).json();
    let channels = list.as_array().expect("a list");
    let found = channels.iter().find(|c| c["id"] == fixture.channel.as_str());
    found.expect("the channel")["last_post_at"].as_i64().expect("a time")
}

/// Fact 23: twelve posters at once, committed up to 50 ms late (order).
#[test]
fn events_leave_the_order_of_create_at_and_after_finds_every_post() {
    let fixture = Fixture::new();
    let mut socket = fixture.socket(&fixture.bot);
    let admin = fixture.simulator.admin().user_id;
    let first = fixture.simulator.post(&admin, &fixture.channel, "first");
    socket.json();
    fixture.simulator.randomize_commit_delay(Duration::from_millis(50));
    std::thread::scope(|scope| {
        for poster in 0..12 {
            let (fixture, admin) = (&fixture, &admin);
            scope.spawn(move || {
                for number in 0..10 {
                    fixture.simulator.post(admin, &fixture.channel, &format!("{poster}-{number}"));
                }
            });
        }
    });
    let times: Vec<i64> = (0..120)
        .map(|_| {
            let post = socket.json()["data"]["post"].as_str().expect("a post").to_owned();
            let post: Value = serde_json::from_str(&post).expect("JSON");
            post["create_at"].as_i64().expect("a time")
        })
        .collect();
    assert!(!times.is_sorted(), "some events come after those of younger posts");
    let different: BTreeSet<i64> = times.iter().copied().collect();
    assert!(different.len() < times.len(), "some posts share their millisecond");
    let list = posts(&fixture, &format!("after={}&per_page=200", first.id));
    let later = times.iter().filter(|time| **time > first.create_at).count();
    assert_eq!(ids(&list).len(), later);
}

/// Fact 23: `after` is strictly later, so a post that shares its anchor's time is lost to it.
#[test]
fn after_loses_ties() {
    let fixture = Fixture::new();
    let admin = fixture.simulator.admin().user_id;
    let first = fixture.simulator.post(&admin, &fixture.channel, "first");
    let options = PostOptions {
        user_id: admin,
        channel_id: fixture.channel.clone(),
        message: "tied".to_owned(),
        create_at: Some(first.create_at),
        ..PostOptions::default()
    };
    fixture.simulator.post_with(&options);
    assert!(ids(&posts(&fixture, &format!("after={}", first.id))).is_empty());
}

/// Fact 29: the event comes, no list by `after` or `since` has it.
#[test]
fn a_back_dated_post_is_announced_but_not_listed() {
    let fixture = Fixture::new();
    let mut socket = fixture.socket(&fixture.bot);
    let admin = fixture.simulator.admin().user_id;
    let first = fixture.simulator.post(&admin, &fixture.channel, "first");
    socket.json();
    fixture.simulator.post_with(&PostOptions {
        user_id: admin,
        channel_id: fixture.channel.clone(),
        message: "imported".to_owned(),
        create_at: Some(first.create_at - 1_000_000),
        ..PostOptions::default()
    });
    assert_eq!(message(&socket.json()), "imported");
    assert!(ids(&posts(&fixture, &format!("after={}", first.id))).is_empty());
    assert!(ids(&posts(&fixture, &format!("since={}", first.create_at))).is_empty());
}

/// Fact 25.
#[test]
fn since_gives_any_thousand_rows() {
    let fixture = Fixture::new();
    let admin = fixture.simulator.admin().user_id;
    let all: Vec<String> = (0..1_100)
        .map(|number| fixture.simulator.post(&admin, &fixture.channel, &number.to_string()).id)
        .collect();
    let known_differences: BTreeSet<String> = ids(&posts(&fixture, "since=1")).into_iter().collect();
    assert_eq!(known_differences.len(), 1_000);
    let missing = |ids: &[String]| ids.iter().any(|id| !known_differences.contains(id));
    assert!(missing(&all[..550]) && missing(&all[550..]), "neither the newest nor the oldest");
}

/// Fact 11: pages newest first, ending with an empty `next_post_id`.
#[test]
fn after_is_paged() {
    let fixture = Fixture::new();
    let admin = fixture.simulator.admin().user_id;
    let first = fixture.simulator.post(&admin, &fixture.channel, "first");
    let base = first.create_at + 1;
    let all: Vec<String> = (0..450)
        .map(|number| {
            let options = PostOptions {
                user_id: admin.clone(),
                channel_id: fixture.channel.clone(),
                create_at: Some(base + number),
                ..PostOptions::default()
            };
            fixture.simulator.post_with(&options).id
        })
        .collect();
    let mut seen = Vec::new();
    let mut cursor = first.id;
    loop {
        let list = posts(&fixture, &format!("after={cursor}&per_page=200"));
        let page = ids(&list);
        cursor.clone_from(&page[0]);
        seen.extend(page.into_iter().rev());
        if list["next_post_id"] == "" {
            break;
        }
    }
    assert_eq!(seen, all);
}

/// Fact 11: a thread's root comes along in `posts` only.
#[test]
fn a_root_is_not_in_order() {
    let fixture = Fixture::new();
    let admin = fixture.simulator.admin().user_id;
    let first = fixture.simulator.post(&admin, &fixture.channel, "root");
    let between = fixture.simulator.post_with(&PostOptions {
        user_id: admin.clone(),
        channel_id: fixture.channel.clone(),
        create_at: Some(first.create_at + 1),
        ..PostOptions::default()
    });
    let reply = fixture.simulator.post_with(&PostOptions {
        user_id: admin,
        channel_id: fixture.channel.clone(),
        root_id: Some(first.id.clone()),
        create_at: Some(first.create_at + 2),
        ..PostOptions::default()
    });
    let list = posts(&fixture, &format!("after={}", between.id));
    assert_eq!(ids(&list), [reply.id]);
    assert_eq!(list["posts"][&first.id]["reply_count"], 1);
}

/// Facts 12, 24 and 26.
#[test]
fn channel_lists_can_lag_and_exist_by_version() {
    let fixture =
        Fixture::with_simulator(Simulator::builder().list_all_channels(true).start().expect("a simulator"));
    let last_post_at = || last_post_at(&fixture);
    let admin = fixture.simulator.admin().user_id;
    let before = last_post_at();
    fixture.simulator.freeze_channel_lists();
    let post = fixture.simulator.post_with(&PostOptions {
        user_id: admin,
        channel_id: fixture.channel.clone(),
        create_at: Some(before + 1_000),
        ..PostOptions::default()
    });
    assert_eq!(last_post_at(), before);
    fixture.simulator.unfreeze_channel_lists();
    assert_eq!(last_post_at(), post.create_at);

    fixture.simulator.archive_channel(&fixture.channel);
    let known_differences = |query: &str| {
        let list = fixture.get(&format!("/api/v4/users/me/channels{query}"), &fixture.bot).body;
        list.contains(&fixture.channel)
    };
    assert!(!known_differences("") && known_differences("?include_deleted=true"));
    let apart = fixture.simulator.create_bot("apart");
    let none = fixture.get("/api/v4/users/me/channels", &apart);
    assert_eq!(
        (none.status, none.json()["id"].as_str().map(|id| id.contains("not_found"))),
        (404, Some(true))
    );
}

/// Fact 23: nobody sees a post before it is committed.
#[test]
fn a_post_is_invisible_until_it_is_committed() {
    let fixture = Fixture::new();
    let mut socket = fixture.socket(&fixture.bot);
    let admin = fixture.simulator.admin().user_id;
    let options = |text: &str, after: Option<Duration>| PostOptions {
        user_id: admin.clone(),
        channel_id: fixture.channel.clone(),
        message: text.to_owned(),
        visible_after: after,
        ..PostOptions::default()
    };
    let late = fixture.simulator.post_with(&options("late", Some(Duration::from_millis(40))));
    let path = format!("/api/v4/posts/{}", late.id);
    assert_eq!(fixture.get(&path, &fixture.bot).status, 404);
    fixture.simulator.post_with(&options("young", None));
    assert_eq!([message(&socket.json()), message(&socket.json())], ["young", "late"]);
    assert_eq!(fixture.get(&path, &fixture.bot).status, 200);
}

/// Fact 19.
#[test]
fn a_pending_post_id_makes_one_post() {
    let fixture = Fixture::new();
    let body = json!({"channel_id": fixture.channel, "message": "x", "pending_post_id": "key"});
    let post = || {
        let token = Some(fixture.bot.token.as_str());
        rest(fixture.simulator.address(), "POST", "/api/v4/posts", token, Some(&body)).json()
    };
    let made = fixture.simulator.counters().posts_created;
    assert_eq!(post()["id"], post()["id"]);
    assert!(fixture.simulator.wait_for(|c| c.posts_created == made + 1, TIMEOUT));
}

/// Fact 24: an edit and a pin move `last_post_at` past the newest post, a deletion does not move it back.
#[test]
fn last_post_at_is_not_the_newest_posts_time() {
    let fixture =
        Fixture::with_simulator(Simulator::builder().list_all_channels(true).start().expect("a simulator"));
    let last_post_at = || last_post_at(&fixture);
    let admin = fixture.simulator.admin().user_id;
    let post = fixture.simulator.post(&admin, &fixture.channel, "one");
    assert_eq!(last_post_at(), post.create_at);
    let edited = fixture.simulator.edit_post(&post.id, "two");
    let after_edit = last_post_at();
    assert!(after_edit > post.create_at && after_edit == edited.edit_at);
    fixture.simulator.pin_post(&post.id);
    let after_pin = last_post_at();
    assert!(after_pin > after_edit);
    fixture.simulator.delete_post(&post.id);
    assert_eq!(last_post_at(), after_pin);
    let since = posts(&fixture, &format!("since={}", post.create_at));
    let history = |id: &String| since["posts"][id]["original_id"] == post.id.as_str();
    assert_eq!(ids(&since).iter().filter(|id| history(id)).count(), 2);
}

/// A host that was killed in the middle of a request posts again, and the server knows the post by its `pending_post_id`.
#[test]
fn a_post_whose_client_goes_away_is_committed() {
    let fixture = Fixture::new();
    let mut socket = fixture.socket(&fixture.peer);
    fixture.simulator.randomize_commit_delay(Duration::from_millis(300));
    for sent in 1..=10 {
        let body = json!({ "channel_id": fixture.channel, "message": "hello" }).to_string();
        let head = format!("POST /api/v4/posts HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n", body.len());
        let token = format!("Authorization: Bearer {}\r\n\r\n", fixture.bot.token);
        let mut stream = TcpStream::connect(fixture.simulator.address()).expect("a connection");
        stream.write_all((head + &token + &body).as_bytes()).expect("a request");
        let is_read = |seen: &Counters| seen.requests_to("POST /posts") == sent;
        assert!(fixture.simulator.wait_for(is_read, TIMEOUT));
    }
    for _ in 0..10 {
        assert_eq!(message(&socket.json()), "hello");
    }
}
