use matterhost_actors::model::ReplyKey;
use serde_json::json;

use super::*;

const EVENT: &str = "slash_command/x/0";

fn account() -> AccountName {
    AccountName::new("helpdesk").unwrap()
}

fn draft(event: &str, text: &str) -> Draft {
    // Each text has a key of its own, as each reply of a handler.
    let (length, first) = (text.len(), text.bytes().next().unwrap_or_default());
    let key = ReplyKey::new(&format!("{event}#sink#{length}-{first}")).unwrap();
    let props = json!({ HOOK_ANSWER: true }).as_object().unwrap().clone();
    Draft { channel: "c1".into(), text: text.into(), key: Some(key), props, ..Draft::default() }
}

fn open(kind: HookKind) -> (OpenHooks, Arc<OpenHook>) {
    let hooks = OpenHooks::default();
    let origin = Origin { user_id: "ann".into(), channel_id: "c1".into(), ..Origin::default() };
    let mut hook = OpenHook::new(kind, origin);
    hook.post = (kind != HookKind::SlashCommand).then(|| "p1".into());
    hook.response_id = (kind == HookKind::SlashCommand).then(|| "r1".into());
    let hook = hooks.open(&account(), EVENT, hook);
    (hooks, hook)
}

fn post(hooks: &OpenHooks, text: &str) -> Diverted {
    hooks.divert(&account(), OutgoingAction::Post(draft(EVENT, text)))
}

fn whisper(hooks: &OpenHooks, text: &str) -> Diverted {
    hooks.divert(&account(), OutgoingAction::Ephemeral { user: "ann".into(), draft: draft(EVENT, text) })
}

#[test]
fn the_first_reply_to_a_command_is_its_answer_and_the_second_is_posted() {
    let (hooks, hook) = open(HookKind::SlashCommand);
    assert_eq!(post(&hooks, "one"), Diverted::Taken);
    assert!(matches!(post(&hooks, "two"), Diverted::AsIs(_)));
    let expected = json!({ "text": "one", "response_type": "in_channel" });
    assert_eq!(hook.close().into_json(HookKind::SlashCommand), expected);
}

#[test]
fn later_replies_go_to_the_response_url_five_times() {
    let (hooks, hook) = open(HookKind::SlashCommand);
    hook.close();
    for n in 0..5 {
        let Diverted::Replaced(OutgoingAction::Integration { call, .. }) = whisper(&hooks, &n.to_string())
        else {
            panic!("{n} is not a later answer")
        };
        let answer = json!({ "text": n.to_string(), "response_type": "ephemeral" });
        assert_eq!(call, IntegrationCall::AnswerCommand { response_id: "r1".into(), answer });
    }
    assert!(matches!(whisper(&hooks, "5"), Diverted::AsIs(_)), "posted as any other");
}

#[test]
fn replies_that_come_again_with_their_event_go_where_they_went_before() {
    let (hooks, hook) = open(HookKind::SlashCommand);
    assert_eq!(post(&hooks, "one"), Diverted::Taken);
    assert!(matches!(post(&hooks, "two"), Diverted::AsIs(_)), "posted once, by its key");
    hook.close();
    assert!(matches!(whisper(&hooks, "later"), Diverted::Replaced(_)));
    assert_eq!(post(&hooks, "one"), Diverted::Taken);
    assert!(matches!(post(&hooks, "two"), Diverted::AsIs(_)), "and not by the response_url");
    assert_eq!(whisper(&hooks, "later"), Diverted::Taken);
    assert!(matches!(whisper(&hooks, "new"), Diverted::Replaced(_)));
}

#[test]
fn a_button_answers_the_person_alone_and_changes_its_post() {
    let (hooks, hook) = open(HookKind::Button);
    assert!(matches!(post(&hooks, "all"), Diverted::AsIs(_)), "a post of the bot");
    assert_eq!(whisper(&hooks, "you"), Diverted::Taken);
    let update = |post: &str, props| OutgoingAction::Edit { post: post.into(), text: "done".into(), props };
    let empty = || Some(serde_json::Map::new());
    assert!(matches!(hooks.divert(&account(), update("p2", empty())), Diverted::AsIs(_)), "another post");
    assert!(
        matches!(hooks.divert(&account(), update("p1", None)), Diverted::AsIs(_)),
        "it keeps its buttons"
    );
    assert_eq!(hooks.divert(&account(), update("p1", empty())), Diverted::Taken);
    let expected = json!({ "update": { "message": "done", "props": {} }, "ephemeral_text": "you" });
    assert_eq!(hook.close().into_json(HookKind::Button), expected);
    assert!(matches!(hooks.divert(&account(), update("p1", empty())), Diverted::AsIs(_)), "an edit, later");
    assert!(matches!(whisper(&hooks, "late"), Diverted::AsIs(_)));
}

#[test]
fn errors_send_the_person_back_to_the_dialog_and_are_never_posted() {
    let errors = |hooks: &OpenHooks| {
        let mut draft = draft(EVENT, "");
        draft.props.insert(DIALOG_ERRORS.into(), json!({ "name": "too short" }));
        hooks.divert(&account(), OutgoingAction::Post(draft))
    };
    let (hooks, hook) = open(HookKind::Dialog);
    assert_eq!(errors(&hooks), Diverted::Taken);
    let answer = hook.close();
    assert!(answer.sends_back());
    assert_eq!(answer.into_json(HookKind::Dialog), json!({ "errors": { "name": "too short" } }));
    let (whole, hook) = open(HookKind::Dialog);
    let mut draft = draft(EVENT, "");
    draft.props.insert(DIALOG_ERRORS.into(), json!({ "": "not now", "name": "too short" }));
    assert_eq!(whole.divert(&account(), OutgoingAction::Post(draft)), Diverted::Taken);
    let expected = json!({ "error": "not now", "errors": { "name": "too short" } });
    assert_eq!(hook.close().into_json(HookKind::Dialog), expected);
    assert!(matches!(errors(&hooks), Diverted::Impossible(_)), "closed");
    assert!(matches!(errors(&open(HookKind::Button).0), Diverted::Impossible(_)), "no dialog");
    assert!(matches!(errors(&OpenHooks::default()), Diverted::Impossible(_)), "no request at all");
}

#[test]
fn what_is_no_answer_is_taken_as_any_other_action() {
    let (hooks, _) = open(HookKind::SlashCommand);
    let as_is = |action: OutgoingAction| {
        let Diverted::AsIs(taken) = hooks.divert(&account(), action.clone()) else { panic!("{action:?}") };
        let (OutgoingAction::Post(draft) | OutgoingAction::Ephemeral { draft, .. }) = taken else { return };
        assert!(draft.props.is_empty(), "the mark is not sent: {draft:?}");
    };
    as_is(OutgoingAction::Post(draft("another", "x")));
    as_is(OutgoingAction::Post(Draft { key: None, ..draft(EVENT, "x") }));
    as_is(OutgoingAction::Post(Draft { channel: "c2".into(), ..draft(EVENT, "x") }));
    as_is(OutgoingAction::Post(draft(EVENT, &"x".repeat(MAX_TEXT_CHARS + 1))));
    as_is(OutgoingAction::Ephemeral { user: "bob".into(), draft: draft(EVENT, "x") });
    as_is(OutgoingAction::Post(Draft { props: serde_json::Map::new(), ..draft(EVENT, "its own") }));
    as_is(OutgoingAction::Delete { post: "p1".into() });
    let other = AccountName::new("other").unwrap();
    assert!(matches!(hooks.divert(&other, OutgoingAction::Post(draft(EVENT, "x"))), Diverted::AsIs(_)));
}
