//! The tokens by which a handler answers later.

use std::time::SystemTime;

use super::*;
use crate::actions::{ActionError, ActionPlace, BotAction, ReplyTokens};

const HEADER: &str = "matterhost-reply-token";

fn token(request: &Request) -> Option<String> {
    request.headers.get(HEADER).cloned()
}

#[tokio::test]
async fn a_request_has_a_token_for_its_event_unless_there_may_be_several() {
    let tokens = ReplyTokens::new(b"a key");
    for (batch, has_token) in [(1, true), (2, false)] {
        let server = server(Vec::new());
        let deps = HandlerDeps { reply_tokens: Some(tokens.clone()), ..handler_deps("hook") };
        let webhook = Webhook::start(config(&server, batch), deps).unwrap();
        assert_eq!(delivered(&webhook, &post("c", "1")).await, Outcome::Acknowledged);
        let sent = token(&server.requests()[0]);
        assert_eq!(sent.is_some(), has_token, "batch = {batch}");
        if let Some(sent) = sent {
            let event = tokens.verify(&sent, SystemTime::now()).unwrap();
            assert_eq!(event, Message::from_event(&post("c", "1")).answered(&"hook".into()));
        }
    }
}

/// The posts of an answer and those that come later with its token count together.
#[tokio::test]
async fn an_event_has_at_most_so_many_posts_also_with_its_token() {
    let tokens = ReplyTokens::new(b"a key");
    let replies = vec![serde_json::json!({ "text": "x" }); MAX_POSTS_PER_EVENT - 1];
    let server = server(vec![FakeResponse::Answer(200, JSON, serde_json::to_vec(&replies).unwrap())]);
    let deps = HandlerDeps { reply_tokens: Some(tokens.clone()), ..handler_deps("hook") };
    let webhook = Webhook::start(config(&server, 1), deps).unwrap();
    assert_eq!(delivered(&webhook, &post("c", "1")).await, Outcome::Acknowledged);
    let event = tokens.verify(&token(&server.requests()[0]).unwrap(), SystemTime::now()).unwrap();
    let later = || {
        let action: BotAction = serde_json::from_str(r#"{"action":"reply","text":"late"}"#).unwrap();
        tokens
            .posts()
            .count(&event, &action.check(ActionPlace::LateAnswer { event: &event, key: None }).unwrap())
    };
    assert!(later().unwrap().is_some());
    assert!(matches!(later(), Err(ActionError::TooManyPosts)));
}

#[tokio::test]
async fn a_token_that_a_failing_handler_shows_does_not_reach_the_log() {
    let server = Server::start(|request: &Request| {
        let token = token(request).unwrap();
        assert!(token.len() > 100, "{token}");
        FakeResponse::Answer(500, "", format!("Traceback: {token}").into())
    });
    let handler = HandlerClient::new(&"hook".into(), config(&server, 1), Some(ReplyTokens::new(b"a key")));
    let event = Message::from_event(&post("c", "1"));
    let delivering = async {
        let Verdict::RetryLater { cause, .. } = handler.deliver(&[&event]).await else {
            panic!("it is tried again")
        };
        assert_eq!(cause, "the handler answered 500 Internal Server Error: Traceback: [reply token]");
    };
    tokio::task::LocalSet::new().run_until(delivering).await;
}
