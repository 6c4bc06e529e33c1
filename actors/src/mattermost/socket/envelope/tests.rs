use std::{fs, path::Path};

use proptest::prelude::*;

use super::*;
use crate::model::UserId;

/// Returns all recorded text frames of a real server, each with its file.
fn recorded() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/wire");
    let mut frames = Vec::new();
    let folders = [folder.join("11.1"), folder];
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    for file in files.map(|entry| entry.unwrap().path()) {
        let text = fs::read_to_string(&file).unwrap_or_default();
        for line in text.lines().filter(|_| file.extension().is_some_and(|e| e == "jsonl")) {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            if let Some(frame) = line["recv"].as_str() {
                frames.push((file.display().to_string(), frame.to_owned()));
            }
        }
    }
    frames
}

fn event(text: &str) -> EventEnvelope<'_> {
    match parse_frame(text) {
        Ok(Incoming::Event(event)) => event,
        other => panic!("{text}: {other:?}"),
    }
}

fn reply(text: &str) -> SocketReply<'_> {
    match parse_frame(text) {
        Ok(Incoming::Reply(reply)) => reply,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn an_error_shows_kind_and_place_and_nothing_of_the_frame() {
    let secret = "A".repeat(1_000);
    for (text, expected) in [
        (format!(r#"{{"event":"x","seq":"{secret}"}}"#), "its `seq` has an unexpected type or value"),
        (
            format!(r#"{{"status":"OK","seq_reply":"{secret}"}}"#),
            "its `seq_reply` has an unexpected type or value",
        ),
        (r#"{"event":"x","seq":-1}"#.into(), "its `seq` has an unexpected type or value"),
        (r#"{"event":"x","seq":1.0}"#.into(), "its `seq` has an unexpected type or value"),
        (r#"{"event":"x","seq":18446744073709551616}"#.into(), "its `seq` has an unexpected type or value"),
        (format!(r#"{{"status":"FAIL","error":"{secret}"}}"#), "its `error` has an unexpected type or value"),
        (
            format!(r#"{{"status":"FAIL","error":{{"status_code":"{secret}"}}}}"#),
            "its `error.status_code` has an unexpected type or value",
        ),
        (
            format!(r#"{{"event":{{"{secret}":1}}}}"#),
            "a field has an unexpected type or value (line 1, column 9)",
        ),
        (format!(r#"["{secret}", null, null, 1]"#), "it is no JSON object"),
        (format!(r#" "{secret}""#), "it is no JSON object"),
        (format!(r#"["{secret}""#), "it is incomplete (line 1, column 1003)"),
        ("7".into(), "it is no JSON object"),
        (String::new(), "it is incomplete (line 1, column 0)"),
        (format!("\n{secret}"), "it is no JSON (line 2, column 1)"),
        (format!(r#"{{"event":"{secret}"#), "it is incomplete (line 1, column 1010)"),
        (
            format!(r#"{{"event":"{secret}","seq":1}}"#),
            "the event's name is longer than 256 bytes or holds control characters",
        ),
        (
            r#"{"event":"x\u001b[2J","seq":1}"#.into(),
            "the event's name is longer than 256 bytes or holds control characters",
        ),
    ] {
        let error = parse_frame(&text).unwrap_err().to_string();
        assert!(error.ends_with(expected) && !error.contains("AAA"), "{error}");
    }
}

#[test]
fn a_time_that_is_none_is_an_error_without_its_text() {
    let ids = r#""id":"p","user_id":"u","channel_id":"c""#;
    let long = "1".repeat(30);
    for (time, expected) in [
        ("7", ""),
        (r#""AAAA""#, "a text in the place of a time"),
        ("1.5", "1.5 in the place of a time"),
        ("null", "null in the place of a time"),
        (&long, "a long number in the place of a time"),
    ] {
        let post = serde_json::to_string(&format!(r#"{{{ids},"create_at":{time}}}"#)).unwrap();
        let text = format!(r#"{{"event":"posted","seq":1,"data":{{"post":{post}}}}}"#);
        let head = event(&text).posted().unwrap().head().map(|head| head.create_at);
        let text = format!(
            r#"{{"event":"user_updated","seq":1,"data":{{"user":{{"id":"u","update_at":{time}}}}}}}"#
        );
        let user = event(&text).user_updated().map(|user| user.update_at);
        for read in [head, user] {
            match read {
                Ok(time) => assert_eq!((time, expected), (7, "")),
                Err(error) => assert!(
                    error.to_string().starts_with(expected) && !expected.is_empty(),
                    "{time}: {error}"
                ),
            }
        }
    }
}

#[test]
fn a_text_in_the_place_of_an_object_is_an_error_without_its_text() {
    let secret = r#""AAAA""#;
    let of = |name: &str, data: &str| format!(r#"{{"event":"{name}","seq":1,"data":{data}}}"#);
    let check = |error: serde_json::Error| {
        let error = error.to_string();
        assert!(error.starts_with("it is no object") && !error.contains("AAA"), "{error}");
    };
    check(event(&of("posted", secret)).posted().unwrap_err());
    check(event(&of("posted", r#"{"post":"\"AAAA\""}"#)).posted().unwrap().head().unwrap_err());
    check(event(&of("status_change", secret)).status_change().unwrap_err());
    check(event(&of("added_to_team", secret)).added_to_team().unwrap_err());
    for data in [secret, r#"{"user":"AAAA"}"#] {
        check(event(&of("user_updated", data)).user_updated().unwrap_err());
    }
    assert!(event(&of("hello", secret)).hello().is_err());
}

#[test]
fn a_hello_with_an_odd_connection_id_is_refused() {
    for (id, is_good) in
        [("ho3p8ukjdbfbuqi5s7kg1ozaxh", true), ("", true), ("a\\u001b[2J", false), (&*"a".repeat(65), false)]
    {
        let text = format!(r#"{{"event":"hello","seq":0,"data":{{"connection_id":"{id}"}}}}"#);
        assert_eq!(event(&text).hello().is_ok(), is_good, "{id}");
    }
}

#[test]
fn every_recorded_frame_is_understood_and_passed_on_byte_for_byte() {
    let frames = recorded();
    assert!(frames.len() > 400, "only {} frames", frames.len());
    for (file, text) in &frames {
        let whole: serde_json::Value = serde_json::from_str(text).unwrap();
        match parse_frame(text).unwrap_or_else(|error| panic!("{file}: {error}: {text}")) {
            Incoming::Event(event) => {
                assert_eq!(whole["event"], *event.event, "{file}");
                assert_eq!(whole["seq"], event.seq, "{file}");
                let has = |key: &str, value: &str| {
                    ["", " "].iter().any(|space| text.contains(&format!("\"{key}\":{space}{value}")))
                };
                assert!(has("data", event.data.get()), "{file}");
                assert!(has("broadcast", event.broadcast.get()), "{file}");
                assert!(matches!(event.event, Cow::Borrowed(_)), "{file}");
            }
            Incoming::Reply(reply) => {
                assert_eq!(whole["status"], *reply.status, "{file}");
                assert_eq!(whole["seq_reply"].as_u64(), reply.seq_reply, "{file}");
                assert_eq!(reply.ok, reply.error.is_none(), "{file}");
            }
        }
    }
}

#[test]
fn every_recorded_hello_post_and_user_is_understood() {
    let mut seen = [0; 3];
    for (file, text) in &recorded() {
        let Ok(Incoming::Event(event)) = parse_frame(text) else {
            continue;
        };
        match &*event.event {
            "hello" => {
                let hello = event.hello().unwrap();
                let is_known =
                    ["5.37.", "11.1."].iter().any(|number| hello.server_version.starts_with(number));
                assert!(hello.connection_id.is_some() && is_known, "{file}");
                seen[0] += 1;
            }
            "posted" | "post_edited" | "post_deleted" => {
                let posted = event.posted().unwrap();
                let head = posted.head().unwrap_or_else(|error| panic!("{file}: {error}"));
                assert!(head.create_at > 0 && head.id.len() == 26 && head.channel_id.len() == 26);
                seen[1] += 1;
            }
            "user_updated" => {
                let user = event.user_updated().unwrap();
                assert!(user.update_at > 0 && user.id.as_str().len() == 26);
                seen[2] += 1;
            }
            _ => {}
        }
    }
    assert!(seen.iter().all(|count| *count >= 3), "{seen:?}");
}

#[test]
fn a_ping_reply_distinguishes_a_deaf_socket_from_a_healthy_one() {
    let deaf = "{\"status\":\"FAIL\",\"seq_reply\":5,\"error\":{\"id\":\
        \"api.web_socket_router.not_authenticated.app_error\",\"message\":\"m\",\"status_code\":401}}\n";
    let deaf = reply(deaf);
    assert!(!deaf.ok && deaf.seq_reply == Some(5));
    assert_eq!(deaf.error.unwrap().status_code, 401);
    let healthy = reply("{\"status\":\"OK\",\"data\":{\"text\":\"pong\"},\"seq_reply\":1}\n");
    assert!(healthy.ok && healthy.error.is_none());
    assert_eq!(healthy.data.unwrap().get(), "{\"text\":\"pong\"}");
    let unnumbered = reply("{\"status\":\"FAIL\",\"error\":{\"id\":\"bad_seq\",\"status_code\":400}}");
    assert!(!unnumbered.ok && unnumbered.seq_reply.is_none());
}

#[test]
fn additions_of_newer_servers_are_understood() {
    let hello = r#"{"event":"hello","data":{"server_version":"10.5","server_hostname":"app-1",
        "new":[1]},"broadcast":{"connection_id":"","omit_connection_id":""},"seq":0,"new":{"a":null}}"#;
    let hello = event(hello).hello().unwrap();
    assert_eq!((hello.connection_id, hello.server_hostname), (None, Some("app-1".into())));
    let user = r#"{"event":"user_updated","data":{"user":{"id":"u","update_at":9,"x":1},"y":2},"seq":3}"#;
    assert_eq!(
        event(user).user_updated().unwrap(),
        crate::mattermost::UserUpdated { id: UserId::from("u"), update_at: 9, delete_at: 0 }
    );
    let bare = event(r#"{"seq":4,"event":"caf\u00e9","data":null}"#);
    assert_eq!((&*bare.event, bare.data.get(), bare.broadcast.get()), ("café", "null", "null"));
}

#[test]
fn an_invalid_envelope_is_an_error_without_its_content() {
    let cases = [
        "",
        "null",
        "[]",
        "7",
        "secret",
        "{}",
        r#"{"event":"secret"}"#,
        r#"{"seq":1}"#,
        r#"{"event":"secret","seq":-1}"#,
        r#"{"event":7,"seq":1}"#,
        r#"{"event":"e","seq":1} secret"#,
        r#"{"event":"e","seq":1,"data":{"secret"#,
    ];
    for text in cases {
        let error = parse_frame(text).unwrap_err().to_string();
        assert!(!error.contains("secret"), "{text}: {error}");
    }
}

proptest! {
    #[test]
    fn data_and_order_of_fields_do_not_matter(
        name in "[a-z_]{1,20}", seq: u64, shift in 0usize..4,
        data in r#"(\[[0-9]{1,3}, ?null\]|\{"a" : "\\PC{0,9}"\}| ?-?[1-9]e3|"\\u00e9")"#,
    ) {
        prop_assume!(serde_json::from_str::<serde_json::Value>(&data).is_ok());
        let mut fields = [
            format!(r#""event":"{name}""#), format!(r#""seq":{seq}"#),
            format!(r#""data":{data}"#), r#""unknown":{"event":"other","seq":1}"#.to_owned(),
        ];
        fields.rotate_left(shift);
        let text = format!("{{{}}}\n", fields.join(","));
        let event = event(&text);
        prop_assert_eq!((&*event.event, event.seq, event.data.get()), (&*name, seq, data.trim()));
    }

    #[test]
    fn any_text_is_an_envelope_or_an_error(text in "\\PC*") {
        let _ = parse_frame(&text);
    }
}
