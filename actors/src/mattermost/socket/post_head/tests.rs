use serde_json::{json, value::RawValue};

use super::*;
use crate::mattermost::{Incoming, Post, parse_frame, read_posted};

/// Members of a post, and the text that they give it.
const TEXTS: [(&str, &str); 24] = [
    (r#""message":"a\n\"b\" \u00e9\ud83d\ude00""#, "a\n\"b\" é😀"),
    (r#""message":"""#, ""),
    (r#""x":1"#, ""),
    (r#""message":null"#, ""),
    (r#""message":true"#, ""),
    (r#""message":-7"#, ""),
    (r#""message":7"#, ""),
    (r#""message":7.5"#, ""),
    (r#""message":["a",{"b":1}]"#, ""),
    (r#""message":{"a":["b"]}"#, ""),
    (r#""message":"\ud800""#, ""),
    (r#""message":"a\udc00b""#, ""),
    (r#""message":"\ud800\u0041""#, ""),
    (r#""message":{"\ud800":1}"#, ""),
    (r#""message":["\ud800"]"#, ""),
    (r#""message":1e999"#, ""),
    (r#""message":-1e999"#, ""),
    (r#""message":[1e999]"#, ""),
    (r#""message":99999999999999999999999999"#, ""),
    (r#""message":"a","message":"b""#, "b"),
    (r#""message":"a","x":1,"message":"""#, ""),
    (r#""message":"\ud800","message":"b""#, "b"),
    (r#""message":"a","message":1e999"#, ""),
    (r#""m\u0065ssage":"a""#, "a"),
];

/// Returns a post with these members at every place that they can have.
fn posts(members: &str) -> [String; 3] {
    [
        format!(r#"{{{members},"id":"p","create_at":1,"user_id":"u","channel_id":"c"}}"#),
        format!(r#"{{"id":"p","create_at":1,{members},"user_id":"u","channel_id":"c"}}"#),
        format!(r#"{{"id":"p","create_at":1,"user_id":"u","channel_id":"c",{members}}}"#),
    ]
}

fn frame(event: &str, post: &str) -> String {
    let data = json!({ "post": post });
    format!("{{\"event\":\"{event}\",\"data\":{data},\"broadcast\":{{}},\"seq\":1}}")
}

/// Returns the channel, the author and the text of the post in a frame, as the parser finds them.
fn parsed(frame: &str) -> serde_json::Result<[String; 3]> {
    let Ok(Incoming::Event(event)) = parse_frame(frame) else { panic!("{frame}") };
    event.outlined_post().map(show)
}

fn show(post: OutlinedPost) -> [String; 3] {
    [post.channel.to_string(), post.outline.author.to_string(), post.outline.message.into()]
}

#[test]
fn the_text_of_a_post_is_read_and_anything_else_in_its_place_is_none() {
    for (members, text) in TEXTS {
        for post in posts(members) {
            let wanted = ["c", "u", text].map(str::to_owned);
            for event in ["posted", "post_edited", "post_deleted"] {
                assert_eq!(parsed(&frame(event, &post)).unwrap(), wanted, "{event} {post}");
            }
            let at_once = read_posted(&frame("posted", &post)).map(|frame| show(frame.post));
            assert!(at_once.is_none_or(|read| read == wanted), "{post}");
            let fetched = Post::read(RawValue::from_string(post.clone()).unwrap()).unwrap();
            assert_eq!((fetched.channel_id.as_str(), fetched.user_id.as_str()), ("c", "u"), "{post}");
            assert_eq!(&*fetched.message(), text, "{post}");
        }
    }
}

#[test]
fn a_post_with_one_text_or_without_is_read_in_one_pass() {
    for (members, _) in &TEXTS[..3] {
        for post in posts(members) {
            assert!(read_posted(&frame("posted", &post)).is_some(), "{post}");
        }
    }
}

#[test]
fn what_is_no_json_is_no_post() {
    for members in
        [r#""message":"\u00""#, r#""message":01"#, r#""message":"#, "\"message\":\"\n\"", r#""message":[}"#]
    {
        for post in posts(members) {
            assert!(parsed(&frame("posted", &post)).is_err(), "{post}");
        }
    }
}
