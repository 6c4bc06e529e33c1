//! Lists that are short, long or odd.

use matterhost_simulator::{Fault, FaultKind, Post, PostOptions, ServerVersion, Simulator};
use serde_json::Value;

use crate::fixture::Fixture;

const POSTS: &str = "GET /channels/{channel_id}/posts";

fn on(version: ServerVersion) -> Fixture {
    Fixture::with_simulator(Simulator::builder().version(version).start().expect("a simulator"))
}

/// Posts with times of their own, so that pages are of known rows.
fn posts(fixture: &Fixture, count: i64) -> Vec<Post> {
    let admin = fixture.simulator.admin().user_id;
    let first = fixture.simulator.post(&admin, &fixture.channel, "anchor");
    let base = first.create_at;
    let rest = (1..=count).map(|number| {
        fixture.simulator.post_with(&PostOptions {
            user_id: admin.clone(),
            channel_id: fixture.channel.clone(),
            message: number.to_string(),
            create_at: Some(base + number),
            ..PostOptions::default()
        })
    });
    std::iter::once(first).chain(rest.collect::<Vec<_>>()).collect()
}

/// A reply to a post that is later than all of them.
fn late_reply(fixture: &Fixture, root: &Post) -> Post {
    fixture.simulator.post_with(&PostOptions {
        user_id: root.user_id.clone(),
        channel_id: root.channel_id.clone(),
        message: "one more".to_owned(),
        root_id: Some(root.id.clone()),
        create_at: Some(root.create_at + 1_000),
        ..PostOptions::default()
    })
}

fn after(fixture: &Fixture, post: &str, query: &str) -> Value {
    let path = format!("/api/v4/channels/{}/posts?after={post}{query}", fixture.channel);
    fixture.get(&path, &fixture.bot).json()
}

fn order(list: &Value) -> Vec<&str> {
    list["order"].as_array().expect("an order").iter().filter_map(Value::as_str).collect()
}

/// Fact 34: a page is shorter than asked for, or empty, and there is more.
#[test]
fn pages_are_short_although_there_is_more() {
    for version in ServerVersion::ALL {
        let fixture = on(version);
        let made = posts(&fixture, 5);
        let strike = |rows| {
            fixture.simulator.inject(Fault::new(FaultKind::ShortPage(rows)).times(1));
        };
        strike(3);
        let short = after(&fixture, &made[0].id, "&per_page=200");
        assert_eq!(order(&short), [&made[3].id, &made[2].id, &made[1].id]);
        assert_eq!(short["next_post_id"], made[4].id.as_str());
        strike(0);
        let empty = after(&fixture, &made[3].id, "&per_page=200");
        assert_eq!((order(&empty).len(), empty["next_post_id"].as_str()), (0, Some(made[4].id.as_str())));
        let last = after(&fixture, &made[3].id, "&per_page=200");
        assert_eq!(order(&last), [&made[5].id, &made[4].id]);
        assert_eq!(last["next_post_id"], "");
        let before = format!("before={}", made[3].id);
        for (range, newest) in [("", &made[5]), (&*before, &made[2])] {
            strike(0);
            let path = format!("/api/v4/channels/{}/posts?{range}", fixture.channel);
            let empty = fixture.get(&path, &fixture.bot).json();
            assert_eq!((order(&empty).len(), empty["prev_post_id"].as_str()), (0, Some(newest.id.as_str())));
        }
    }
}

/// Fact 11: what follows a deleted post can be read, and what follows one that exists no more cannot.
#[test]
fn nothing_follows_a_post_that_exists_no_more() {
    for version in ServerVersion::ALL {
        let fixture = on(version);
        let made = posts(&fixture, 3);
        fixture.simulator.delete_post(&made[1].id);
        fixture.simulator.purge_post(&made[2].id);
        assert_eq!(order(&after(&fixture, &made[1].id, "")), [&made[3].id]);
        assert!(order(&after(&fixture, &made[2].id, "")).is_empty());
        let path = format!("/api/v4/posts/{}", made[2].id);
        assert_eq!(fixture.get(&path, &fixture.bot).status, 404);
    }
}

/// Fact 34: the plan hides old posts, after the page was made.
#[test]
fn a_plan_hides_old_posts() {
    let fixture = on(ServerVersion::V11_1);
    let made = posts(&fixture, 5);
    fixture.simulator.hide_posts_before(Some(made[3].create_at));
    let hidden = after(&fixture, &made[0].id, "&per_page=2");
    assert_eq!(order(&hidden).len(), 0);
    assert_eq!(hidden["first_inaccessible_post_time"], made[2].create_at);
    assert_eq!(hidden["next_post_id"], made[3].id.as_str());
    let partly = after(&fixture, &made[0].id, "&per_page=4");
    assert_eq!(order(&partly), [&made[4].id, &made[3].id]);
    let all = after(&fixture, &made[2].id, "&per_page=2");
    assert_eq!(all["first_inaccessible_post_time"], 0);
    fixture.simulator.hide_posts_before(None);
    assert_eq!(order(&after(&fixture, &made[0].id, "")).len(), 5);
}

/// Fact 35: one reply brings its whole thread along, unless it is asked not to.
#[test]
fn a_page_brings_long_threads_along() {
    for version in ServerVersion::ALL {
        let fixture = on(version);
        let made = posts(&fixture, 1);
        let mut socket = fixture.socket(&fixture.bot);
        fixture.simulator.fill_thread(&made[0], 20, 1_000);
        let reply = late_reply(&fixture, &made[0]);
        assert_eq!(crate::fixture::message(&socket.json()), "one more", "an import is not heard");
        for query in ["", "&per_page=1"] {
            let whole = after(&fixture, &made[1].id, query);
            assert_eq!(order(&whole), [reply.id.as_str()]);
            assert_eq!(whole["posts"].as_object().map(serde_json::Map::len), Some(22));
        }
        let bare = after(&fixture, &made[1].id, "&skipFetchThreads=true");
        assert_eq!(bare["posts"].as_object().map(serde_json::Map::len), Some(2), "the root alone");
    }
}

#[test]
fn a_page_grows_past_16_mib() {
    let fixture = Fixture::new();
    let made = posts(&fixture, 1);
    fixture.simulator.fill_thread(&made[0], 1_040, 16_383);
    late_reply(&fixture, &made[0]);
    let path = |query| format!("/api/v4/channels/{}/posts?after={}{query}", fixture.channel, made[1].id);
    assert!(fixture.get(&path(""), &fixture.bot).body.len() > 16 * 1024 * 1024);
    assert!(fixture.get(&path("&skipFetchThreads=true"), &fixture.bot).body.len() < 4_096);
}

#[test]
fn one_row_is_missing_or_odd() {
    let fixture = Fixture::new();
    let made = posts(&fixture, 3);
    let odd = &made[2].id;
    let single = || fixture.get(&format!("/api/v4/posts/{odd}"), &fixture.bot).json();

    let missing = fixture.simulator.inject(Fault::missing_row(odd));
    let list = after(&fixture, &made[0].id, "");
    assert_eq!((order(&list).len(), &list["posts"][odd]), (3, &Value::Null));
    assert_eq!(single()["id"], odd.as_str());
    fixture.simulator.clear_fault(missing);

    fixture.simulator.inject(Fault::null_create_at(odd).route(POSTS).times(1));
    let other = fixture.get("/api/v4/users/me", &fixture.bot).json();
    assert!(other["create_at"].is_i64(), "what lacks the row is left as it is, and does not count");
    let list = after(&fixture, &made[0].id, "");
    assert_eq!((order(&list).len(), &list["posts"][odd]["create_at"]), (3, &Value::Null));
    assert!(list["posts"][&made[1].id]["create_at"].is_i64());
    let again = after(&fixture, &made[0].id, "");
    assert!(again["posts"][odd]["create_at"].is_i64(), "it struck once");
}

#[test]
fn one_channel_has_an_odd_id() {
    let fixture = on(ServerVersion::V11_1);
    fixture.simulator.inject(Fault::odd_channel_id(&fixture.channel).times(1));
    let list = || fixture.get("/api/v4/users/me/channels", &fixture.bot).json();
    let ids = |list: &Value| -> Vec<String> {
        list.as_array()
            .expect("a list")
            .iter()
            .map(|row| row["id"].as_str().expect("a text").to_owned())
            .collect()
    };
    let odd = ids(&list());
    assert_eq!(odd.iter().filter(|id| *id == "not an id").count(), 1);
    assert!(!odd.contains(&fixture.channel) && odd.len() == 3);
    assert!(ids(&list()).contains(&fixture.channel));
}
