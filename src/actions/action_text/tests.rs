use std::future::ready;

use futures_util::future::{BoxFuture, FutureExt as _};
use matterhost_actors::model::{Found, Lookup, OutgoingAction, PostedIds};
use parking_lot::Mutex;

use super::*;

/// A poster with an outcome for each post, by its text.
#[derive(Default)]
struct ByText(Mutex<Vec<(String, Option<i64>)>>);

/// The time before which no post has the generated key.
const STORED_AT: i64 = 7_000_000;

fn key() -> GeneratedKey {
    GeneratedKey { text: "k".into(), earliest: STORED_AT }
}

fn account() -> AccountName {
    AccountName::new("helpdesk").unwrap()
}

fn timed_out(state: AccountState, seconds: u64) -> ReplyError {
    let (waited, cause) = (Duration::from_secs(seconds), "no answer".into());
    ReplyError::TimedOut { account: account(), state, waited, cause, maybe_done: true }
}

impl Poster for ByText {
    fn post(
        &self,
        account: &AccountName,
        action: OutgoingAction,
    ) -> BoxFuture<'static, Result<PostedIds, ReplyError>> {
        let OutgoingAction::Post(draft) = action else { panic!("{action:?}") };
        let key = draft.key.unwrap();
        self.0.lock().push((key.as_str().to_owned(), key.earliest()));
        ready(match draft.text.as_str() {
            "refused" => Err(ReplyError::Refused { cause: "no".into() }),
            "stopped" => Err(ReplyError::Stopped(account.clone())),
            "crashed" => Err(ReplyError::Interrupted(account.clone())),
            "unknown" => Err(ReplyError::UnknownAccount(account.clone())),
            "full" => Err(ReplyError::QueueFull { account: account.clone(), limit: "1,000 replies" }),
            "away" => Err(timed_out(AccountState::Backoff, 900)),
            "slow" => Err(timed_out(AccountState::Ready, 900)),
            _ => Ok(PostedIds::default()),
        })
        .boxed()
    }

    fn look_up(&self, _: &AccountName, _: Lookup) -> BoxFuture<'static, Result<Found, ReplyError>> {
        ready(Err(timed_out(AccountState::CatchingUp, 30))).boxed()
    }
}

fn post(text: &str) -> String {
    format!(r#"{{"action":"post","target":"6brqgaeuupn65ncg1ywigb6swa","text":"{text}"}}"#)
}

async fn end(text: &str) -> TextEnd {
    let poster: Arc<dyn Poster> = Arc::new(ByText::default());
    take_text(&poster, &account(), text.as_bytes(), &key()).await
}

fn statuses(results: &[u8]) -> Vec<u64> {
    let results: serde_json::Value = serde_json::from_slice(results).unwrap();
    let results = if results.is_array() { results } else { serde_json::json!([results]) };
    results.as_array().unwrap().iter().map(|result| result["status"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn an_action_is_finished_only_by_what_it_does_itself() {
    for (text, expected) in [("hi", 200), ("refused", 409)] {
        let TextEnd::Finished { results, is_done } = end(&post(text)).await else { panic!("{text}") };
        assert_eq!((statuses(&results), is_done), (vec![expected], expected == 200), "{text}");
    }
    let interrupted = ["stopped", "unknown", "full", "away"].map(|text| (text, TextEnd::Interrupted));
    for (text, expected) in interrupted.into_iter().chain([("crashed", TextEnd::Crashed)]) {
        assert_eq!(end(&post(text)).await, expected, "{text}");
        let list = format!("[{},{}]", post("hi"), post(text));
        assert_eq!(end(&list).await, expected, "{text}");
    }
    for (second, expected) in [("hi", true), ("refused", false)] {
        let end = end(&format!("[{},{}]", post("hi"), post(second))).await;
        assert!(matches!(end, TextEnd::Finished { is_done, .. } if is_done == expected), "{end:?}");
    }
    let list = format!("[{},{},{}]", post("hi"), post("slow"), post("hi"));
    let named = post("hi").replace("6brqgaeuupn65ncg1ywigb6swa", "staff/town-square");
    let find = r#"{"action":"find_user","user":"@ana"}"#.to_owned();
    for (text, seconds, expected) in [
        (post("slow"), 900, vec![504]),
        (list, 900, vec![200, 504, 424]),
        (named, 30, vec![504]),
        (find, 30, vec![504]),
    ] {
        let TextEnd::Late { results, waited } = end(&text).await else { panic!("{text}") };
        assert_eq!((statuses(&results), waited), (expected, Duration::from_secs(seconds)), "{text}");
    }
}

#[tokio::test]
async fn what_is_not_valid_is_refused_with_the_reason_and_nothing_is_taken() {
    let seen = Arc::new(ByText::default());
    let poster: Arc<dyn Poster> = seen.clone();
    for (text, status, reason) in [
        ("{", 400, "EOF"),
        (r#"{"action":"dance"}"#, 400, "unknown variant `dance`"),
        (r#"{"action":"post","target":"","text":"x"}"#, 400, "target"),
        (r#"{"action":"post","text":"x"}"#, 422, "missing field `target`"),
        (r#"{"action":"reply","text":"x"}"#, 422, "no event is answered"),
        (r#"{"action":"upload","target":"6brqgaeuupn65ncg1ywigb6swa","file":"a"}"#, 422, "POST /v1/accounts"),
        (&format!("[{},{}]", post("hi"), r#"{"action":"delete","post":"x"}"#), 400, "post must be"),
    ] {
        let end = take_text(&poster, &account(), text.as_bytes(), &key()).await;
        let TextEnd::Finished { results, is_done: false } = end else { panic!("{text}: {end:?}") };
        assert_eq!(statuses(&results), [status], "{text}");
        assert!(String::from_utf8(results).unwrap().contains(reason), "{text}");
    }
    assert!(seen.0.lock().is_empty());
}

#[tokio::test]
async fn a_text_has_at_most_so_many_bytes() {
    for (bytes, status) in [(MAX_ACTIONS_BYTES, 200), (MAX_ACTIONS_BYTES + 1, 413)] {
        let space = " ".repeat(bytes - post("hi").len());
        let TextEnd::Finished { results, .. } = end(&(post("hi") + &space)).await else { panic!("{bytes}") };
        assert_eq!(statuses(&results), [status], "{bytes}");
    }
}

#[tokio::test]
async fn the_key_of_the_sender_comes_first_and_may_be_as_old_as_it_likes() {
    let seen = Arc::new(ByText::default());
    let poster: Arc<dyn Poster> = seen.clone();
    let keyed = post("hi").replace('{', r#"{"key":"own","#);
    for text in [post("hi"), keyed.clone(), format!("[{},{keyed}]", post("hi"))] {
        take_text(&poster, &account(), text.as_bytes(), &key()).await;
    }
    let (own, generated) = (("own".to_owned(), None), |key: &str| (key.to_owned(), Some(STORED_AT)));
    assert_eq!(*seen.0.lock(), [generated("k"), own.clone(), generated("k#0"), own]);
}
