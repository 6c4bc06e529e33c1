use serde_json::json;

use super::*;
use crate::model::PostKey;

fn body(event: &str, change: Option<Change>, member: &str, value: &Value) -> EventBody {
    EventBody {
        event: event.into(),
        channel_id: "c".into(),
        change,
        post: None,
        seq: 1,
        data: json!({ member: value.to_string() }).to_string().into(),
        broadcast: "{}".into(),
    }
}

#[test]
fn posts_edits_and_reactions_are_acts_with_their_own_time() {
    let posted = || Some(Change::Posted(PostKey { create_at: 5, id: "p".into() }));
    let post = |props: Value| json!({ "id": "p", "user_id": "ana", "create_at": 5, "props": props });
    let of =
        |at, is_automatic, of_account| Some(UserAct { user: "ana".into(), at, is_automatic, of_account });
    let act = |at, is_automatic| of(at, is_automatic, None);
    for (props, is_automatic) in [
        (Value::Null, false),
        (json!({}), false),
        (json!({ "from_bot": "true" }), true),
        (json!({ "from_webhook": "true" }), true),
        (json!({ "from_bot": "false" }), false),
    ] {
        assert_eq!(user_act(&body("posted", posted(), "post", &post(props))), act(5, is_automatic));
    }
    let keyed = post(json!({ "from_bot": "true", "matterhost_key": "k" }));
    let edited = Some(Change::Edited { id: "p".into(), edit_at: 9 });
    let new = user_act(&body("posted", posted(), "post", &keyed));
    assert_eq!(new, of(5, true, Some(AccountPost::New)));
    let edit = user_act(&body("post_edited", edited.clone(), "post", &keyed));
    assert_eq!(edit, of(9, true, Some(AccountPost::Edit)));
    for (mark, is_automatic) in [("other", false), ("from_webhook", true), ("from_plugin", true)] {
        let by_others = post(json!({ "matterhost_key": "k", mark: "true" }));
        assert_eq!(user_act(&body("posted", posted(), "post", &by_others)), act(5, is_automatic), "{mark}");
    }
    let by_webhook = post(json!({ "matterhost_key": "k", "from_bot": "true", "from_webhook": "true" }));
    assert_eq!(user_act(&body("posted", posted(), "post", &by_webhook)), act(5, true));
    let post = post(Value::Null);
    assert_eq!(user_act(&body("post_edited", edited, "post", &post)), act(9, false));
    assert_eq!(user_act(&body("post_edited", None, "post", &post)), None, "a pin");
    let deleted = Some(Change::Deleted { id: "p".into() });
    assert_eq!(user_act(&body("post_deleted", deleted, "post", &post)), None);
    let reaction = json!({ "user_id": "ana", "post_id": "p", "emoji_name": "eyes", "create_at": 7 });
    assert_eq!(user_act(&body("reaction_added", None, "reaction", &reaction)), act(7, false));
    assert_eq!(user_act(&body("reaction_removed", None, "reaction", &reaction)), None);
}
