mod actions;
mod addresses;
mod failures;
mod fence;
mod reply_tokens;

use std::sync::Mutex;

use matterhost_actors::model::{AccountName, OutgoingAction};

use super::*;
use crate::actions::{MAX_ACTIONS_BYTES, MAX_POSTS_PER_EVENT};
use crate::config::{DeadLetterConfig, Secrets};
use crate::sinks::{
    dead_letter::DeadLetters,
    failing_events::RETRY,
    reply::ReplyParseError,
    tests::{
        fixtures::{RecordingReplyPoster, delivered, handler_deps, outcome, post, post_of},
        http::{FakeResponse, Request, Server, ok},
        rigs::config,
    },
};

const JSON: &str = "content-type: application/json\r\n";

fn start(server: &Server, change: impl FnOnce(&mut WebhookConfig)) -> Webhook {
    let mut config = config(server, 1);
    change(&mut config);
    Webhook::start(config, handler_deps("hook")).unwrap()
}

/// A server that gives these responses in turn, and then accepts everything.
fn server(responses: Vec<FakeResponse>) -> Server {
    let responses = Mutex::new(responses.into_iter());
    Server::start(move |_| responses.lock().unwrap().next().unwrap_or_else(ok))
}

fn status_response(status: u16, headers: &'static str) -> FakeResponse {
    FakeResponse::Answer(status, headers, Vec::new())
}

fn cause(outcome: Outcome) -> String {
    match outcome {
        Outcome::Retry { cause, .. } | Outcome::Hold { cause, .. } => cause,
        other => panic!("{other:?}"),
    }
}

/// Checks a signature as a handler does that knows only the specification.
fn is_signed(request: &Request, secret: &str) -> bool {
    let [id, timestamp, given] =
        ["webhook-id", "webhook-timestamp", "webhook-signature"].map(|name| request.headers[name].as_str());
    let secrets = Secrets::parse(secret).unwrap();
    let expected = sign::signature(&secrets, id, timestamp, &request.body);
    given.split(' ').any(|given| given == expected)
}

#[tokio::test]
async fn a_request_is_one_cloud_event_signed() {
    let server = server(Vec::new());
    let hook = start(&server, |_| {});
    assert_eq!(delivered(&hook, &post("c", "1")).await, Outcome::Acknowledged);
    let request = &server.requests()[0];
    assert_eq!(request.target, "/events?key=not-shown");
    assert_eq!(request.headers["host"], server.address.to_string());
    assert_eq!(request.headers["content-type"], "application/cloudevents+json; charset=utf-8");
    assert_eq!(request.headers["user-agent"], "matterhost/test");
    assert_eq!(request.events()[0]["data"]["post"]["message"], "this is 1");
    assert!(is_signed(request, "whsec_mustnotshowrTwjUPD8ILPZIo2LaLaSw"));
    let sent: u64 = request.headers["webhook-timestamp"].parse().unwrap();
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    assert!(now.abs_diff(sent) < 60);
}

#[tokio::test]
async fn while_a_secret_is_changed_either_will_do() {
    let (new, old) = ("whsec_mustnotshowAAAAAAAAAAAAAAAAAAAAA", "whsec_mustnotshowrTwjUPD8ILPZIo2LaLaSw");
    let server = server(Vec::new());
    let hook = start(&server, |config| config.secrets = Secrets::parse(&format!("{new} {old}")).unwrap());
    delivered(&hook, &post("c", "1")).await;
    let request = &server.requests()[0];
    assert!(is_signed(request, new) && is_signed(request, old));
    assert!(!is_signed(request, "whsec_mustnotshowBBBBBBBBBBBBBBBBBBBBB"));
}

#[tokio::test]
async fn temporary_failures_are_retried_with_the_same_id() {
    let failures = [
        status_response(408, ""),
        status_response(500, ""),
        status_response(503, ""),
        FakeResponse::Close,
        FakeResponse::Raw(b"HTTP/1.1 2".into()),
    ];
    let count = failures.len() + 1;
    let server = server(failures.into());
    let hook = start(&server, |_| {});
    assert_eq!(delivered(&hook, &post("c", "1")).await, Outcome::Acknowledged);
    let requests = server.requests();
    assert_eq!(requests.len(), count);
    assert!(
        requests.iter().all(|request| request.headers["webhook-id"] == requests[0].headers["webhook-id"])
    );
    assert!(requests.iter().all(|request| is_signed(request, "whsec_mustnotshowrTwjUPD8ILPZIo2LaLaSw")));
}

#[tokio::test]
async fn delays_grow_for_a_failing_channel_and_reset_after_a_success() {
    let server =
        Server::start(|request| if request.ids() == ["bad"] { status_response(500, "") } else { ok() });
    let hook = start(&server, |_| {});
    let delay = |outcome| match outcome {
        Outcome::Retry { after, .. } | Outcome::Hold { after, .. } => after,
        other => panic!("{other:?}"),
    };
    let bad = post("c", "bad");
    let mut last = Duration::ZERO;
    for _ in 0..4 {
        let after = delay(outcome(hook.deliver(&bad)).await);
        // Twice as long, with a fifth of jitter either way.
        assert!(after > last && after >= RETRY.min.mul_f64(0.8), "{after:?} after {last:?}");
        last = after;
        assert_eq!(delivered(&hook, &post("d", "good")).await, Outcome::Acknowledged);
    }
    assert_eq!(delivered(&hook, &post("c", "good")).await, Outcome::Acknowledged);
    assert!(delay(outcome(hook.deliver(&bad)).await) <= RETRY.min.mul_f64(1.2) + Duration::from_millis(1));
}

#[tokio::test]
async fn a_redirect_is_reported_and_not_followed() {
    let elsewhere = server(Vec::new());
    let location = Box::leak(format!("location: {}\r\n", elsewhere.url()).into_boxed_str());
    let server = server(vec![status_response(302, location), status_response(308, location)]);
    let hook = start(&server, |_| {});
    for _ in 0..2 {
        let cause = cause(outcome(hook.deliver(&post("c", "1"))).await);
        assert!(cause.contains("redirects are not followed; set url to the final address"), "{cause}");
    }
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn an_unreachable_or_hanging_handler_is_reported_without_its_path() {
    let server = server(vec![FakeResponse::Hang]);
    let hook = start(&server, |config| config.timeout = Duration::from_millis(200));
    let hung = cause(outcome(hook.deliver(&post("c", "1"))).await);
    assert!(hung.contains("did not answer within 200ms"), "{hung}");
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (url, expected) in [
        (format!("http://{address}"), "refused"),
        ("http://no-such-host.invalid".into(), "no-such-host.invalid cannot be asked: the DNS lookup failed"),
    ] {
        let hook = start(&server, |config| {
            let limits = matterhost_actors::mattermost::ClientLimits::default();
            config.client =
                matterhost_actors::mattermost::ClientConfig::new(url.parse().unwrap(), None, limits, "x");
        });
        let cause_text = cause(outcome(hook.deliver(&post("c", "1"))).await);
        assert!(cause_text.contains(expected), "{cause_text}");
        assert!(!cause_text.contains("not-shown"), "{cause_text}");
    }
}

#[tokio::test]
async fn a_finally_refused_event_is_a_dead_letter_before_it_is_skipped() {
    let dir = tempfile::tempdir().unwrap();
    let letters = DeadLetters::for_sink(
        "hook",
        &DeadLetterConfig { dir: dir.path().join("letters"), max_size: 1 << 20, keep: 2 },
    );
    let server = server(vec![status_response(400, ""), status_response(422, "")]);
    let handler_deps = HandlerDeps { dead_letters: Some(letters.clone()), ..handler_deps("hook") };
    let hook = Webhook::start(config(&server, 1), handler_deps).unwrap();
    for id in ["1", "2"] {
        let Outcome::Rejected { cause } = delivered(&hook, &post("c", id)).await else {
            panic!("not rejected")
        };
        assert!(cause.starts_with("sink hook: the handler answered 4"), "{cause}");
    }
    let kept = letters.list().unwrap();
    let ids: Vec<_> = kept.iter().map(|letter| Message::parse(letter.event.get()).unwrap().id).collect();
    assert_eq!(ids, ["1".into(), "2".into()]);
    assert_eq!(&*kept[0].cause, "the handler answered 400 Bad Request");
    // If the letter cannot be written, the event is retried.
    std::fs::remove_dir_all(dir.path().join("letters")).unwrap();
    std::fs::write(dir.path().join("letters"), "in the way").unwrap();
    let server = self::server(vec![status_response(400, "")]);
    let deps = HandlerDeps { dead_letters: Some(letters), ..self::handler_deps("hook") };
    let hook = Webhook::start(config(&server, 1), deps).unwrap();
    let cause_text = cause(outcome(hook.deliver(&post("c", "3"))).await);
    assert!(cause_text.contains("the dead letter cannot be written"), "{cause_text}");
}

#[tokio::test]
async fn concurrent_requests_are_limited_and_connections_are_reused() {
    let server = server(Vec::new());
    server.hold(true);
    let hook = start(&server, |_| {});
    let waiting: Vec<_> = (0..40).map(|n| hook.deliver(&post(&format!("c{n}"), &n.to_string()))).collect();
    server.wait_for_requests(4).await;
    server.hold(false);
    for given in waiting {
        assert_eq!(outcome(given).await, Outcome::Acknowledged);
    }
    assert_eq!(server.max_concurrent(), 4);
    for n in 0..20 {
        delivered(&hook, &post("c", &n.to_string())).await;
    }
    assert!(server.connections() <= 4, "{} connections", server.connections());
}

#[tokio::test]
async fn an_event_abandoned_before_its_turn_is_not_sent() {
    let server = server(Vec::new());
    server.hold(true);
    let hook = start(&server, |config| config.concurrency = 1);
    let first = hook.deliver(&post("a", "first"));
    server.wait_for_requests(1).await;
    drop(hook.deliver(&post("b", "given-up")));
    let last = hook.deliver(&post("c", "last"));
    server.hold(false);
    for given in [first, last] {
        assert_eq!(outcome(given).await, Outcome::Acknowledged);
    }
    let ids: Vec<_> = server.requests().iter().flat_map(Request::ids).collect();
    assert_eq!(ids, ["first", "last"]);
}

#[tokio::test]
async fn a_batch_is_a_list_of_waiting_events_up_to_the_limit() {
    let server = server(Vec::new());
    server.hold(true);
    let hook = start(&server, |config| (config.batch, config.concurrency) = (5, 1));
    let first = hook.deliver(&post("c", "first"));
    server.wait_for_requests(1).await;
    let waiting: Vec<_> = (0..12).map(|n| hook.deliver(&post(&format!("c{n}"), &n.to_string()))).collect();
    server.hold(false);
    for given in waiting.into_iter().chain([first]) {
        assert_eq!(outcome(given).await, Outcome::Acknowledged);
    }
    let requests = server.requests();
    let sizes: Vec<_> = requests.iter().map(|request| request.events().len()).collect();
    assert_eq!(sizes, [1, 5, 5, 2]);
    for request in requests {
        assert!(request.body.starts_with(b"["));
        assert_eq!(request.headers["content-type"], "application/cloudevents-batch+json; charset=utf-8");
        assert!(is_signed(&request, "whsec_mustnotshowrTwjUPD8ILPZIo2LaLaSw"));
    }
}

#[tokio::test]
async fn a_batch_that_is_refused_is_taken_apart() {
    let server =
        Server::start(
            |request| if request.ids().contains(&"bad".into()) { status_response(400, "") } else { ok() },
        );
    server.hold(true);
    let hook = start(&server, |config| (config.batch, config.concurrency) = (5, 1));
    let first = hook.deliver(&post("c", "first"));
    server.wait_for_requests(1).await;
    let waiting: Vec<_> = ["1", "bad", "2"].map(|id| hook.deliver(&post(&format!("c{id}"), id))).into();
    server.hold(false);
    assert_eq!(outcome(first).await, Outcome::Acknowledged);
    let mut outcomes = Vec::new();
    for given in waiting {
        outcomes.push(outcome(given).await);
    }
    assert!(matches!(
        &outcomes[..],
        [Outcome::Acknowledged, Outcome::Rejected { .. }, Outcome::Acknowledged]
    ));
}

/// Returns the outcome of one event and the replies posted for that response.
async fn replies(response: FakeResponse) -> (Outcome, Vec<(AccountName, OutgoingAction)>) {
    let posted = Arc::<RecordingReplyPoster>::default();
    let server = server(vec![response]);
    let handler_deps = HandlerDeps { poster: Arc::clone(&posted) as _, ..handler_deps("hook") };
    let hook = Webhook::start(config(&server, 1), handler_deps).unwrap();
    let outcome = delivered(&hook, &post("c", "1")).await;
    (outcome, posted.actions())
}

#[tokio::test]
async fn an_answer_is_a_reply() {
    let body = br#"{"text":"hi","response_type":"ephemeral","in_thread":true,"props":{"a":1}}"#;
    let (outcome, replies) = replies(FakeResponse::Answer(200, JSON, body.into())).await;
    assert_eq!(outcome, Outcome::Acknowledged);
    let [(account, OutgoingAction::Ephemeral { user, draft })] = &replies[..] else { panic!("{replies:?}") };
    assert_eq!((account.as_str(), draft.channel.as_str(), &*draft.text), ("helpdesk", "c", "hi"));
    assert_eq!(draft.key.as_ref().unwrap().as_str(), "1#hook#0");
    assert_eq!(draft.root_id.as_ref().unwrap().as_str(), "1");
    assert_eq!(user.as_str(), "ann");
    assert_eq!(draft.props["a"], 1);
}

#[tokio::test]
async fn an_answer_that_cannot_be_used_loses_nothing() {
    let long = vec![b' '; MAX_ACTIONS_BYTES + 1];
    let endless =
        [b"HTTP/1.0 200 X\r\ncontent-type: application/json\r\n\r\n".to_vec(), long.clone()].concat();
    let cut = b"HTTP/1.1 200 X\r\ncontent-length: 100\r\n\r\n{\"text\":".to_vec();
    for response in [
        FakeResponse::Answer(200, "content-type: text/plain\r\n", b"ok".into()),
        FakeResponse::Answer(200, JSON, long),
        FakeResponse::Raw(endless),
        FakeResponse::Raw(cut),
        FakeResponse::Answer(200, "content-type: application/json; charset=iso-8859-1\r\n", b"{}".into()),
        FakeResponse::Answer(200, JSON, b"{\"text\":\"\xe4\"}".into()),
        FakeResponse::Answer(200, JSON, br#"{"text":"hi","channel_id":"another"}"#.into()),
        FakeResponse::Answer(204, "", Vec::new()),
        FakeResponse::Answer(200, JSON, b"{}".into()),
    ] {
        assert_eq!(replies(response).await, (Outcome::Acknowledged, Vec::new()));
    }
}

#[tokio::test]
async fn interim_responses_are_skipped() {
    let hints = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 102 x\r\n\r\n";
    let answer =
        b"HTTP/1.1 200 X\r\ncontent-type: application/json\r\ncontent-length: 13\r\n\r\n{\"text\":\"hi\"}";
    let (outcome, replies) = replies(FakeResponse::Raw([&hints[..], answer].concat())).await;
    assert_eq!((outcome, replies.len()), (Outcome::Acknowledged, 1));
}

#[tokio::test]
async fn problems_of_an_answer_are_reported() {
    let endless = [b"HTTP/1.0 200 X\r\n\r\n".to_vec(), vec![b' '; MAX_ACTIONS_BYTES + 1]].concat();
    let mut br = awc::http::header::HeaderMap::new();
    br.insert(awc::http::header::CONTENT_ENCODING, "br".parse().unwrap());
    let cases = [
        (
            FakeResponse::Answer(200, JSON, vec![b' '; MAX_ACTIONS_BYTES + 1]),
            ReplyParseError::TooLarge(MAX_ACTIONS_BYTES),
        ),
        (FakeResponse::Raw(endless), ReplyParseError::TooLarge(MAX_ACTIONS_BYTES)),
        (
            FakeResponse::Raw(b"HTTP/1.1 200 X\r\ncontent-length: 9\r\n\r\n{".into()),
            ReplyParseError::Truncated,
        ),
        (
            FakeResponse::Answer(200, "content-encoding: br\r\n", b"?".into()),
            ReplyParseError::Encoded(matterhost_actors::mattermost::foreign_encoding(&br).unwrap()),
        ),
        (FakeResponse::Answer(200, "content-type: a; charset=x\r\n", Vec::new()), ReplyParseError::NotUtf8),
        (
            FakeResponse::Answer(200, JSON, br#"{"text":"a","channel":"x"}"#.into()),
            ReplyParseError::WrongChannel,
        ),
    ];
    let requests = async {
        for (response, expected) in cases {
            let server = server(vec![response]);
            let handler = HandlerClient::new(&"hook".into(), config(&server, 1), None);
            let event = Message::from_event(&post("c", "1"));
            assert_eq!(handler.deliver(&[&event]).await, Verdict::Accepted(Err(expected)));
        }
    };
    tokio::task::LocalSet::new().run_until(requests).await;
}

#[tokio::test]
async fn the_same_event_of_two_accounts_has_two_ids() {
    let server = server(Vec::new());
    let hook = start(&server, |_| {});
    for account in ["a", "b"] {
        delivered(&hook, &post_of(account, "c", "1")).await;
    }
    let ids: Vec<_> = server.requests().iter().map(|request| request.headers["webhook-id"].clone()).collect();
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn a_webhook_shows_no_secret_and_no_path() {
    let server = server(Vec::new());
    let shown = format!("{:?}", config(&server, 1));
    assert!(!shown.contains("not-shown") && !shown.contains("MfKQ9"), "{shown}");
}
