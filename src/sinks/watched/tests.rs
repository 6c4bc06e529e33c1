use std::time::Duration;

use matterhost_actors::model::AccountName;

use super::*;
use crate::{
    config::DeadLetterConfig,
    sinks::{
        dead_letter::DeadLetters,
        monitor::{SinkSnapshot, SinkState, SkipError},
        tests::fixtures::{ScriptedSink, handler_deps, outcome, post, retry},
    },
};

struct Fixture {
    inner: Arc<ScriptedSink>,
    watched: WatchedSink,
    letters: DeadLetters,
    dir: tempfile::TempDir,
}

fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let config = DeadLetterConfig { dir: dir.path().to_owned(), max_size: 1 << 20, keep: 1 };
    let letters = DeadLetters::for_sink("hook", &config);
    let deps = HandlerDeps { dead_letters: Some(letters.clone()), ..handler_deps("hook") };
    let inner = Arc::<ScriptedSink>::default();
    Fixture { watched: WatchedSink::new(Arc::clone(&inner) as _, deps), inner, letters, dir }
}

impl Fixture {
    fn snapshot(&self) -> SinkSnapshot {
        self.watched.monitor.snapshot(Arc::default())
    }

    fn skip(&self, channel: &str, event: Option<&str>) -> Result<String, SkipError> {
        self.watched.monitor.request_skip("helpdesk", channel, event).map(Into::into)
    }
}

#[tokio::test]
async fn an_event_that_waits_is_shown_with_its_cause_until_it_is_accepted() {
    let fixture = fixture();
    assert_eq!(fixture.snapshot().state, SinkState::Running);
    fixture.inner.answer(retry(60_000));
    let event = post("c", "p1");
    let refused = outcome(fixture.watched.deliver(&event)).await;
    let named = Outcome::Retry { after: Duration::from_secs(60), cause: "sink hook: busy".into() };
    assert_eq!(refused, named, "the cause names the sink");
    let snapshot = fixture.snapshot();
    assert_eq!((snapshot.state, snapshot.waiting, snapshot.unanswered), (SinkState::Retrying, 1, 0));
    let waits = &snapshot.events[0];
    let account = AccountName::new("helpdesk").unwrap();
    assert_eq!((&waits.account, waits.channel.as_str(), &*waits.event), (&account, "c", "p1"));
    assert_eq!((waits.cause.as_deref(), waits.answers, waits.next.is_some()), (Some("busy"), 0, true));
    assert_eq!(&*snapshot.complaint.unwrap().event, "p1");
    let answer = fixture.inner.answer_later();
    let answered = fixture.watched.deliver(&event);
    let snapshot = fixture.snapshot();
    assert_eq!((snapshot.waiting, snapshot.unanswered, snapshot.events.len()), (1, 0, 1));
    answer.send(Outcome::Acknowledged).unwrap();
    assert_eq!(outcome(answered).await, Outcome::Acknowledged);
    let snapshot = fixture.snapshot();
    assert_eq!((snapshot.state, snapshot.waiting, snapshot.events.len()), (SinkState::Running, 0, 0));
}

#[tokio::test]
async fn an_event_that_no_account_delivers_any_more_is_forgotten() {
    let fixture = fixture();
    fixture.inner.answer(retry(60_000));
    let event = post("c", "p1");
    outcome(fixture.watched.deliver(&event)).await;
    drop(event);
    let snapshot = fixture.snapshot();
    assert_eq!((snapshot.state, snapshot.waiting), (SinkState::Running, 0));
}

/// An account delivers on a thread with many others.
#[tokio::test]
async fn no_account_waits_for_the_lock_of_the_dead_letters() {
    let fixture = fixture();
    fixture.inner.answer(retry(60_000));
    let event = post("c", "p1");
    outcome(fixture.watched.deliver(&event)).await;
    fixture.skip("c", None).unwrap();
    let Delivered::Later(mut answer) = fixture.watched.deliver(&event) else { panic!("at once") };
    let lock = std::fs::File::create(fixture.dir.path().join("hook.lock")).unwrap();
    lock.lock().unwrap();
    assert_eq!((&mut answer).now_or_never(), None);
    drop(lock);
    assert!(matches!(answer.await, Outcome::Rejected { .. }));
    assert_eq!(fixture.letters.count().unwrap(), 1);
}

#[tokio::test]
async fn a_skipped_event_becomes_a_dead_letter_at_its_next_attempt() {
    let fixture = fixture();
    fixture.inner.answer(retry(60_000));
    let event = post("c", "p1");
    outcome(fixture.watched.deliver(&event)).await;
    assert!(matches!(fixture.skip("other", None), Err(SkipError::NoneWaits { .. })));
    assert!(matches!(fixture.skip("c", Some("p0")), Err(SkipError::AnotherWaits(_))));
    assert_eq!(fixture.skip("c", Some("p1")).unwrap(), "p1");
    assert!(matches!(outcome(fixture.watched.deliver(&event)).await, Outcome::Rejected { .. }));
    assert_eq!(fixture.inner.delivered_ids(), ["p1"], "the sink does not get it again");
    let letters = fixture.letters.list().unwrap();
    assert_eq!((letters.len(), &*letters[0].cause), (1, "skipped by an operator; before that: busy"));
    assert_eq!(fixture.snapshot().state, SinkState::Running);
}

#[tokio::test]
async fn an_event_that_the_handler_keeps_is_taken_away_at_once() {
    let fixture = fixture();
    let _answer = fixture.inner.answer_later();
    let event = post("c", "p1");
    let waiting = fixture.watched.deliver(&event);
    assert_eq!(fixture.snapshot().unanswered, 1);
    assert_eq!(fixture.skip("c", None).unwrap(), "p1");
    assert!(matches!(outcome(waiting).await, Outcome::Rejected { .. }));
    assert_eq!(fixture.letters.list().unwrap().len(), 1);
}

#[tokio::test]
async fn an_event_that_the_sink_makes_a_dead_letter_is_not_skipped_too() {
    let fixture = fixture();
    let (event, monitor) = (post("c", "p1"), &fixture.watched.monitor);
    let message = Message::from_event(&event);
    let answer = fixture.inner.answer_later();
    let Delivered::Later(mut waiting) = fixture.watched.deliver(&event) else { panic!("at once") };
    assert!(monitor.claim_letter(&message));
    fixture.skip("c", None).unwrap();
    assert_eq!((&mut waiting).now_or_never(), None, "the sink's own answer is waited for");
    assert!(!monitor.claim_letter(&message), "once is enough");
    // The disk is full: the event waits, and is skipped at its next attempt.
    answer.send(retry(60_000)).unwrap();
    assert!(matches!(waiting.await, Outcome::Retry { .. }));
    assert!(matches!(outcome(fixture.watched.deliver(&event)).await, Outcome::Rejected { .. }));
    assert_eq!(fixture.letters.count().unwrap(), 1);
}

#[tokio::test]
async fn a_skipped_event_is_not_made_a_dead_letter_by_the_sink_too() {
    let fixture = fixture();
    let _answer = fixture.inner.answer_later();
    let event = post("c", "p1");
    let waiting = fixture.watched.deliver(&event);
    fixture.skip("c", None).unwrap();
    let Delivered::Later(mut skipping) = waiting else { panic!("at once") };
    assert_eq!((&mut skipping).now_or_never(), None, "the disk takes a while");
    let refused = fixture.watched.handler_deps.reject(&Message::from_event(&event), "refused");
    assert!(matches!(refused, Outcome::Rejected { .. }));
    assert!(matches!(skipping.await, Outcome::Rejected { .. }));
    assert_eq!(fixture.letters.count().unwrap(), 1);
}
