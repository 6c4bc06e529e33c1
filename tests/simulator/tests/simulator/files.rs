//! Files, as far as they go.

use matterhost_simulator::Simulator;
use serde_json::{Value, json};

use crate::client::{Response, rest};
use crate::fixture::Fixture;

fn ask(fixture: &Fixture, path: &str, body: &Value) -> Response {
    rest(fixture.simulator.address(), "POST", path, Some(&fixture.bot.token), Some(body))
}

#[test]
fn a_file_is_taken_up_to_its_size_and_shown_on_its_post() {
    let fixture =
        Fixture::with_simulator(Simulator::builder().max_file_size(10).start().expect("a simulator"));
    let config = fixture.get("/api/v4/config/client?format=old", &fixture.bot).json();
    assert_eq!(config["MaxFileSize"], "10");
    let path = format!("/api/v4/files?channel_id={}&filename=a.txt", fixture.channel);
    assert_eq!(ask(&fixture, &path, &json!(1_234_567_890_123_u64)).status, 413);
    assert_eq!(ask(&fixture, "/api/v4/files?filename=a.txt", &json!(1)).status, 400);
    let taken = ask(&fixture, &path, &json!(12_345));
    let info = &taken.json()["file_infos"][0];
    assert_eq!((taken.status, &info["name"], &info["size"]), (201, &json!("a.txt"), &json!(5)));
    let post = json!({ "channel_id": fixture.channel, "message": "", "file_ids": [info["id"], "nobodys"] });
    assert_eq!(ask(&fixture, "/api/v4/posts", &post).json()["file_ids"], json!([info["id"]]));
}

#[test]
fn a_file_is_shown_to_those_who_see_its_channel() {
    let fixture = Fixture::new();
    let (simulator, channel) = (&fixture.simulator, &fixture.channel);
    let post = simulator.post_file(&fixture.bot.user_id, channel, "see", ("a.txt", b"hello file"));
    assert_eq!(post.metadata["files"][0]["name"], "a.txt");
    let path = format!("/api/v4/files/{}", post.file_ids[0]);
    let file = fixture.get(&path, &fixture.bot);
    assert_eq!((file.status, &*file.body), (200, "hello file"));
    assert_eq!(
        file.header("content-disposition"),
        Some("attachment;filename=\"a.txt\"; filename*=UTF-8''a.txt")
    );
    assert_eq!(fixture.get(&format!("{path}/info"), &fixture.bot).json()["size"], 10);
    let stranger = simulator.create_bot("stranger");
    assert_eq!(fixture.get(&path, &stranger).status, 403);
    assert_eq!(fixture.get(&format!("/api/v4/files/{}", "a".repeat(26)), &fixture.bot).status, 404);
    let empty = format!("/api/v4/files?channel_id={channel}&filename=a.txt");
    assert_eq!(rest(simulator.address(), "POST", &empty, Some(&fixture.bot.token), None).status, 400);
}

#[test]
fn a_reaction_counts_once() {
    let fixture = Fixture::new();
    let post = fixture.simulator.post(&fixture.bot.user_id, &fixture.channel, "hello");
    let reaction = json!({ "user_id": fixture.bot.user_id, "post_id": post.id, "emoji_name": "wave" });
    for _ in 0..2 {
        assert_eq!(ask(&fixture, "/api/v4/reactions", &reaction).status, 200);
    }
    let path = format!("/api/v4/posts/{}/reactions", post.id);
    assert_eq!(fixture.get(&path, &fixture.bot).json().as_array().map(Vec::len), Some(1));
}
