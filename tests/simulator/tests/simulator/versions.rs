//! The two versions, where the recordings do not show it, and what both have.

use matterhost_simulator::{Account, ServerVersion, Simulator};
use serde_json::{Value, json};

use crate::client::{Response, Socket, rest};
use crate::fixture::{Fixture, message};

fn on(version: ServerVersion) -> Fixture {
    Fixture::with_simulator(Simulator::builder().version(version).start().expect("a simulator"))
}

fn ask(fixture: &Fixture, account: &Account, method: &str, path: &str, body: &Value) -> Response {
    let path = format!("/api/v4{path}");
    rest(fixture.simulator.address(), method, &path, Some(&account.token), Some(body))
}

/// Facts 3, 4 and 30: 5.37 says that the bot is offline, 11.1 says nothing; both are deaf.
#[test]
fn a_cycle_deafens_whether_announced_or_not() {
    for version in ServerVersion::ALL {
        let fixture = on(version);
        let mut bot = fixture.socket(&fixture.bot);
        fixture.simulator.cycle(&fixture.bot.user_id);
        fixture.post("unheard");
        let (events, reply) = bot.request(1, "ping");
        assert_eq!(reply["error"]["status_code"], 401, "{version:?}");
        let announced: Vec<_> = events.iter().map(|event| event["data"]["status"].as_str()).collect();
        let expected: &[_] = if version == ServerVersion::V5_37 { &[Some("offline")] } else { &[] };
        assert_eq!(announced, expected, "{version:?}");
    }
}

/// Fact 48: each change is announced on the own socket with the `update_at` that `/users/me` then shows.
#[test]
fn own_changes_are_announced() {
    for version in ServerVersion::ALL {
        let fixture = on(version);
        let mut bot = fixture.socket(&fixture.bot);
        let me =
            |fixture: &Fixture| fixture.get("/api/v4/users/me", &fixture.bot).json()["update_at"].clone();
        let own = &fixture.bot;
        for (method, path, body) in [
            ("PUT", "/users/me/status/custom", json!({ "emoji": "gear", "text": "thinking" })),
            ("PUT", "/users/me/patch", json!({ "first_name": "Bot" })),
            ("POST", "/users/me/image", json!("a picture")),
        ] {
            let before = me(&fixture);
            assert_eq!(ask(&fixture, own, method, path, &body).status, 200, "{path}");
            let mut event = bot.json();
            while event["event"] != "user_updated" {
                event = bot.json();
            }
            assert_eq!(event["data"]["user"]["update_at"], me(&fixture), "{version:?} {path}");
            assert_ne!(before, me(&fixture), "{version:?} {path}");
        }
        let before = me(&fixture);
        let team = fixture.simulator.create_team("another");
        fixture.simulator.add_to_team(&team, &own.user_id);
        for _ in 0..2 {
            assert_eq!(bot.json()["event"], "added_to_team", "{version:?}");
        }
        assert_ne!(before, me(&fixture));
        assert!(bot.is_quiet(), "no user_updated for a team");
    }
}

/// Fact 37: others get the form without private fields, of 11.1 on an event of its own.
#[test]
fn others_read_no_private_fields() {
    for version in ServerVersion::ALL {
        let fixture = on(version);
        let (mut bot, mut peer) = (fixture.socket(&fixture.bot), fixture.socket(&fixture.peer));
        fixture.simulator.set_custom_status(&fixture.bot.user_id, "thinking");
        let (own, others) = (bot.json(), peer.json());
        assert!(others["data"]["user"]["notify_props"].is_null());
        let is_current = version == ServerVersion::V11_1;
        assert_eq!(own["data"]["user"]["notify_props"].is_object(), is_current);
        assert_eq!(others["broadcast"]["contains_sanitized_data"] == true, is_current);
        assert!(peer.is_quiet());
    }
}

/// Fact 36: who is mentioned reads its own name alone.
#[test]
fn mentions_are_only_for_their_reader() {
    let fixture = on(ServerVersion::V11_1);
    let (mut bot, mut peer) = (fixture.socket(&fixture.bot), fixture.socket(&fixture.peer));
    fixture.post("@bot and @peer");
    for (socket, account) in [(&mut bot, &fixture.bot), (&mut peer, &fixture.peer)] {
        assert_eq!(socket.json()["data"]["mentions"], format!("[\"{}\"]", account.user_id));
    }
    fixture.post("@bot");
    assert!(bot.json()["data"]["mentions"].is_string() && peer.json()["data"]["mentions"].is_null());
}

/// Fact 36: after a reply those who follow hear the thread's news.
#[test]
fn followers_are_notified_of_a_thread() {
    let fixture = on(ServerVersion::V11_1);
    let mut bot = fixture.socket(&fixture.bot);
    let root = fixture.simulator.post(&fixture.bot.user_id, &fixture.channel, "root");
    let admin = fixture.simulator.admin().user_id;
    for (text, followers, unread) in [("one", false, 1), ("two", true, 2)] {
        while message(&bot.json()) != text {
            if text == "one" {
                fixture.simulator.reply(&admin, &root, "one");
            }
        }
        let news = bot.json();
        assert_eq!(news["event"], "thread_updated", "followers before: {followers}");
        let thread: Value =
            serde_json::from_str(news["data"]["thread"].as_str().expect("a thread")).expect("JSON");
        assert_eq!((&thread["id"], &thread["unread_replies"]), (&json!(root.id), &json!(unread)));
        if text == "one" {
            fixture.simulator.reply(&admin, &root, "two");
        }
    }
}

/// Fact 38.
#[test]
fn a_reply_needs_a_root() {
    let fixture = on(ServerVersion::V11_1);
    let root = fixture.simulator.post(&fixture.bot.user_id, &fixture.channel, "root");
    let reply = fixture.simulator.reply(&fixture.bot.user_id, &root, "reply");
    let under = |root: &str| {
        let body = json!({ "channel_id": fixture.channel, "message": "x", "root_id": root });
        ask(&fixture, &fixture.bot, "POST", "/posts", &body)
    };
    assert_eq!(under(&root.id).status, 201);
    fixture.simulator.delete_post(&root.id);
    for wrong in [&root.id, &reply.id, &"a".repeat(26)] {
        let refused = under(wrong);
        assert_eq!(refused.status, 400);
        assert_eq!(refused.json()["id"], "api.post.create_post.root_id.app_error");
    }
}

/// Fact 39: a bot needs a permission to whisper, and its roles say whether it has it.
#[test]
fn a_whisper_needs_a_permission() {
    for version in ServerVersion::ALL {
        let fixture = on(version);
        let post = json!({ "channel_id": fixture.channel, "message": "psst" });
        let body = json!({ "user_id": fixture.peer.user_id, "post": post });
        let whisper = || ask(&fixture, &fixture.bot, "POST", "/posts/ephemeral", &body);
        let permissions = || {
            let me = fixture.get("/api/v4/users/me", &fixture.bot).json();
            let roles: Vec<&str> = me["roles"].as_str().expect("roles").split(' ').collect();
            ask(&fixture, &fixture.bot, "POST", "/roles/names", &json!(roles)).body
        };
        let mut peer = fixture.socket(&fixture.peer);
        let refused = whisper();
        assert_eq!(refused.status, 403);
        assert_eq!(refused.json()["id"], "api.context.permissions.app_error");
        assert!(peer.is_quiet() && !permissions().contains("create_post_ephemeral"));
        fixture.simulator.grant_permission(&fixture.bot.user_id, "create_post_ephemeral");
        assert_eq!(whisper().status, 201);
        assert_eq!(message(&peer.json()), "psst");
        assert!(permissions().contains("create_post_ephemeral"));
    }
}

/// Fact 40: what a post may be long is announced, and kept to.
#[test]
fn the_announced_maximum_post_length_is_enforced() {
    for version in ServerVersion::ALL {
        let builder = Simulator::builder().version(version).max_post_size(4_000);
        let fixture = Fixture::with_simulator(builder.start().expect("a simulator"));
        let config = fixture.get("/api/v4/config/client?format=old", &fixture.bot).json();
        assert_eq!(config["MaxPostSize"], "4000");
        let post = |length| {
            let body = json!({ "channel_id": fixture.channel, "message": "é".repeat(length) });
            ask(&fixture, &fixture.bot, "POST", "/posts", &body).status
        };
        assert_eq!((post(4_000), post(4_001)), (201, 400));
        let body = json!({ "channel_id": fixture.channel, "message": "short" });
        let short = ask(&fixture, &fixture.bot, "POST", "/posts", &body).json();
        let path = format!("/posts/{}/patch", short["id"].as_str().expect("an id"));
        let edit = |length| {
            ask(&fixture, &fixture.bot, "PUT", &path, &json!({ "message": "é".repeat(length) })).status
        };
        assert_eq!((edit(4_000), edit(4_001)), (200, 400));
    }
}

/// A channel whose members may not post, react, edit or upload says so by its role, and refuses.
#[test]
fn a_restricted_channel_has_a_role_of_its_own() {
    for version in ServerVersion::ALL {
        let fixture = on(version);
        let (bot, channel) = (&fixture.bot, &fixture.channel);
        let post = || ask(&fixture, bot, "POST", "/posts", &json!({ "channel_id": channel, "message": "x" }));
        let made = post().json();
        let id = made["id"].as_str().expect("an id");
        let taken = ["create_post", "add_reaction", "edit_post", "upload_file"];
        fixture.simulator.restrict_channel(channel, &taken);
        let reaction = json!({ "user_id": bot.user_id, "post_id": id, "emoji_name": "wave" });
        let upload = format!("/files?channel_id={channel}&filename=a");
        for refused in [
            post(),
            ask(&fixture, bot, "POST", "/reactions", &reaction),
            ask(&fixture, bot, "PUT", &format!("/posts/{id}/patch"), &json!({ "message": "y" })),
            ask(&fixture, bot, "POST", &upload, &json!({})),
        ] {
            assert_eq!(
                (refused.status, &refused.json()["id"]),
                (403, &json!("api.context.permissions.app_error"))
            );
        }
        let teams = fixture.get("/api/v4/users/me/teams/members", bot).json();
        let team = teams[0]["team_id"].as_str().expect("a team");
        let members = fixture.get(&format!("/api/v4/users/me/teams/{team}/channels/members"), bot).json();
        let rows = members.as_array().expect("rows");
        let role = |row: &serde_json::Value| row["roles"].as_str().expect("roles").to_owned();
        let (restricted, others): (Vec<_>, Vec<_>) =
            rows.iter().partition(|row| row["channel_id"] == **channel);
        assert!(!others.is_empty() && others.iter().all(|row| role(row) == "channel_user"));
        let names = json!([role(restricted[0]), "channel_user", "unknown"]);
        let roles = ask(&fixture, bot, "POST", "/roles/names", &names).json();
        let may = |n: usize| {
            roles[n]["permissions"].as_array().expect("permissions").contains(&json!("create_post"))
        };
        assert_eq!((may(0), may(1), roles.as_array().map(Vec::len)), (false, true, Some(2)));
    }
}

/// Fact 39: a bot needs a permission to make a slash command.
#[test]
fn a_slash_command_needs_a_permission() {
    for version in ServerVersion::ALL {
        for permission in ["manage_slash_commands", "manage_own_slash_commands"] {
            let fixture = on(version);
            let make = || ask(&fixture, &fixture.bot, "POST", "/commands", &json!({ "trigger": "x" })).status;
            assert_eq!(make(), 403);
            fixture.simulator.grant_permission(&fixture.bot.user_id, permission);
            assert_eq!(make(), 201);
        }
    }
}

/// Fact 42.
#[test]
fn a_resume_past_the_end_says_hello_once_or_twice() {
    for (version, hellos) in [(ServerVersion::V5_37, 2), (ServerVersion::V11_1, 1)] {
        let fixture = on(version);
        let address = fixture.simulator.address();
        let mut bot = Socket::open(address, Some(&fixture.bot.token), "");
        let id = bot.json()["data"]["connection_id"].as_str().expect("an id").to_owned();
        bot.disconnect();
        let gone = |c: &matterhost_simulator::Counters| c.open_sockets(&fixture.bot.user_id) == 0;
        assert!(fixture.simulator.wait_for(gone, crate::client::TIMEOUT));
        let query = format!("?connection_id={id}&sequence_number=60");
        let mut ahead = Socket::open(address, Some(&fixture.bot.token), &query);
        let (events, _) = ahead.request(1, "ping");
        let found = events.iter().filter(|event| event["event"] == "hello").count();
        assert_eq!(found, hellos, "{version:?}");
    }
}
