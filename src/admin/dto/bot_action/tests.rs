use serde_json::json;

use super::*;

const POST: &str = "p1p1p1p1p1p1p1p1p1p1p1p1p1";

fn check(json: &Value) -> Result<UnresolvedAction, String> {
    let action: BotAction = serde_json::from_value(json.clone()).map_err(|error| error.to_string())?;
    action.check(None).map_err(|error| error.to_string())
}

#[test]
fn each_action_is_read() {
    let post = || PostId::from(POST);
    for (json, action) in [
        (
            json!({ "action": "update", "post": POST, "text": "t" }),
            OutgoingAction::Edit { post: post(), text: "t".into() },
        ),
        (json!({ "action": "delete", "post": POST }), OutgoingAction::Delete { post: post() }),
        (
            json!({ "action": "react", "post": POST, "emoji": "+1" }),
            OutgoingAction::React { post: post(), emoji: "+1".into() },
        ),
        (
            json!({ "action": "unreact", "post": POST, "emoji": "+1" }),
            OutgoingAction::Unreact { post: post(), emoji: "+1".into() },
        ),
    ] {
        assert_eq!(check(&json), Ok(UnresolvedAction { target: None, user: None, action }));
    }
    let json = json!({ "action": "whisper", "target": "a/b", "user": "@ann", "text": "t" });
    let whisper = check(&json).unwrap();
    assert!(whisper.target.is_some() && whisper.user.is_some());
    let OutgoingAction::Ephemeral { user, draft } = whisper.resolve(Some("c".into()), Some("u".into()))
    else {
        panic!("not a whisper")
    };
    assert_eq!((user.as_str(), draft.channel.as_str(), draft.text.as_str()), ("u", "c", "t"));
    let json = json!({ "action": "post", "target": "@ann", "text": "t", "key": "k", "thread": POST });
    let OutgoingAction::Post(draft) = check(&json).unwrap().resolve(Some("c".into()), None) else {
        panic!("not a post")
    };
    assert_eq!((draft.channel.as_str(), draft.root_id), ("c", Some(post())));
}

#[test]
fn mistakes_are_named() {
    for (json, expected) in [
        (json!({ "action": "destroy" }), "unknown variant `destroy`, expected one of `post`"),
        (json!({ "target": "a/b" }), "missing field `action`"),
        (json!({ "action": "post", "text": "t" }), "missing field `target`"),
        (json!({ "action": "post", "target": "a/b", "txt": "t" }), "unknown field `txt`"),
        (json!({ "action": "post", "target": "town" }), "target: \"town\" is not a target"),
        (json!({ "action": "post", "target": "a/b", "key": "ü" }), "visible ASCII"),
        (json!({ "action": "post", "target": "a/b", "key": " " }), "key: a key has 1 to 256 bytes"),
        (json!({ "action": "post", "target": "a/b", "thread": "../x" }), "thread must be a post's id"),
        (json!({ "action": "whisper", "target": "a/b", "user": "ann", "text": "t" }), "names no user"),
        (json!({ "action": "react", "post": POST, "emoji": ":wave:" }), "without colons"),
        (json!({ "action": "delete", "post": "" }), "post must be a post's id"),
    ] {
        let error = check(&json).unwrap_err();
        assert!(error.contains(expected), "{json}: {error}");
    }
}

#[test]
fn a_list_names_the_place_of_a_mistake() {
    let read = |json: Value| serde_json::from_value::<BotActions>(json).map_err(|error| error.to_string());
    let good = json!({ "action": "delete", "post": POST });
    assert!(matches!(read(good.clone()), Ok(BotActions::One(_))));
    assert!(matches!(read(json!([good, good])), Ok(BotActions::Several(actions)) if actions.len() == 2));
    assert!(read(json!([good, {}])).unwrap_err().starts_with("[1]: missing field `action`"));
    assert!(matches!(read(json!([])), Ok(BotActions::Several(actions)) if actions.is_empty()));
    assert!(read(json!(vec![good; 17])).unwrap_err().contains("17 actions; send at most 16"));
}
