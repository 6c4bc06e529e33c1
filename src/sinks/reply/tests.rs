use super::*;
use crate::sinks::tests::fixtures::post;

fn event(id: &str) -> Message {
    Message::from_event(&post("c", id))
}

fn read_one(body: &str) -> Result<Vec<Reply>, ReplyParseError> {
    parse(body.as_bytes(), Some("application/json"), &[&event("1")], &"hook".into())
}

#[test]
fn an_empty_answer_is_no_reply() {
    for body in ["", " \n", "null", "{}", "[]", r#"{"text":" "}"#, r#"{"text":null,"props":{}}"#] {
        assert_eq!(read_one(body), Ok(Vec::new()), "{body}");
    }
}

#[test]
fn a_reply_goes_to_the_channel_and_into_a_thread_where_asked() {
    let reply = read_one(r#"{"text":"hi"}"#).unwrap().remove(0);
    assert_eq!((reply.thread, reply.audience), (None, Audience::Channel));
    let reply = read_one(r#"{"text":"hi","in_thread":true,"response_type":"in_channel"}"#).unwrap().remove(0);
    assert_eq!(reply.thread.unwrap().as_str(), "1");
    // A post in a thread is answered in that thread.
    let json = event("1").json.replace(r#""root_id":"""#, r#""root_id":"root""#);
    let inner = Message::parse(&json).unwrap();
    let body = br#"{"text":"hi","in_thread":true}"#;
    let reply = parse(body, None, &[&inner], &"hook".into()).unwrap().remove(0);
    assert_eq!(reply.thread.unwrap().as_str(), "root");
    assert_eq!(read_one(r#"{"props":{"attachments":[]}}"#).unwrap()[0].text, "");
}

#[test]
fn problems_of_a_reply_are_reported() {
    assert!(matches!(read_one("ok"), Err(ReplyParseError::Malformed(_))));
    assert!(matches!(read_one(r#"{"text":1}"#), Err(ReplyParseError::Malformed(_))));
    assert!(matches!(
        read_one(r#"{"text":"a","response_type":"shout"}"#),
        Err(ReplyParseError::Malformed(_))
    ));
    assert_eq!(read_one(r#"{"text":"a","channel":"town-square"}"#), Err(ReplyParseError::WrongChannel));
    assert_eq!(read_one(r#"{"text":"a","to":"2"}"#), Err(ReplyParseError::UnknownEvent));
    let silent = Message::parse(r#"{"account":"a","subject":"c","data":{}}"#).unwrap();
    let ephemeral = br#"{"text":"a","response_type":"ephemeral"}"#;
    assert_eq!(parse(ephemeral, None, &[&silent], &"hook".into()), Err(ReplyParseError::NoAuthor));
}

#[test]
fn of_several_events_the_answer_names_one() {
    let (one, two) = (event("1"), event("2"));
    let parse = |body: &str| parse(body.as_bytes(), None, &[&one, &two], &"hook".into());
    assert_eq!(parse(r#"{"text":"a"}"#), Err(ReplyParseError::UnknownEvent));
    let replies =
        parse(r#"[{"to":"2","text":"b"},{"to":"1","source":"/matterhost/main/helpdesk","text":"a"}]"#);
    let answered: Vec<_> =
        replies.unwrap().iter().map(|reply| (reply.event_id.to_string(), reply.text.clone())).collect();
    assert_eq!(answered, [("2".into(), "b".into()), ("1".into(), "a".into())]);
    assert_eq!(parse(r#"{"to":"1","source":"/other","text":"a"}"#), Err(ReplyParseError::UnknownEvent));
}

#[test]
fn the_charset_is_checked() {
    for good in ["application/json", "application/json; charset=UTF-8", "text/x; a=b; Charset=\"utf-8\""] {
        assert!(is_utf8(Some(good)), "{good}");
    }
    assert!(!is_utf8(Some("application/json; charset=utf-16")));
}
