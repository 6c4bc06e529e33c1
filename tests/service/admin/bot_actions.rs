//! Actions of an account by the API and by `matterhost post`: posts, changes of posts, look-ups.

use serde_json::{Value, json};

use super::host::{AdminHost, TOKEN};
use crate::program::{output, text};

const ACTIONS: &str = "/v1/accounts/helpdesk/actions";

fn post(target: &str, text: &str) -> Value {
    json!({ "action": "post", "target": target, "text": text })
}

/// Returns the id of the only post that an action created.
fn act(host: &AdminHost, action: &Value) -> String {
    let answer = host.send("POST", ACTIONS, action);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["ids"]
        .as_array()
        .unwrap()
        .first()
        .map_or_else(String::new, |id| id.as_str().unwrap().to_owned())
}

#[test]
fn a_post_is_created_once_for_its_key() {
    let host = AdminHost::ready("");
    let channel = host.fixture.channel.clone();
    let id = act(&host, &post(&channel, "from an operator"));
    let created = host.fixture.simulator.posts_in(&channel);
    let created = created.iter().find(|post| post.id == id).unwrap();
    assert_eq!((created.message.as_str(), &created.user_id), ("from an operator", &host.fixture.bot.user_id));
    let mut keyed = post(&channel, "once");
    (keyed["key"], keyed["thread"], keyed["props"]) = ("deploy-1".into(), id.into(), json!({ "a": 1 }));
    let ids: Vec<_> = (0..3).map(|_| act(&host, &keyed)).collect();
    assert!(!ids[0].is_empty() && ids.iter().all(|other| *other == ids[0]), "{ids:?}");
    let body = post(&channel, "by header").to_string();
    let headers = [("content-type", "application/json"), ("idempotency-key", "deploy-2")];
    let ids =
        [(); 2].map(|()| host.request("POST", ACTIONS, &headers, body.as_bytes()).json()["ids"].clone());
    assert_eq!(ids[0], ids[1]);
    assert_eq!(host.fixture.bot_posts(), ["from an operator", "once", "by header"]);
}

#[test]
fn targets_are_found_by_name() {
    let host = AdminHost::ready("");
    let simulator = &host.fixture.simulator;
    act(&host, &post("crew/lobby", "by name"));
    assert_eq!(host.fixture.bot_posts(), ["by name"]);
    act(&host, &post("@ann", "directly"));
    let direct = simulator.direct_channel(&host.fixture.bot.user_id, &host.fixture.person.user_id);
    assert_eq!(simulator.posts_in(&direct).last().unwrap().message, "directly");
    let detail = host.send("POST", ACTIONS, &post("crew/nowhere", "x")).problem(404);
    assert_eq!(
        detail,
        "channel crew/nowhere was not found on the server, or account helpdesk may not see it"
    );
    host.send("POST", ACTIONS, &post("@nobody", "x")).problem(404);
}

#[test]
fn a_post_is_changed_and_deleted() {
    let host = AdminHost::ready("");
    let id = act(&host, &post("crew/lobby", "first"));
    let results = host.send(
        "POST",
        ACTIONS,
        &json!([
            { "action": "update", "post": id, "text": "second" },
            { "action": "react", "post": id, "emoji": "thumbsup" },
            { "action": "typing", "target": "crew/lobby" },
        ]),
    );
    assert_eq!(
        results.json(),
        json!([{ "status": 200, "ids": [id] }, { "status": 200, "ids": [] }, { "status": 200, "ids": [] }])
    );
    assert_eq!(host.fixture.bot_posts(), ["second"]);
    act(&host, &json!({ "action": "unreact", "post": id, "emoji": "thumbsup" }));
    act(&host, &json!({ "action": "delete", "post": id }));
    act(&host, &json!({ "action": "delete", "post": id }));
    assert_eq!(host.fixture.bot_posts(), [""; 0]);
}

#[test]
fn actions_after_one_that_fails_are_not_taken() {
    let host = AdminHost::ready("");
    let key = [("content-type", "application/json"), ("idempotency-key", "k")];
    let body =
        json!([post("crew/lobby", "a"), post("crew/nowhere", "b"), post("crew/lobby", "c")]).to_string();
    let results = host.request("POST", ACTIONS, &key, body.as_bytes()).json();
    let statuses: Vec<_> =
        results.as_array().unwrap().iter().map(|result| result["status"].clone()).collect();
    assert_eq!(statuses, [200, 404, 424]);
    host.request("POST", ACTIONS, &key, body.as_bytes());
    assert_eq!(host.fixture.bot_posts(), ["a"]);
}

#[test]
fn an_action_that_cannot_be_taken_is_an_error() {
    let host = AdminHost::ready("");
    let with = |key: &str, value: Value| {
        let mut body = post(&host.fixture.channel, "m");
        body[key] = value;
        body
    };
    for (body, status, expected) in [
        (json!({}), 400, "missing field `action`"),
        (json!(vec![post("a/b", "x"); 65]), 400, "65 actions; send at most 64"),
        (json!([post("a/b", "x"), {}]), 400, "[1]: missing field"),
        (json!([with("key", " ".into())]), 400, "[0]: key: a key has 1 to 256 bytes"),
        (with("target", 5.into()), 400, "expected a string"),
        (with("tarqet", 5.into()), 400, "tarqet"),
        (with("target", "".into()), 400, "team/channel"),
        (with("target", "../../users/me".into()), 400, "is not a target"),
        (with("key", "ü".into()), 400, "ASCII"),
        (with("text", "".into()), 422, "nothing to post"),
        (with("text", "x".repeat(250_000).into()), 422, "the limit is"),
        (with("target", "n".repeat(26).into()), 409, "the server refused"),
    ] {
        let detail = host.send("POST", ACTIONS, &body).problem(status);
        assert!(detail.contains(expected), "{expected}: {detail}");
    }
    host.send("POST", "/v1/accounts/nobody/actions", &post("a/b", "x")).problem(404);
    let detail = host.request("POST", ACTIONS, &[("content-type", "text/plain")], b"{}").problem(415);
    assert!(detail.contains("application/json"), "{detail}");
    host.request("POST", ACTIONS, &[("content-type", "application/json")], b"").problem(400);
    assert_eq!(host.fixture.bot_posts(), [""; 0]);
}

#[test]
fn look_ups_return_the_servers_json() {
    let host = AdminHost::ready("");
    let get =
        |kind: &str, target: &str| host.get(&format!("/v1/accounts/helpdesk/lookups/{kind}?target={target}"));
    assert_eq!(get("channel", "crew/lobby").json()["id"], host.fixture.channel);
    assert_eq!(get("user", "@ann").json()["id"], host.fixture.person.user_id);
    let id = act(&host, &post("crew/lobby", "root"));
    assert_eq!(get("thread", &id).json()["posts"][&id]["message"], "root");
    let posts = get("posts", "crew/lobby&count=1").json();
    assert_eq!(posts["order"], json!([id]));
    get("thread", "@ann").problem(400);
    get("posts", "crew/lobby&count=0").problem(400);
    get("user", "ann").problem(400);
    get("channel", "crew/nowhere").problem(404);
    get("everything", "x").problem(404);
}

#[test]
fn the_command_posts_a_text_or_standard_input() {
    let host = AdminHost::ready(&format!("token = \"{TOKEN}\"\n"));
    let admin = format!("--admin=http://{}", host.address);
    let token = host.dir.write("token", TOKEN);
    let token = format!("--token-file={}", token.display());
    let run = |arguments: &[&str]| output(&[&["post", "helpdesk"], arguments, &[&admin, &token]].concat());
    let posted = run(&["crew/lobby", "by cron", "--key", "k"]);
    assert!(posted.status.success(), "{}", text(&posted.stderr));
    assert_eq!(text(&posted.stdout).trim().len(), 26);
    assert_eq!(run(&["crew/lobby", "by cron", "--key", "k"]).stdout, posted.stdout);
    let empty = run(&["crew/lobby"]);
    assert_eq!((empty.status.code(), &*empty.stdout), (Some(1), &b""[..]));
    assert!(text(&empty.stderr).contains("nothing to post"), "{}", text(&empty.stderr));
    assert_eq!(host.fixture.bot_posts(), ["by cron"]);
}
