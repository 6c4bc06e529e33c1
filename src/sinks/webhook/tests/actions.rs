//! Actions in answers, and the requests that tell their results.

use serde_json::{Value, json};

use matterhost_actors::model::{AccountName, ReplyError};

use super::{failures::StuckPoster, *};
use crate::sinks::tests::{fake_child::until, fixtures::FailingPoster};

fn answer(actions: &Value) -> FakeResponse {
    FakeResponse::Answer(200, JSON, actions.to_string().into_bytes())
}

/// Delivers one event to a handler that gives these responses, and returns the actions that were taken.
async fn take(responses: Vec<FakeResponse>, batch: usize) -> (Server, Vec<OutgoingAction>) {
    let posted = Arc::<RecordingReplyPoster>::default();
    let server = server(responses);
    let deps = HandlerDeps { poster: Arc::clone(&posted) as _, ..handler_deps("hook") };
    let hook = Webhook::start(config(&server, batch), deps).unwrap();
    assert_eq!(delivered(&hook, &post("c", "1")).await, Outcome::Acknowledged);
    (server, posted.actions().into_iter().map(|(_, action)| action).collect())
}

#[tokio::test]
async fn actions_are_taken_in_order() {
    let answers = json!([
        { "action": "react", "emoji": "eyes" },
        { "text": "short" },
        { "action": "reply", "text": "long", "in_thread": true, "key": "k" },
    ]);
    let (server, actions) = take(vec![answer(&answers)], 1).await;
    let [OutgoingAction::React { post, .. }, OutgoingAction::Post(short), OutgoingAction::Post(long)] =
        &actions[..]
    else {
        panic!("{actions:?}")
    };
    assert_eq!((post.as_str(), short.key.as_ref().unwrap().as_str()), ("1", "1#hook#0"));
    assert_eq!((long.key.as_ref().unwrap().as_str(), long.text.as_str()), ("1#hook/k", "long"));
    assert_eq!(server.requests().len(), 1, "nobody asked for results");
}

/// The results come in a signed request before the event is acknowledged; its answer may go on.
#[tokio::test]
async fn results_are_told_and_may_be_answered() {
    for batch in [1, 5] {
        let first = json!([
            { "action": "reply", "id": "a", "text": "one" },
            { "action": "find_channel", "id": "b", "target": "staff/nowhere" },
        ]);
        let second = json!({ "action": "reply", "id": "c", "to": "1", "text": "two" });
        let responses =
            vec![answer(&first), status_response(503, ""), answer(&second), status_response(200, "")];
        let (server, actions) = take(responses, batch).await;
        let keys: Vec<_> = actions
            .iter()
            .map(|action| match action {
                OutgoingAction::Post(draft) => draft.key.as_ref().unwrap().as_str(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(keys, ["1#hook#0", "1#hook#1"], "as if they were one answer");
        let requests = server.requests();
        assert_eq!(requests.len(), 4, "the event, its results twice, the result of their answer");
        let ids: Vec<_> = requests.iter().map(|request| request.headers["webhook-id"].clone()).collect();
        assert!(ids[0] != ids[1] && ids[1] == ids[2] && ids[2] != ids[3], "{ids:?}");
        assert!(requests.iter().all(|request| is_signed(request, "whsec_mustnotshowrTwjUPD8ILPZIo2LaLaSw")));
        let told = &requests[2].events()[0];
        assert_eq!(told["type"], "com.matterhost.action_result");
        assert_eq!((&told["id"], &told["subject"]), (&"1".into(), &"c".into()));
        let results = &told["data"]["action_results"];
        assert_eq!(results[0], json!({ "id": "a", "status": 200, "ids": ["reply-0"] }));
        assert_eq!((&results[1]["id"], &results[1]["status"]), (&"b".into(), &404.into()));
        assert!(results[1]["detail"].as_str().unwrap().contains("staff/nowhere"), "{results}");
        assert_eq!(requests[3].events()[0]["data"]["action_results"][0]["ids"], json!(["reply-1"]));
    }
}

/// None of the actions is taken, and the handler reads why.
#[tokio::test]
async fn an_answer_with_an_invalid_action_is_told_to_the_handler() {
    for batch in [1, 5] {
        let first = json!([
            { "action": "reply", "id": "a", "to": "1", "text": "one" },
            { "action": "react", "id": "b", "to": "1", "emoji": ":eyes:" },
            { "action": "shout", "id": "c", "to": "1" },
            { "action": "react", "emoji": "eyes", "to": "1" },
        ]);
        let second = json!({ "action": "update", "id": "d", "to": "1", "text": "neither post nor key" });
        let third = json!({ "action": "reply", "id": "e", "to": "1", "text": "mended" });
        let (server, actions) = take(vec![answer(&first), answer(&second), answer(&third)], batch).await;
        let [OutgoingAction::Post(draft)] = &actions[..] else { panic!("{actions:?}") };
        assert_eq!((&*draft.text, draft.key.as_ref().unwrap().as_str()), ("mended", "1#hook#0"));
        let requests = server.requests();
        assert_eq!(requests.len(), 4, "the event, and the results of three answers");
        let told = |n: usize| requests[n].events()[0]["data"]["action_results"].clone();
        let results = told(1);
        let shown = |n: usize| (results[n]["id"].clone(), results[n]["status"].clone());
        assert_eq!(shown(0), ("a".into(), 424.into()));
        assert_eq!(results[0]["detail"], "not taken, because action [1] of the answer cannot be taken");
        assert_eq!((shown(1), shown(2)), (("b".into(), 400.into()), ("c".into(), 400.into())));
        assert!(results[1]["detail"].as_str().unwrap().contains("without colons"), "{results}");
        assert!(results[2]["detail"].as_str().unwrap().contains("shout"), "{results}");
        assert_eq!(results.as_array().unwrap().len(), 3, "one has no name");
        assert_eq!((&told(2)[0]["id"], &told(2)[0]["status"]), (&"d".into(), &422.into()));
        assert_eq!((&told(3)[0]["id"], &told(3)[0]["status"]), (&"e".into(), &200.into()));
    }
}

#[tokio::test]
async fn an_invalid_answer_that_wants_no_results_is_not_told() {
    let (server, actions) = take(vec![answer(&json!({ "action": "shout" }))], 1).await;
    assert_eq!((actions.len(), server.requests().len()), (0, 1));
}

#[tokio::test]
async fn results_that_are_refused_hold_nothing_up() {
    let first = json!({ "action": "reply", "id": "a", "text": "one" });
    let (server, actions) = take(vec![answer(&first), status_response(400, "")], 1).await;
    assert_eq!((actions.len(), server.requests().len()), (1, 2));
}

/// An update of a post by its key, for which the handler does not wait.
fn update_soon() -> FakeResponse {
    answer(&json!({ "action": "update", "key": "k", "text": "all of it", "wait": false, "id": "u" }))
}

#[tokio::test]
async fn an_update_that_is_not_waited_for_holds_nothing_up() {
    let server = server(vec![update_soon()]);
    let deps = HandlerDeps { poster: Arc::new(StuckPoster), ..handler_deps("hook") };
    let hook = Webhook::start(config(&server, 1), deps).unwrap();
    assert_eq!(delivered(&hook, &post("c", "1")).await, Outcome::Acknowledged);
    assert_eq!(server.requests().len(), 2, "the result is told at once");
}

#[tokio::test]
async fn an_update_that_is_not_waited_for_becomes_a_dead_letter_if_it_fails() {
    let account = AccountName::new("helpdesk").unwrap();
    let missing = ReplyError::NotFound { account, what: "a post with the key k".into() };
    let dir = tempfile::tempdir().unwrap();
    let letters = DeadLetters::for_sink(
        "hook",
        &DeadLetterConfig { dir: dir.path().to_owned(), max_size: 1 << 20, keep: 2 },
    );
    let server = server(vec![update_soon()]);
    let poster = Arc::new(FailingPoster(missing));
    let deps = HandlerDeps { poster, unposted: Some(letters.clone()), ..handler_deps("hook") };
    let monitor = deps.monitor.clone();
    let hook = Webhook::start(config(&server, 1), deps).unwrap();
    assert_eq!(delivered(&hook, &post("c", "1")).await, Outcome::Acknowledged);
    until("the update is lost", || letters.count().unwrap() == 1).await;
    let kept = letters.list().unwrap().remove(0);
    let reply = kept.reply.unwrap();
    assert_eq!((&*reply.text, reply.update, reply.key.as_deref()), ("all of it", true, Some("1#hook/k")));
    assert!(kept.cause.contains("a post with the key k"), "{}", kept.cause);
    assert!(monitor.snapshot(Arc::default()).complaint.unwrap().text.contains("it is a dead letter"));
}
