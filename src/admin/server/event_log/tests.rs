use std::time::SystemTime;

use futures_util::FutureExt as _;
use matterhost_actors::{
    hosting::Observer,
    model::{AccountName, Generation, ServerName},
};

use super::*;

fn facts() -> EventLog {
    EventLog::new("run".into(), Observer::default().subscribe())
}

fn fact(account: &str, fact: Fact) -> Arc<Observation> {
    let account = AccountName::new(account).unwrap();
    let subject = Subject::Account(account, Generation(1));
    let server = ServerName::new("main").unwrap();
    Arc::new(Observation { at: SystemTime::now(), server, subject, fact })
}

fn add(facts: &EventLog, count: usize) {
    (0..count).for_each(|_| facts.add(Some(fact("a", Fact::Stopped)), 0));
}

/// What it hears without waiting: the number of a fact, or how many are missing.
fn heard(listening: &mut EventLogReader) -> Option<Result<u64, u64>> {
    listening.next().now_or_never().map(|heard| match heard.unwrap() {
        EventLogItem::Entry(line) => Ok(line.n),
        EventLogItem::Missed(missed) => Err(missed),
    })
}

#[test]
fn whoever_begins_hears_what_comes() {
    let facts = facts();
    add(&facts, 2);
    let mut listening = facts.listen(None);
    assert_eq!(heard(&mut listening), None);
    add(&facts, 1);
    assert_eq!(heard(&mut listening), Some(Ok(2)));
    assert_eq!(heard(&mut listening), None);
}

#[test]
fn whoever_comes_back_goes_on_where_it_was() {
    let facts = facts();
    add(&facts, 3);
    let mut listening = facts.listen(Some("run-0"));
    assert_eq!([heard(&mut listening), heard(&mut listening)], [Some(Ok(1)), Some(Ok(2))]);
    for nothing in ["run-2", "run-99", "run-18446744073709551615"] {
        let mut listening = facts.listen(Some(nothing));
        assert_eq!(heard(&mut listening), None, "{nothing}");
        add(&facts, 1);
        assert!(matches!(heard(&mut listening), Some(Ok(_))), "{nothing}");
    }
}

#[test]
fn an_id_of_another_run_or_of_nothing_begins_with_a_gap_and_all_that_is_kept() {
    let facts = facts();
    add(&facts, 1);
    for unknown in ["other-5", "run-", "run-x", "run--1", "", "5", "\u{0}"] {
        let mut listening = facts.listen(Some(unknown));
        assert_eq!(heard(&mut listening), Some(Err(0)), "{unknown:?}");
        assert_eq!(heard(&mut listening), Some(Ok(0)), "{unknown:?}");
        assert_eq!(heard(&mut listening), None, "{unknown:?}");
    }
}

#[test]
fn whoever_is_too_slow_is_told_how_many_are_missing_and_nothing_grows() {
    let facts = facts();
    let mut listening = facts.listen(None);
    add(&facts, KEPT + 7);
    assert_eq!(facts.kept().lines.len(), KEPT);
    assert_eq!(heard(&mut listening), Some(Err(7)));
    assert_eq!(heard(&mut listening), Some(Ok(7)));
    let mut back = facts.listen(Some("run-2"));
    assert_eq!(heard(&mut back), Some(Err(4)), "3 to 6");
}

#[test]
fn a_listener_gets_what_it_wants() {
    let wanted = |accounts: &[&str], servers: &[&str], facts: &[&str], level| {
        let words = |list: &[&str]| list.iter().map(ToString::to_string).collect();
        EventFilter { accounts: words(accounts), servers: words(servers), facts: words(facts), level }
    };
    let line = |observation| LogEntry {
        instance: "run".into(),
        n: 5,
        observation: Some(observation),
        missed: 0,
        said: OnceLock::new(),
    };
    let connecting = line(fact("a", Fact::Connecting));
    assert!(connecting.chunk(&wanted(&[], &[], &[], Level::INFO)).is_none(), "it matters less");
    let debug = |accounts: &[&str], servers: &[&str], facts: &[&str]| {
        connecting.chunk(&wanted(accounts, servers, facts, Level::DEBUG)).is_some()
    };
    assert!(debug(&[], &[], &[]) && debug(&["b", "a"], &[], &["connecting"]));
    assert!(!debug(&["b"], &[], &[]) && !debug(&[], &["main"], &[]) && !debug(&[], &[], &["ready"]));
    let chunk = connecting.chunk(&wanted(&[], &[], &[], Level::DEBUG)).unwrap();
    let text = std::str::from_utf8(&chunk).unwrap();
    assert!(text.starts_with("id: run-5\nevent: fact\ndata: {") && text.ends_with("}\n\n"), "{text}");
    let missing = LogEntry { observation: None, missed: 3, ..line(fact("a", Fact::Connecting)) };
    let told = missing.chunk(&wanted(&["b"], &[], &["ready"], Level::ERROR)).unwrap();
    assert_eq!(told, gap_event(3), "whoever misses facts is told, whatever they were");
}
