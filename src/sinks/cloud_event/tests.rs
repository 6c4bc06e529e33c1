use std::{fs, time::Duration};

use matterhost_actors::model::{
    AccountName, AccountUser, Change, ChannelId, ChannelInfo, EventBody, Generation, PostKey, PostOutline,
    ServerName,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn event(name: &str, data: &str) -> Event {
    Event {
        account: AccountName::new("helpdesk").unwrap(),
        server: ServerName::new("main").unwrap(),
        user: AccountUser::default(),
        channel: None,
        sender: None,
        generation: Generation(3),
        connection_id: "conn".into(),
        received_at: UNIX_EPOCH + Duration::from_millis(1_700_000_000_123),
        recovered: false,
        last_recovered: false,
        own: false,
        body: EventBody {
            event: name.into(),
            channel_id: ChannelId::from("chan"),
            change: None,
            post: None,
            seq: 7,
            data: data.into(),
            broadcast: "null".into(),
        },
    }
}

fn read(event: &Event) -> Value {
    let line = encode_line(event);
    assert_eq!(line.find('\n'), Some(line.len() - 1), "one line: {line:?}");
    serde_json::from_str(&line).unwrap()
}

fn data_with(post: &str) -> String {
    json!({ "post": post, "x": 1 }).to_string()
}

/// Returns the recorded events: the name and the whole frame.
fn recorded() -> Vec<(String, Value)> {
    let mut frames = Vec::new();
    let folders = ["tests/fixtures/wire", "tests/fixtures/wire/11.1"];
    let entries = folders.into_iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    for file in entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
        for line in fs::read_to_string(file).unwrap().lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let Some(text) = line["recv"].as_str() else { continue };
            let frame: Value = serde_json::from_str(text).unwrap();
            if let Some(name) = frame["event"].as_str() {
                frames.push((name.to_owned(), frame.clone()));
            }
        }
    }
    assert!(frames.len() > 200, "{} frames", frames.len());
    frames
}

/// An event with a change.
fn change(name: &str, data: &str, change: Change) -> Event {
    let event = event(name, data);
    Event { body: EventBody { change: Some(change), ..event.body }, ..event }
}

fn posted(data: &str) -> Event {
    change("posted", data, Change::Posted(PostKey { create_at: 0, id: "p1".into() }))
}

#[test]
fn a_post_is_a_line_of_all_attributes() {
    let post = r#"{"id":"p1","create_at":1700000000000,"message":"hi\nthere"}"#;
    let event = posted(&data_with(post));
    let expected = concat!(
        r#"{"specversion":"1.0","id":"p1","source":"/matterhost/main/helpdesk","type":"com.mattermost.posted","#,
        r#""time":"2023-11-14T22:13:20.000Z","subject":"chan","datacontenttype":"application/json","#,
        r#""account":"helpdesk","recovered":false,"own":false,"data":{"post":{"id":"p1","create_at":1700000000000,"#,
        r#""message":"hi\nthere"},"x":1}}"#,
        "\n"
    );
    assert_eq!(encode_line(&event), expected);
}

#[test]
fn a_post_that_was_read_before_makes_the_same_line() {
    let post = r#"{"id":"p1","create_at":1700000000000,"user_id":"u","root_id":"r","message":"hi\nthere"}"#;
    let unread = posted(&data_with(post));
    let outline = PostOutline {
        id: "p1".into(),
        author: "u".into(),
        root_id: "r".into(),
        kind: Box::default(),
        message: "hi\nthere".into(),
        create_at: 1_700_000_000_000,
        update_at: 0,
        edit_at: 0,
        delete_at: 0,
    };
    let Event { body, .. } = posted(&data_with(post));
    let read = Event { body: EventBody { post: Some(outline.into()), ..body }, ..unread.clone() };
    let (read, unread) = (encode(&read), encode(&unread));
    assert_eq!((read.line, read.post), (unread.line, unread.post));
}

#[test]
fn an_event_says_whose_it_is_where_it_is_and_who_acted() {
    let channel = ChannelInfo {
        kind: "P".into(),
        name: "ops".into(),
        team_id: "t".into(),
        team_name: "crew".into(),
        ..ChannelInfo::default()
    };
    for recovered in [false, true] {
        let event = Event {
            user: AccountUser { id: "u".into(), name: "helper".into(), ..AccountUser::default() },
            channel: Some(channel.clone().into()),
            sender: Some("ann".into()),
            recovered,
            ..posted(&data_with(r#"{"id":"p1"}"#))
        };
        let read = read(&event);
        for (member, value) in [
            ("botid", "u"),
            ("botname", "helper"),
            ("sendername", "ann"),
            ("channeltype", "private"),
            ("channelname", "ops"),
            ("teamid", "t"),
            ("teamname", "crew"),
        ] {
            assert_eq!(read[member], value, "{member}");
        }
    }
}

#[test]
fn ids_are_stable_and_tell_things_apart() {
    let post = |edit: i64, update: i64| {
        data_with(&format!(
            r#"{{"id":"p1","create_at":5,"update_at":{update},"edit_at":{edit},"delete_at":0}}"#
        ))
    };
    let edited = || Change::Edited { id: "p1".into(), edit_at: 9_000 };
    for (event, id) in [
        (posted(&post(0, 5)), "p1"),
        (change("post_edited", &post(9_000, 9_003), edited()), "p1/edited/9000"),
        (change("post_deleted", &post(0, 9_000), Change::Deleted { id: "p1".into() }), "p1/deleted"),
    ] {
        assert_eq!(read(&event)["id"], id);
        assert_eq!(read(&Event { recovered: true, ..event })["id"], id, "a fetched event has the same id");
    }
    let cases = [
        // Pinned, and unpinned later.
        ("post_edited", post(9_000, 20_000), "p1/updated/20000"),
        ("post_edited", post(0, 30_000), "p1/updated/30000"),
        ("typing", "{}".into(), "conn/7"),
        ("posted", data_with("broken"), "conn/7"),
        ("posted", "null".into(), "conn/7"),
    ];
    for (name, data, id) in cases {
        assert_eq!(read(&event(name, &data))["id"], id, "{name} {data}");
    }
    let nameless = Event { connection_id: "".into(), ..event("typing", "{}") };
    assert_eq!(read(&nameless)["id"], "3/1700000000123/7");
}

#[test]
fn the_time_is_the_posts_where_it_can_be() {
    let received_at = "2023-11-14T22:13:20.123Z";
    for (name, create_at, time) in [
        ("posted", "1", "1970-01-01T00:00:00.001Z"),
        ("posted", "253402300799999", "9999-12-31T23:59:59.999Z"),
        ("posted", "253402300800000", received_at),
        ("posted", "0", received_at),
        ("posted", "-1", received_at),
        ("post_edited", "1", received_at),
    ] {
        let post = format!(r#"{{"id":"p1","create_at":{create_at}}}"#);
        assert_eq!(read(&event(name, &data_with(&post)))["time"], time, "{name} {create_at}");
    }
}

#[test]
fn unparsable_fields_are_unchanged() {
    for inner in ["", "{", "7", "null", "\"text\"", "{\"a\":1}}", "\u{fffd}"] {
        let data = data_with(inner);
        assert_eq!(
            read(&event("posted", &data))["data"],
            serde_json::from_str::<Value>(&data).unwrap(),
            "{inner}"
        );
    }
    for data in ["null", "[]", "7", "\"text\"", "{\"post\":\"{}\",\"post\":\"{}\"}", "{\"post\":{\"id\":1}}"]
    {
        assert!(encode_line(&event("posted", data)).ends_with(&format!("\"data\":{data}}}\n")), "{data}");
    }
    assert_eq!(read(&event("posted", "no json"))["data"], "no json");
}

#[test]
fn line_ends_between_tokens_become_spaces() {
    let data = "{\r\n \"post\" : \"{\\n\\\"id\\\":\\\"p1\\\"}\",\n\"b\":1}";
    assert!(
        encode_line(&event("posted", data))
            .ends_with("\"data\":{   \"post\" : { \"id\":\"p1\"}, \"b\":1}}\n")
    );
}

#[test]
fn the_broadcast_comes_last_unless_there_is_one() {
    let mut event = event("x", "{}");
    event.body.broadcast = r#"{"team_id":"t"}"#.into();
    for (data, expected) in [
        ("{}", r#"{"broadcast":{"team_id":"t"}}"#),
        (r#"{"a":1}"#, r#"{"a":1,"broadcast":{"team_id":"t"}}"#),
        (r#"{"broadcast":1}"#, r#"{"broadcast":1}"#),
        ("null", "null"),
    ] {
        event.body.data = data.into();
        assert!(
            encode_line(&event).ends_with(&format!("\"data\":{expected}}}\n")),
            "{}",
            encode_line(&event)
        );
    }
}

#[test]
fn no_channel_no_subject_and_names_fit_a_uri() {
    let mut event = event("hello", "{}");
    event.body.channel_id = ChannelId::default();
    event.account = AccountName::new("büro").unwrap();
    let read = read(&event);
    assert_eq!(read.get("subject"), None);
    assert_eq!(read["source"], "/matterhost/main/b%C3%BCro");
    assert_eq!(read["account"], "büro");
}

#[test]
fn every_recorded_event_goes_through_whole() {
    for (name, frame) in recorded() {
        let mut event = event(&name, &frame["data"].to_string());
        event.body.broadcast = frame["broadcast"].to_string().into();
        let data = &read(&event)["data"];
        for (key, value) in frame["data"].as_object().unwrap() {
            let inner = value.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
            let opened = ["post", "mentions", "reaction", "channel"].contains(&key.as_str());
            let expected = if opened { inner.unwrap() } else { value.clone() };
            assert_eq!(data[key], expected, "{name} {key}");
        }
        assert_eq!(data["broadcast"], frame["broadcast"], "{name}");
        assert_eq!(data.as_object().unwrap().len(), frame["data"].as_object().unwrap().len() + 1);
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(json!("{\"id\":\"p\"}")),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let key = prop_oneof![Just("post".to_owned()), Just("channel".to_owned()), any::<String>()];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(key, inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_data_gives_one_line_that_parses(data in any_json(), name in any::<String>(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&data).unwrap() } else { data.to_string() };
        let read = read(&event(&name, &text));
        prop_assert_eq!(&read["type"], &Value::from(format!("com.mattermost.{name}")));
        if let Value::Object(members) = &data {
            for (key, value) in members.iter().filter(|(key, _)| !["post", "channel"].contains(&key.as_str())) {
                prop_assert_eq!(&read["data"][key], value);
            }
        } else {
            prop_assert_eq!(&read["data"], &data);
        }
    }

    #[test]
    fn any_text_gives_one_line_that_parses(data in any::<String>(), millis in any::<i64>()) {
        read(&event("x", &data));
        read(&event("posted", &data_with(&format!(r#"{{"id":"p","create_at":{millis}}}"#))));
    }
}
