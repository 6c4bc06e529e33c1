use matterhost_actors::model::{
    AccountName, Draft, HOOK_ANSWER, Lookup, OutgoingAction, PostId, ReplyKey, Target, UserRef,
};
use serde_json::{Value, json};
use utoipa::PartialSchema as _;

use super::*;

const POST: &str = "p1p1p1p1p1p1p1p1p1p1p1p1p1";
const CHANNEL: &str = "c1c1c1c1c1c1c1c1c1c1c1c1c1";

fn check_in(json: &Value, place: ActionPlace<'_>) -> Result<CheckedAction, String> {
    let action: BotAction = serde_json::from_value(json.clone()).map_err(|error| error.to_string())?;
    action.check(place).map_err(|error| error.to_string())
}

fn check(json: &Value) -> Result<CheckedAction, String> {
    check_in(json, ActionPlace::Request { key: None })
}

fn act(action: OutgoingAction) -> CheckedAction {
    CheckedAction { target: None, user: None, work: Work::Act(action) }
}

pub(super) fn event() -> AnsweredEvent {
    AnsweredEvent {
        is_hook: false,
        trigger: None,
        account: AccountName::new("helpdesk").unwrap(),
        sink: "hook".into(),
        id: "e1".into(),
        channel: CHANNEL.into(),
        post: Some(POST.into()),
        thread: ThreadPlace { root: Some("root".into()), post: None },
        author: Some("ann".into()),
        create_at: Some(7),
    }
}

/// Checks an action in answer to an event.
fn answer(json: &Value) -> Result<Work, String> {
    let checked = check_in(json, ActionPlace::Answer { event: &event(), index: 2, files: None })?;
    assert!(!checked.has_names(), "{json}");
    Ok(checked.work)
}

fn answered_draft(json: &Value) -> Draft {
    match answer(json).unwrap() {
        Work::Act(OutgoingAction::Post(draft) | OutgoingAction::Ephemeral { draft, .. }) => draft,
        other => panic!("{json}: {other:?}"),
    }
}

#[test]
fn each_action_is_read() {
    let post = || PostId::from(POST);
    for (json, action) in [
        (
            json!({ "action": "update", "post": POST, "text": "t" }),
            OutgoingAction::Edit { post: post(), text: "t".into(), props: None },
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
        assert_eq!(check(&json), Ok(act(action)));
    }
    let json = json!({ "action": "whisper", "target": "a/b", "user": "@ann", "text": "t" });
    let mut whisper = check(&json).unwrap();
    assert!(whisper.target.is_some() && whisper.user.is_some());
    whisper.work.set_channel(&"c".into());
    whisper.work.set_reader("u".into());
    let Work::Act(OutgoingAction::Ephemeral { user, draft }) = whisper.work else { panic!("not a whisper") };
    assert_eq!((user.as_str(), draft.channel.as_str(), draft.text.as_str()), ("u", "c", "t"));
    let json = json!({ "action": "post", "target": CHANNEL, "text": "t", "key": "k", "thread": POST });
    let CheckedAction { target: None, work: Work::Act(OutgoingAction::Post(draft)), .. } =
        check(&json).unwrap()
    else {
        panic!("not a post")
    };
    assert_eq!((draft.channel.as_str(), draft.root_id), (CHANNEL, Some(post())));
    assert!(!draft.key.unwrap().is_answer());
}

#[test]
fn each_look_up_is_read() {
    let named = Target::Name { team: "a".into(), channel: "b".into() };
    for (json, target, lookup) in [
        (json!({ "action": "find_channel", "target": "a/b" }), None, Lookup::Channel(named.clone())),
        (json!({ "action": "find_user", "user": "@ann" }), None, Lookup::User(UserRef::Name("ann".into()))),
        (json!({ "action": "get_thread", "post": POST }), None, Lookup::Thread(POST.into())),
        (json!({ "action": "get_file", "file": POST }), None, Lookup::File(POST.into())),
        (
            json!({ "action": "get_posts", "target": "a/b", "count": 3 }),
            Some(named),
            Lookup::Posts { channel: "".into(), count: 3 },
        ),
    ] {
        assert_eq!(check(&json), Ok(CheckedAction { target, user: None, work: Work::LookUp(lookup) }));
    }
}

/// The event provides the members that are left out, and the keys.
#[test]
fn an_answer_is_completed_by_its_event() {
    let reply = answered_draft(&json!({ "action": "reply", "text": "hi", "in_thread": true }));
    assert_eq!((reply.channel.as_str(), reply.root_id), (CHANNEL, Some("root".into())));
    let key = reply.key.unwrap();
    assert_eq!((key.as_str(), key.earliest(), key.is_answer()), ("e1#hook#2", Some(7), true));
    let keyed = answered_draft(&json!({ "action": "reply", "text": "hi", "key": "stream" }));
    assert_eq!((keyed.key.unwrap().as_str(), keyed.root_id), ("e1#hook/stream", None));
    let post = answered_draft(&json!({ "action": "post", "text": "hi" }));
    assert_eq!((post.channel.as_str(), post.key.unwrap().as_str()), (CHANNEL, "e1#hook#2"));
    let post = answered_draft(&json!({ "action": "post", "text": "hi", "key": "mine" })).key.unwrap();
    assert_eq!((post.as_str(), post.is_answer()), ("mine", true), "the loop guard counts it");
    let whisper = json!({ "action": "whisper", "text": "hi" });
    let reply = json!({ "action": "reply", "text": "hi", "response_type": "ephemeral" });
    for json in [whisper, reply] {
        let Ok(Work::Act(OutgoingAction::Ephemeral { user, draft })) = answer(&json) else {
            panic!("{json}")
        };
        assert_eq!((user.as_str(), draft.channel.as_str()), ("ann", CHANNEL));
    }
    for (json, expected) in [
        (
            json!({ "action": "react", "emoji": "eyes" }),
            Work::Act(OutgoingAction::React { post: POST.into(), emoji: "eyes".into() }),
        ),
        (
            json!({ "action": "typing" }),
            Work::Act(OutgoingAction::Typing { channel: CHANNEL.into(), root_id: None }),
        ),
        (
            json!({ "action": "update", "key": "k", "text": "t" }),
            Work::Act(OutgoingAction::Update {
                channel: CHANNEL.into(),
                key: event().own_key("k").unwrap(),
                text: "t".into(),
                wait: true,
            }),
        ),
        (json!({ "action": "get_thread" }), Work::LookUp(Lookup::Thread(POST.into()))),
        (
            json!({ "action": "get_posts" }),
            Work::LookUp(Lookup::Posts { channel: CHANNEL.into(), count: 60 }),
        ),
        (json!({ "action": "find_channel" }), Work::LookUp(Lookup::Channel(Target::Id(CHANNEL.into())))),
        (json!({ "action": "find_user" }), Work::LookUp(Lookup::User(UserRef::Id("ann".into())))),
    ] {
        assert_eq!(answer(&json), Ok(expected));
    }
}

#[test]
fn a_later_answer_has_the_key_of_its_request_or_one_of_its_own() {
    let key = |json: Value, key| {
        let checked = check_in(&json, ActionPlace::LateAnswer { event: &event(), key }).unwrap();
        let Work::Act(OutgoingAction::Post(draft)) = checked.work else { panic!("{checked:?}") };
        draft.key.unwrap()
    };
    for action in ["reply", "post"] {
        let json = || json!({ "action": action, "text": "t" });
        assert_eq!(key(json(), Some("k")).as_str(), "e1#hook/k");
        let [one, two] = [(); 2].map(|()| key(json(), None));
        assert_ne!(one, two, "without a key, each is posted");
        assert!(ReplyKey::is_answer(&one));
    }
    let json = json!({ "action": "reply", "text": "t", "key": "mine" });
    assert_eq!(key(json, Some("k")).as_str(), "e1#hook/mine");
}

#[test]
fn a_file_is_saved_below_the_directory_of_a_child() {
    let dir = tempfile::tempdir().unwrap();
    let (event, files) = (event(), FileDir::new(dir.path()));
    let save = |path: &str, files: Option<&FileDir>| {
        let json = json!({ "action": "get_file", "file": POST, "path": path });
        check_in(&json, ActionPlace::Answer { event: &event, index: 0, files }).map(|checked| checked.work)
    };
    let to = files.new_file("in/a.txt").unwrap();
    assert_eq!(save("in/a.txt", Some(&files)), Ok(Work::Download { file: POST.into(), to }));
    for (files, problem) in
        [(Some(&files), "is not below the handler's directory"), (None, "has a directory of its own")]
    {
        let error = save("../x", files).unwrap_err();
        assert!(error.contains(problem), "{error}");
    }
}

/// A child names files by their path, uploaded ones by their id; nobody else has a directory.
#[test]
fn files_are_ids_or_paths_of_a_child() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.txt"), "content").unwrap();
    let (event, files) = (event(), FileDir::new(dir.path()));
    let child = |json: &Value| {
        let place = ActionPlace::Answer { event: &event, index: 2, files: Some(&files) };
        check_in(json, place).map(|checked| checked.work)
    };
    let reply = json!({ "action": "reply", "text": "t", "files": ["a.txt", POST] });
    let Ok(Work::Act(OutgoingAction::Post(draft))) = child(&reply) else { panic!("no post") };
    assert_eq!((draft.files.len(), &*draft.files[0].name, draft.files[0].bytes.len()), (1, "a.txt", 7));
    assert_eq!(draft.file_ids, [POST.into()]);
    for (json, name, key) in [
        (json!({ "action": "upload", "file": "a.txt" }), "a.txt", None),
        (json!({ "action": "upload", "file": "a.txt", "name": "b", "key": "k" }), "b", Some("e1#hook/k")),
    ] {
        let Ok(Work::Act(OutgoingAction::Upload { channel, file, key: found })) = child(&json) else {
            panic!("no upload")
        };
        assert_eq!((channel.as_str(), &*file.name), (CHANNEL, name));
        assert_eq!(found.as_ref().map(ReplyKey::as_str), key);
    }
    for (json, expected) in [
        (json!({ "action": "upload", "file": "../x" }), "is not below the handler's directory"),
        (
            json!({ "action": "reply", "files": vec!["a.txt"; 11] }),
            "files must be a list of at most 10 files",
        ),
        (json!({ "action": "reply", "text": "t", "files": ["missing"] }), "\"missing\" does not exist"),
        (
            json!({ "action": "reply", "text": "t", "files": [POST], "response_type": "ephemeral" }),
            "`response_type` and `files` exclude each other",
        ),
    ] {
        let error = child(&json).unwrap_err();
        assert!(error.contains(expected), "{json}: {error}");
    }
    assert_eq!(answered_draft(&json!({ "action": "reply", "files": [POST] })).file_ids, [POST.into()]);
    let hook = AnsweredEvent { is_hook: true, ..self::event() };
    let place = ActionPlace::Answer { event: &hook, index: 0, files: None };
    let with_file = json!({ "action": "reply", "text": "t", "files": [POST] });
    let Work::Act(OutgoingAction::Post(draft)) = check_in(&with_file, place).unwrap().work else {
        panic!("no post")
    };
    assert!(!draft.props.contains_key(HOOK_ANSWER), "the response to a command has no files");
    for json in [
        json!({ "action": "post", "target": CHANNEL, "files": ["a.txt"] }),
        json!({ "action": "upload", "target": CHANNEL, "file": "a.txt" }),
    ] {
        let error = check(&json).unwrap_err();
        assert!(
            error.contains("only a child process whose sink has a `dir` names files by their path"),
            "{error}"
        );
    }
}

#[test]
fn an_event_that_lacks_something_provides_nothing() {
    let bare = AnsweredEvent { channel: "".into(), post: None, author: None, ..event() };
    let place = ActionPlace::LateAnswer { event: &bare, key: None };
    for (json, missing) in [
        (json!({ "action": "reply", "text": "t" }), "the event has no channel"),
        (json!({ "action": "typing" }), "the event has no channel"),
        (json!({ "action": "react", "emoji": "eyes" }), "the event has no post"),
        (json!({ "action": "find_user" }), "the event has no author"),
    ] {
        assert!(check_in(&json, place).unwrap_err().contains(missing), "{json}");
    }
}

#[test]
fn mistakes_are_named() {
    for (json, expected) in [
        (json!({ "action": "destroy" }), "unknown variant `destroy`, expected one of `reply`"),
        (json!({ "target": "a/b" }), "missing field `action`"),
        (json!({ "action": "post", "text": "t" }), "missing field `target`"),
        (json!({ "action": "reply", "text": "t" }), "missing field `to`"),
        (json!({ "action": "react", "emoji": "eyes" }), "missing field `post`"),
        (json!({ "action": "update", "text": "t" }), "missing field `post` or `key`"),
        (json!({ "action": "update", "key": "k", "text": "t" }), "missing field `target`"),
        (
            json!({ "action": "update", "post": POST, "key": "k", "text": "t" }),
            "`post` and `key` exclude each other",
        ),
        (
            json!({ "action": "update", "post": POST, "target": "a/b", "text": "t" }),
            "`post` and `target` exclude each other",
        ),
        (
            json!({ "action": "update", "post": POST, "wait": false, "text": "t" }),
            "`post` and `wait` exclude each other",
        ),
        (json!({ "action": "get_posts", "target": "a/b", "count": 201 }), "count must be 1 to 200"),
        (json!({ "action": "post", "target": "a/b", "txt": "t" }), "unknown field `txt`"),
        (json!({ "action": "post", "target": "town" }), "target: \"town\" is not a target"),
        (json!({ "action": "post", "target": "a/b", "key": "ü" }), "visible ASCII"),
        (json!({ "action": "post", "target": "a/b", "key": " " }), "key: a key has 1 to 256 bytes"),
        (json!({ "action": "post", "target": "a/b", "thread": "../x" }), "thread must be a post's id"),
        (json!({ "action": "whisper", "target": "a/b", "user": "ann", "text": "t" }), "names no user"),
        (json!({ "action": "react", "post": POST, "emoji": ":wave:" }), "without colons"),
        (json!({ "action": "delete", "post": "" }), "post must be a post's id"),
        (json!({ "action": "get_file", "file": "a.txt" }), "file must be a file's id"),
        (
            json!({ "action": "get_file", "file": POST, "path": "a.txt" }),
            "only a child process whose sink has a `dir`",
        ),
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
    assert!(read(json!(vec![good; MAX_ACTIONS + 1])).unwrap_err().contains("65 actions; send at most 64"));
}

/// The schema of each action has an example that the event of a command allows, and that has no members but its own.
#[test]
fn each_action_has_an_example_that_can_be_taken() {
    let schema = serde_json::to_value(BotAction::schema()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("out")).unwrap();
    std::fs::write(dir.path().join("out/report.pdf"), "content").unwrap();
    let (event, files) = (AnsweredEvent { trigger: Some("t".into()), ..event() }, FileDir::new(dir.path()));
    let place = ActionPlace::Answer { event: &event, index: 0, files: Some(&files) };
    let actions = schema["oneOf"].as_array().unwrap();
    assert!(actions.len() >= 15, "{schema}");
    for action in actions {
        let name = &action["properties"]["action"]["enum"][0];
        let examples = action["examples"].as_array().unwrap_or_else(|| panic!("{name} has no example"));
        for example in examples {
            assert_eq!(&example["action"], name);
            let read: BotAction = serde_json::from_value(example.clone()).unwrap();
            assert_eq!(&serde_json::to_value(read).unwrap(), example, "as the type writes it");
            check_in(example, place).unwrap_or_else(|error| panic!("{example}: {error}"));
        }
    }
}
