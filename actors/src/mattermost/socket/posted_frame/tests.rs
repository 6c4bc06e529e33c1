use proptest::{prelude::*, sample::select};

use super::*;
use crate::mattermost::{Incoming, parse_frame};

/// Parts of frames, some of which look like the last member and are not.
const PARTS: [&str; 12] = [
    ",\"seq\":",
    ", \"seq\": ",
    "0",
    "}",
    "{",
    "\"",
    "\\\"",
    "\"event\":\"posted\"",
    ",",
    "\"data\":",
    "\n",
    "x",
];

/// Parts that are put into the frame of a post.
const CHANGES: [&str; 12] =
    ["", "", " ", "}", "{", "\"", ",\"seq\":5", ",\"data\":{}", "\\\"", ",\"broadcast\":{}", "null", "é"];

const POST: &str =
    r#"{\"id\":\"p\",\"create_at\":7,\"update_at\":8,\"user_id\":\"ana\",\"channel_id\":\"c\"}"#;

#[test]
fn the_number_is_the_last_member() {
    let (compact, spaced) = (r#"{"event":"posted""#, r#"{"event": "posted""#);
    for (frame, members, seq) in [
        ("{\"event\":\"posted\",\"seq\":17}\n", compact, 17),
        ("{\"event\":\"posted\",\"seq\":0}", compact, 0),
        ("{\"event\": \"posted\", \"seq\": 17}", spaced, 17),
    ] {
        assert_eq!(split_number(frame), Some((members, seq)));
    }
    for other in [
        "{\"seq\":1,\"event\":\"posted\"}",
        "{\"event\":\"posted\",\"seq\":017}",
        "{\"event\":\"posted\",\"seq\":-1}",
        "{\"event\":\"posted\",\"seq\":99999999999999999999}",
        "{\"event\":\"posted\",\"seq\":}",
        "{\"event\":\"posted\",\"data\":\",\\\"seq\\\":1}",
        "{\"event\":\"posted\",\"seq\":1}\u{c}",
        "17}",
        "",
    ] {
        assert_eq!(split_number(other), None, "{other}");
    }
}

#[test]
fn only_a_post_that_begins_as_an_object_is_read_in_one_pass() {
    for (members, has) in [
        (r#"{"event":"posted","data":{"post":"{\"id\":"#, true),
        (r#"{"event": "posted", "data": {"channel_name": "c", "post": "{\"id\":"#, true),
        (r#"{"event":"posted","data":{"post":"[{"#, false),
        (r#"{"event":"posted","data":{"post":" {"#, false),
        (r#"{"event":"posted","data":{"post":"xxxx"},"x":"{"#, false),
        (r#"{"event":"posted","data":{"post":7"#, false),
        (r#"{"event":"posted","data":{"x":"\"post\":\"{"}"#, false),
        (r#"{"event":"posted","data":{"#, false),
    ] {
        assert_eq!(has_object(members), has, "{members}");
    }
}

/// Returns what both readers make of a frame: the parts of the one that reads it in one pass, and of the one that parses it.
fn both(frame: &str) -> [Option<String>; 2] {
    let show = |post: OutlinedPost, data: &str, broadcast: &str, seq: u64| {
        format!("{post:?} {data} {broadcast} {seq}")
    };
    let read = read_posted(frame).map(|frame| show(frame.post, frame.data, frame.broadcast, frame.seq));
    let parsed = match parse_frame(frame) {
        Ok(Incoming::Event(event)) if event.event == "posted" => event
            .outlined_post()
            .ok()
            .map(|post| show(post, event.data.get(), event.broadcast.get(), event.seq)),
        _ => None,
    };
    [read, parsed]
}

#[test]
fn every_recorded_post_is_read_in_one_pass() {
    let old = include_str!("../../../../../tests/fixtures/wire/events.jsonl");
    let new = include_str!("../../../../../tests/fixtures/wire/11.1/events.jsonl");
    for recording in [old, new] {
        let mut posts = 0;
        for line in recording.lines() {
            let step: serde_json::Value = serde_json::from_str(line).unwrap();
            let Some(frame) = step["recv"].as_str() else { continue };
            let [read, parsed] = both(frame);
            assert_eq!(read, parsed, "{frame}");
            posts += usize::from(read.is_some());
        }
        assert!(posts > 2, "{posts}");
    }
}

#[test]
fn a_frame_of_another_shape_is_left_to_the_parser() {
    for other in [
        r#"{"event":"posted","data":"text","broadcast":{},"seq":1}"#,
        r#"{"event":"posted","data":{"post":"{}"},"broadcast":{},"seq":1}"#,
        r#"{"event":"posted","data":{"post":7},"broadcast":{},"seq":1}"#,
        r#"{"event":"posted","data":{},"broadcast":{},"seq":1}"#,
        r#"{"event":"post_edited","data":{},"broadcast":{},"seq":1}"#,
        r#"{"status":"OK","seq_reply":1}"#,
    ] {
        assert!(read_posted(other).is_none(), "{other}");
    }
}

proptest! {
    /// A frame whose text was seen with another number is read as if it had been parsed.
    #[test]
    fn frames_of_one_text_differ_only_in_their_number(
        parts in proptest::collection::vec(select(&PARTS[..]), 0..12),
        member in select(&NUMBER[..]),
        numbers in any::<[u64; 2]>(),
    ) {
        let [first, second] = numbers.map(|seq| {
            let members = parts.concat();
            [format!("{{\"event\":\"posted\",\"data\":{{{members}{member}{seq}}}"),
             format!("{{\"event\":\"posted\"{members}{member}{seq}}}")]
        });
        for (first, second) in first.iter().zip(&second) {
            let (Some((text, _)), Some((again, seq))) = (split_number(first), split_number(second)) else {
                continue;
            };
            prop_assert_eq!(text, again);
            let event = |frame| match parse_frame(frame) {
                Ok(Incoming::Event(event)) => Some((event.event, event.data.get(), event.broadcast.get(), event.seq)),
                _ => None,
            };
            if let Some((name, data, broadcast, _)) = event(first) {
                prop_assert_eq!(event(second), Some((name, data, broadcast, seq)));
            }
        }
    }

    /// A frame that is read in one pass is read as if it had been parsed.
    #[test]
    fn one_pass_finds_what_the_parser_finds(
        spaces in any::<bool>(),
        changes in proptest::array::uniform5(select(&CHANGES[..])),
        seq in any::<u64>(),
    ) {
        let [before_data, before_broadcast] = FORMS[usize::from(spaces)];
        let [a, b, c, d, e] = changes;
        let number = NUMBER[usize::from(spaces)];
        let frame = format!(
            "{before_data}{a}{{\"post\":\"{POST}{b}\"{c}}}{before_broadcast}{{\"channel_id\":\"c\"{d}}}{e}{number}{seq}}}"
        );
        let [read, parsed] = both(&frame);
        prop_assert!(read.is_none() || read == parsed, "{}", frame);
        if changes.iter().all(|change| change.is_empty()) {
            prop_assert!(read.is_some());
        }
    }
}
