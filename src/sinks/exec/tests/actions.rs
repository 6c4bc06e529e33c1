//! Actions of a child and their results.

use serde_json::{Value, json};

use super::*;

/// A child that writes the lines of the file `script`, then acknowledges its event, and writes its results to
/// the file `lives`.
const HANDLER: &str = "import json,sys\nfor line in sys.stdin:\n line = json.loads(line)\n if 'result' in line:\n  \
                       open('lives', 'a').write(json.dumps(line['result']) + '\\n')\n  continue\n \
                       print(open('script').read(), flush=True)\n print(json.dumps({'ack': line['id']}), flush=True)\n";

/// Gives an event to a child that writes these lines, and returns the actions that were taken, and the results told.
async fn take(lines: &[Value], results: usize) -> (Vec<OutgoingAction>, Vec<Value>) {
    take_from(lines, results, true).await
}

/// Does the same with a child that may post the files of its directory, or may not.
async fn take_from(
    lines: &[Value],
    results: usize,
    may_post_files: bool,
) -> (Vec<OutgoingAction>, Vec<Value>) {
    let recorded = Arc::<RecordingReplyPoster>::default();
    let script: Vec<_> = lines.iter().map(Value::to_string).collect();
    let settings = matterhost_actors::policy::RestartSettings::default();
    let policy = RestartPolicy::new(settings).unwrap();
    let poster = Arc::clone(&recorded) as Arc<dyn Poster>;
    let change = |config: &mut ExecConfig| config.may_post_files = may_post_files;
    let child = FakeChild::with_policy(HANDLER, change, poster, policy, &[("script", &script.join("\n"))]);
    assert_eq!(delivered(&child.exec, &post("c", "1")).await, Outcome::Acknowledged);
    let told = || std::fs::read_to_string(child.path("lives")).unwrap_or_default();
    until("the results are not told", || told().lines().count() >= results).await;
    let told: Vec<Value> = told().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (recorded.actions().into_iter().map(|(_, action)| action).collect(), told)
}

#[tokio::test]
async fn actions_are_taken_before_the_event_is_acknowledged() {
    let (actions, _) = take(
        &[
            json!({ "action": "react", "to": "1", "emoji": "eyes" }),
            json!({ "reply": { "to": "1", "text": "short" } }),
            json!({ "action": "reply", "to": "1", "text": "long", "key": "k" }),
        ],
        0,
    )
    .await;
    let [OutgoingAction::React { .. }, OutgoingAction::Post(short), OutgoingAction::Post(long)] =
        &actions[..]
    else {
        panic!("{actions:?}")
    };
    assert_eq!(short.key.as_ref().unwrap().as_str(), "1#child#0");
    assert_eq!((long.key.as_ref().unwrap().as_str(), long.text.as_str()), ("1#child/k", "long"));
}

#[tokio::test]
async fn the_results_of_actions_with_a_name_are_told() {
    let (actions, mut told) = take(
        &[
            json!({ "action": "reply", "to": "1", "id": "a", "text": "hi" }),
            json!({ "action": "find_user", "to": "1", "id": "b", "user": "@nobody" }),
            json!({ "action": "typing", "to": "no-such-event", "id": "c" }),
            json!({ "action": "typing", "to": "1", "id": "d", "thread": "x" }),
            json!({ "action": "typing", "to": "1", "id": "e", "thred": "x" }),
        ],
        5,
    )
    .await;
    assert_eq!(actions.len(), 1);
    told.sort_by_key(|result| result["id"].to_string());
    let source = told[0]["source"].take();
    assert!(source.as_str().is_some_and(|source| source.starts_with("/matterhost/")), "{source}");
    assert_eq!(told[1]["source"], source, "of what was read");
    assert_eq!(told[0], json!({ "id": "a", "to": "1", "source": null, "status": 200, "ids": ["reply-0"] }));
    for (result, id, status, detail) in [
        (&told[1], "b", 404, "user @nobody was not found"),
        (&told[2], "c", 400, "the id of its event"),
        (&told[3], "d", 400, "thread must be a post's id"),
        (&told[4], "e", 400, "unknown field `thred`"),
    ] {
        assert_eq!((&result["id"], &result["status"]), (&id.into(), &status.into()));
        assert!(result["detail"].as_str().unwrap().contains(detail), "{result}");
    }
}

/// The event is acknowledged before its answers come.
#[tokio::test]
async fn an_action_after_the_acknowledgement_is_taken() {
    let later = [
        json!({ "ack": "1" }),
        json!({ "action": "reply", "to": "1", "id": "a", "text": "late" }),
        json!({ "reply": { "to": "1", "text": "later" } }),
        json!({ "action": "typing", "to": "1", "id": "b" }),
    ];
    let (_, told) = take(&later, 2).await;
    let told: Vec<_> = told.iter().map(|result| (result["id"].clone(), result["status"].clone())).collect();
    assert!(told.contains(&("a".into(), 200.into())) && told.contains(&("b".into(), 200.into())), "{told:?}");
}

/// A child writes a file into its directory and names it.
#[tokio::test]
async fn the_files_of_a_child_are_opened_below_its_directory() {
    let (actions, mut told) = take(
        &[
            json!({ "action": "upload", "to": "1", "id": "a", "file": "script" }),
            json!({ "action": "upload", "to": "1", "id": "b", "file": "../x" }),
            json!({ "action": "upload", "to": "1", "id": "c", "file": "/etc/passwd" }),
            json!({ "reply": { "to": "1", "files": ["./script"] } }),
        ],
        3,
    )
    .await;
    let [OutgoingAction::Upload { channel, file, key: None }, OutgoingAction::Post(draft)] = &actions[..]
    else {
        panic!("{actions:?}")
    };
    assert_eq!((channel.as_str(), &*file.name, file.bytes.is_empty()), ("c", "script", false));
    assert_eq!((&*draft.files[0].name, draft.key.as_ref().unwrap().as_str()), ("script", "1#child#0"));
    told.sort_by_key(|result| result["id"].to_string());
    let statuses: Vec<_> = told.iter().map(|result| result["status"].clone()).collect();
    assert_eq!(statuses, [200, 400, 400]);
    assert!(told[1]["detail"].as_str().unwrap().contains("not below the handler's directory"), "{told:?}");
}

/// The default directory holds the configuration.
#[tokio::test]
async fn a_child_without_a_configured_directory_posts_no_files() {
    let lines = [json!({ "action": "upload", "to": "1", "id": "a", "file": "script" })];
    let (actions, told) = take_from(&lines, 1, false).await;
    assert!(actions.is_empty(), "{actions:?}");
    assert_eq!(told[0]["status"], 422);
    assert!(told[0]["detail"].as_str().unwrap().contains("whose sink has a `dir`"), "{told:?}");
}
