use std::{fs, path::Path};

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::*;

/// Returns the bodies of the requests that a recording has at a path.
fn recorded(recording: &str, path: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/wire/11.1");
    let text = fs::read_to_string(folder.join(recording)).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let hooks = lines.filter(|line| line["hook"]["path"] == path);
    hooks.map(|line| line["hook"]["body"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn recorded_commands_are_read() {
    let bodies = recorded("slash_commands.jsonl", "/command");
    assert_eq!(bodies.len(), 4);
    let first = CommandRequest::parse(bodies[0].as_bytes()).unwrap();
    assert_eq!((&*first.command, &*first.text), ("/cmdzxkypj", "one two \"three four\" é"));
    assert_eq!(
        first.origin,
        Origin {
            user_id: "qaecr7krifn7dk36x1eesefkha".into(),
            user_name: "admin".into(),
            channel_id: "6brqgaeuupn65ncg1ywigb6swa".into(),
            channel_name: "chan-kpbqyg".into(),
            team_id: "98orcujsoibjzeogxjdabspahr".into(),
            team_domain: "team-gydiit".into(),
        }
    );
    assert_eq!(first.response_id.as_deref(), Some("xin7f7xmx7dq7c6o75upibeeya"));
    assert_eq!((first.token.expose_secret(), &*first.root_id), ("<token>", ""));
    assert!(first.trigger_id.len() > 100 && !format!("{first:?}").contains("<token>"));
}

#[test]
fn recorded_buttons_and_menus_are_read() {
    let bodies = recorded("buttons_and_dialogs.jsonl", "/action");
    let all: Vec<_> = bodies.iter().map(|body| ActionRequest::parse(body.as_bytes()).unwrap()).collect();
    assert_eq!(all.len(), 3);
    assert_eq!(all[0].selected_option.as_deref(), Some("2"));
    assert_eq!((&*all[0].post_id, &*all[0].signed), ("n41semze6ifdtdafdkxpwf69uo", ""));
    assert_eq!(all[1].selected_option, None);
    assert_eq!(all[1].origin.channel_name, "chan-oxlwyl");
}

#[test]
fn recorded_dialogs_are_read() {
    let bodies = recorded("buttons_and_dialogs.jsonl", "/dialog");
    let all: Vec<_> = bodies.iter().map(|body| DialogRequest::parse(body.as_bytes()).unwrap()).collect();
    assert_eq!(all.iter().map(|dialog| dialog.cancelled).collect::<Vec<_>>(), [false, false, true]);
    assert_eq!(Value::Object(all[0].submission.clone()), json!({ "kind": "a", "name": "x" }));
    assert_eq!((&*all[0].callback_id, &*all[0].signed), ("cb", "st"));
}

#[test]
fn bad_members_are_named() {
    let good = "user_id=qaecr7krifn7dk36x1eesefkha&channel_id=6brqgaeuupn65ncg1ywigb6swa&command=/x";
    assert!(CommandRequest::parse(good.as_bytes()).is_ok());
    for (form, member) in [
        (String::new(), "user_id"),
        (good.replace("qaecr", "../.."), "user_id"),
        (good.replace("6brq", "6br/"), "channel_id"),
        (good.replace("/x", "x"), "command"),
        (format!("{good}&root_id=x"), "root_id"),
        (format!("{good}&text={}", "x".repeat(MAX_TEXT_BYTES + 1)), "text"),
        (format!("{good}&trigger_id={}", "x".repeat(MAX_SHORT_BYTES + 1)), "trigger_id"),
    ] {
        let error = CommandRequest::parse(form.as_bytes()).unwrap_err();
        assert_eq!(error, MalformedRequest::Member { member });
    }
    for body in ["", "{", r#"{"user_id":1}"#, "null", "1"] {
        assert!(
            matches!(ActionRequest::parse(body.as_bytes()), Err(MalformedRequest::Body { .. })),
            "{body}"
        );
        assert!(
            matches!(DialogRequest::parse(body.as_bytes()), Err(MalformedRequest::Body { .. })),
            "{body}"
        );
    }
    // serde reads a list as the members in their order.
    assert!(ActionRequest::parse(b"[]").is_err() && DialogRequest::parse(b"[]").is_err());
    let menu = json!({ "user_id": "qaecr7krifn7dk36x1eesefkha", "channel_id": "6brqgaeuupn65ncg1ywigb6swa",
        "post_id": "n41semze6ifdtdafdkxpwf69uo", "context": { "selected_option": 1 } });
    let error = ActionRequest::parse(menu.to_string().as_bytes()).unwrap_err();
    assert_eq!(error, MalformedRequest::Member { member: "selected_option" });
}

#[test]
fn a_response_url_is_believed_only_in_its_last_part() {
    let base = "user_id=qaecr7krifn7dk36x1eesefkha&channel_id=6brqgaeuupn65ncg1ywigb6swa&command=/x";
    for (url, id) in [
        ("http://evil.test/hooks/commands/xin7f7xmx7dq7c6o75upibeeya", Some("xin7f7xmx7dq7c6o75upibeeya")),
        (
            "http://chat.test/sub/hooks/commands/xin7f7xmx7dq7c6o75upibeeya",
            Some("xin7f7xmx7dq7c6o75upibeeya"),
        ),
        ("http://chat.test/hooks/commands/../../api/v4/users", None),
        ("http://chat.test/hooks/commands/", None),
        ("nonsense", None),
    ] {
        let request = CommandRequest::parse(format!("{base}&response_url={url}").as_bytes()).unwrap();
        assert_eq!(request.response_id.as_deref(), id, "{url}");
    }
}
