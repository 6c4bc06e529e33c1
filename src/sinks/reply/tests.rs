use matterhost_actors::model::{Draft, OutgoingAction};

use super::*;
use crate::{actions::Work, sinks::tests::fixtures::post};

fn event(id: &str) -> Message {
    Message::from_event(&post("c", id))
}

fn read_one(body: &str) -> Result<Vec<HandlerAction>, ReplyParseError> {
    parse(body.as_bytes(), Some("application/json"), &[&event("1")], &"hook".into(), 0)
}

/// Returns the post of the first action.
fn first(actions: Result<Vec<HandlerAction>, ReplyParseError>) -> Draft {
    match actions.unwrap().remove(0).action.work {
        Work::Act(OutgoingAction::Post(draft)) => draft,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_empty_answer_is_no_reply() {
    for body in ["", " \n", "null", "{}", "[]", r#"{"text":" "}"#, r#"{"text":null,"props":{}}"#] {
        assert_eq!(read_one(body), Ok(Vec::new()), "{body}");
    }
}

/// A member that is not known may be a misspelling, or hold what the reply is about.
#[test]
fn unknown_members_of_a_reply_are_refused_by_name() {
    for (body, name) in [
        (r#"{"text":"hi","key":"summary"}"#, "key"),
        (r#"{"text":"hi","attachments":[]}"#, "attachments"),
        (r#"{"to":"1","txt":"hi"}"#, "txt"),
        (r#"[{"text":"hi"},{"text":"hi","user":"ann"}]"#, "user"),
    ] {
        let error = read_one(body).unwrap_err().to_string();
        assert!(error.contains(&format!("unknown field `{name}`")), "{body}: {error}");
        assert!(SHORT_MEMBERS.iter().all(|member| error.contains(&format!("`{member}`"))), "{error}");
    }
}

/// It is the answer of a framework to every request, and the handler does not answer the event.
#[test]
fn an_object_of_a_webhook_without_any_member_of_a_reply_is_no_reply() {
    for body in [r#"{"status":"ok"}"#, r#"[{"ok":true},{"message":"received","id":5}]"#] {
        assert_eq!(read_one(body), Ok(Vec::new()), "{body}");
    }
}

#[test]
fn a_reply_goes_to_the_channel_and_into_a_thread_where_asked() {
    let reply = first(read_one(r#"{"text":"hi"}"#));
    assert_eq!((reply.root_id, reply.channel.as_str()), (None, "c"));
    let reply = first(read_one(r#"{"text":"hi","in_thread":true,"response_type":"in_channel"}"#));
    assert_eq!(reply.root_id.unwrap().as_str(), "1");
    // A post in a thread is answered in that thread.
    let json = event("1").json.replace(r#""root_id":"""#, r#""root_id":"root""#);
    let inner = Message::parse(&json).unwrap();
    let body = br#"{"text":"hi","in_thread":true}"#;
    let reply = first(parse(body, None, &[&inner], &"hook".into(), 0));
    assert_eq!(reply.root_id.unwrap().as_str(), "root");
    assert_eq!(first(read_one(r#"{"props":{"attachments":[]}}"#)).text, "");
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
    let refused = parse(ephemeral, None, &[&silent], &"hook".into(), 0).unwrap_err().to_string();
    assert!(refused.contains("the event has no author"), "{refused}");
    let many = format!("[{}]", vec![r#"{"action":"typing"}"#; MAX_ACTIONS + 1].join(","));
    assert_eq!(read_one(&many), Err(ReplyParseError::TooManyActions(MAX_ACTIONS + 1)));
}

/// An answer may mix both forms; the posts are numbered, and other actions leave the numbers alone.
#[test]
fn actions_stand_beside_replies() {
    let actions = read_one(
        r#"[{"action":"react","emoji":"eyes"},{"text":"a"},{"action":"typing","id":"t"},{"action":"post","text":"b"}]"#,
    );
    let actions = actions.unwrap();
    let kinds: Vec<_> =
        actions.iter().map(|action| (action.index, action.name.as_deref(), action.is_post())).collect();
    assert_eq!(kinds, [(0, None, false), (0, None, true), (1, Some("t"), false), (1, None, true)]);
    let Work::Act(OutgoingAction::Post(draft)) = &actions[3].action.work else { panic!("{actions:?}") };
    assert_eq!(draft.key.as_ref().unwrap().as_str(), "1#hook#1");
    let refused = read_one(r#"{"action":"reply","txt":"a"}"#).unwrap_err().to_string();
    assert!(refused.contains("unknown field `txt`"), "{refused}");
}

/// Two sinks of an account may answer the same event alike.
#[test]
fn the_answers_of_two_sinks_are_apart() {
    let keys = |sink: &str| {
        let answer = r#"[{"text":"a"},{"action":"reply","text":"b","key":"k"},{"action":"post","text":"c"},
            {"action":"update","key":"k","text":"d"}]"#;
        let actions = parse(answer.as_bytes(), None, &[&event("1")], &sink.into(), 0).unwrap();
        let key = |action: HandlerAction| match action.action.work {
            Work::Act(
                OutgoingAction::Post(Draft { key: Some(key), .. }) | OutgoingAction::Update { key, .. },
            ) => key.as_str().to_owned(),
            other => panic!("{other:?}"),
        };
        actions.into_iter().map(key).collect::<Vec<_>>()
    };
    assert_eq!(keys("hook"), ["1#hook#0", "1#hook/k", "1#hook#2", "1#hook/k"]);
    assert_eq!(keys("child"), ["1#child#0", "1#child/k", "1#child#2", "1#child/k"]);
}

#[test]
fn of_several_events_the_answer_names_one() {
    let (one, two) = (event("1"), event("2"));
    let parse = |body: &str| parse(body.as_bytes(), None, &[&one, &two], &"hook".into(), 0);
    assert_eq!(parse(r#"{"text":"a"}"#), Err(ReplyParseError::UnknownEvent));
    let replies =
        parse(r#"[{"to":"2","text":"b"},{"to":"1","source":"/matterhost/main/helpdesk","text":"a"}]"#);
    let replies = replies.unwrap();
    let answered: Vec<_> = replies.iter().map(|reply| reply.event.id.to_string()).collect();
    assert_eq!(answered, ["2", "1"]);
    assert_eq!(first(Ok(replies)).text, "b");
    assert_eq!(parse(r#"{"to":"1","source":"/other","text":"a"}"#), Err(ReplyParseError::UnknownEvent));
}

#[test]
fn the_charset_is_checked() {
    for good in ["application/json", "application/json; charset=UTF-8", "text/x; a=b; Charset=\"utf-8\""] {
        assert!(is_utf8(Some(good)), "{good}");
    }
    assert!(!is_utf8(Some("application/json; charset=utf-16")));
}
