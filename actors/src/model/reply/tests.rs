use std::time::SystemTime;

use super::{
    key::{MAX_ANSWER_KEY_BYTES, MAX_KEY_BYTES},
    *,
};
use crate::model::{AccountUser, BotName, Change, Event, EventBody, Generation, PostKey, ServerName};

fn event(change: Option<Change>, connection_id: &str, seq: u64, after_ms: u64) -> Event {
    Event {
        account: AccountName::new("bot").unwrap(),
        server: ServerName::new("company").unwrap(),
        user: AccountUser::default(),
        channel: None,
        sender: None,
        generation: Generation(2),
        connection_id: connection_id.into(),
        received_at: SystemTime::UNIX_EPOCH + Duration::from_millis(after_ms),
        recovered: false,
        last_recovered: false,
        own: false,
        body: EventBody {
            event: "posted".into(),
            channel_id: "town".into(),
            change,
            post: None,
            seq,
            data: "{}".into(),
            broadcast: "{}".into(),
        },
    }
}

#[test]
fn an_event_that_comes_again_has_the_same_key_and_no_other_has() {
    let posted = || Some(Change::Posted(PostKey { create_at: 17, id: "p".into() }));
    let edited = Some(Change::Edited { id: "p".into(), edit_at: 18 });
    let deleted = Some(Change::Deleted { id: "p".into() });
    for (event, key, oldest) in [
        (event(posted(), "c", 1, 0), "p#0", Some(17)),
        (event(posted(), "other", 9, 5), "p#0", Some(17)),
        (event(edited, "c", 2, 0), "p/edited/18#0", Some(18)),
        (event(deleted, "c", 3, 0), "p/deleted#0", None),
        (event(Some(Change::Left), "c", 4, 0), "c/4#0", None),
        (event(None, "c", 5, 0), "c/5#0", None),
        (event(None, "", 5, 0), "2/0/5#0", None),
        (event(None, "", 5, 99), "2/99/5#0", None),
    ] {
        let made = ReplyKey::for_event(&event, 0);
        assert_eq!((made.as_str(), made.earliest(), made.is_answer()), (key, oldest, true));
    }
    assert_eq!(ReplyKey::for_event(&event(None, "c", 5, 0), 3).as_str(), "c/5#3");
}

#[test]
fn keys_of_several_bots_and_own_keys_are_apart() {
    let posted = event(Some(Change::Posted(PostKey { create_at: 17, id: "p".into() })), "c", 1, 0);
    let name = |name: &str| BotName::new(name).unwrap();
    let own = |bot: Option<&str>, own: &str| ReplyKey::own_for_event(&posted, bot.map(name).as_ref(), own);
    let keys = [
        ReplyKey::for_event(&posted, 0),
        ReplyKey::for_bot(&posted, &name("a"), 0),
        ReplyKey::for_bot(&posted, &name("b"), 0),
        own(None, "0").unwrap(),
        own(None, "a#0").unwrap(),
        own(Some("a"), "0").unwrap(),
        own(Some("b"), "0").unwrap(),
    ];
    let texts = ["p#0", "p#a#0", "p#b#0", "p#/0", "p#/a#0", "p#a/0", "p#b/0"];
    assert_eq!(keys.each_ref().map(ReplyKey::as_str), texts);
    assert!(keys.iter().all(|key| (key.earliest(), key.is_answer()) == (Some(17), true)));
    for bad in ["", "a b", &"x".repeat(MAX_KEY_BYTES + 1)] {
        assert!(own(Some("a"), bad).is_err() && own(None, bad).is_err(), "{bad:?}");
    }
}

#[test]
fn the_name_of_a_bot_leaves_its_keys_their_length() {
    let edited = event(Some(Change::Edited { id: (&*"p".repeat(64)).into(), edit_at: i64::MAX }), "c", 1, 0);
    let longest = BotName::new(&format!("{0}@{0}", "x".repeat(128))).unwrap();
    let own = "k".repeat(MAX_KEY_BYTES);
    let key = ReplyKey::own_for_event(&edited, Some(&longest), &own).unwrap();
    assert_eq!(key.as_str(), format!("{}#{}/{own}", edited.id(), longest.as_str()));
    assert!(key.is_answer() && ReplyKey::of_answer(key.as_str()).unwrap().is_answer());
    for bad in ["", "a b", &"x".repeat(MAX_ANSWER_KEY_BYTES + 1)] {
        assert!(ReplyKey::of_answer(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn a_pin_that_comes_again_has_the_same_key() {
    for connection_id in ["c", "other", ""] {
        let mut pin = event(None, connection_id, 5, 0);
        pin.body.event = "post_edited".into();
        pin.body.data = r#"{"post":"{\"id\":\"p\",\"update_at\":19}"}"#.into();
        assert_eq!(ReplyKey::for_event(&pin, 0).as_str(), "p/updated/19#0");
    }
}

#[test]
fn a_key_is_visible_and_of_some_length() {
    for good in ["k", "9w3bz1c1ypfa9pyyqqz5uyo3xe/edited/17#büro#3", &"x".repeat(MAX_KEY_BYTES)] {
        assert_eq!(ReplyKey::new(good).unwrap().as_str(), good);
    }
    for bad in ["", "a b", "a\u{7f}", "a\n", &"x".repeat(MAX_KEY_BYTES + 1)] {
        assert!(ReplyKey::new(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn an_uncertain_outcome_is_mentioned() {
    let late = |maybe_done| ReplyError::TimedOut {
        account: AccountName::new("bot").unwrap(),
        state: AccountState::Blocked,
        waited: Duration::from_secs(120),
        cause: "the token was refused (401)".into(),
        maybe_done,
    };
    let sure = "account bot did not finish within 120 s (state blocked): the token was refused (401)";
    assert_eq!(late(false).to_string(), sure);
    assert_eq!(late(true).to_string(), format!("{sure}; it may have been done anyway"));
}

#[test]
fn a_call_of_an_integration_is_shown_without_the_ids_that_allow_it() {
    let answer = IntegrationCall::AnswerCommand { response_id: "secret".into(), answer: Value::Null };
    let (trigger_id, url, dialog) = ("secret".into(), "https://secret".into(), Map::new());
    let dialog = IntegrationCall::OpenDialog { trigger_id, user: "ana".into(), url, dialog };
    let shown = format!("{answer:?} {dialog:?}");
    assert!(shown.contains("ana") && !shown.contains("secret"), "{shown}");
}
