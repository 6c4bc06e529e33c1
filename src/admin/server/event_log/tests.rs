use std::time::SystemTime;

use futures_util::FutureExt as _;
use matterhost_actors::{
    hosting::Observer,
    model::{AccountName, Generation, ServerName},
};

use super::*;

fn new_log() -> EventLog {
    EventLog::new("run".into(), Observer::default().subscribe())
}

fn fact(account: &str, fact: Fact) -> Arc<Observation> {
    let account = AccountName::new(account).unwrap();
    let subject = Subject::Account(account, Generation(1));
    let server = ServerName::new("main").unwrap();
    Arc::new(Observation { at: SystemTime::now(), server, subject, fact })
}

fn add(log: &EventLog, count: usize) {
    (0..count).for_each(|_| log.add(Some(fact("a", Fact::Stopped)), 0));
}

/// Returns the next item without waiting: the number of a fact, or the number of missing facts.
fn read(reader: &mut EventLogReader) -> Option<Result<u64, u64>> {
    reader.next().now_or_never().map(|item| match item.unwrap() {
        EventLogItem::Entry(entry) => Ok(entry.number),
        EventLogItem::Missed(missed) => Err(missed),
    })
}

#[test]
fn a_new_reader_gets_later_facts() {
    let log = new_log();
    add(&log, 2);
    let mut reader = log.reader(None);
    assert_eq!(read(&mut reader), None);
    add(&log, 1);
    assert_eq!(read(&mut reader), Some(Ok(2)));
    assert_eq!(read(&mut reader), None);
}

#[test]
fn a_returning_reader_continues_after_its_last_fact() {
    let log = new_log();
    add(&log, 3);
    let mut reader = log.reader(Some("run-0"));
    assert_eq!([read(&mut reader), read(&mut reader)], [Some(Ok(1)), Some(Ok(2))]);
    for last in ["run-2", "run-99", "run-18446744073709551615"] {
        let mut reader = log.reader(Some(last));
        assert_eq!(read(&mut reader), None, "{last}");
        add(&log, 1);
        assert!(matches!(read(&mut reader), Some(Ok(_))), "{last}");
    }
}

#[test]
fn an_id_of_another_run_or_of_nothing_begins_with_a_gap_and_all_that_is_kept() {
    let log = new_log();
    add(&log, 1);
    for unknown in ["other-5", "run-", "run-x", "run--1", "", "5", "\u{0}"] {
        let mut reader = log.reader(Some(unknown));
        assert_eq!(read(&mut reader), Some(Err(0)), "{unknown:?}");
        assert_eq!(read(&mut reader), Some(Ok(0)), "{unknown:?}");
        assert_eq!(read(&mut reader), None, "{unknown:?}");
    }
}

#[test]
fn a_slow_reader_gets_a_gap_and_memory_stays_bounded() {
    let log = new_log();
    let mut reader = log.reader(None);
    add(&log, CAPACITY + 7);
    assert_eq!(log.0.entries.lock().queue.len(), CAPACITY);
    assert_eq!(read(&mut reader), Some(Err(7)));
    assert_eq!(read(&mut reader), Some(Ok(7)));
    let mut back = log.reader(Some("run-2"));
    assert_eq!(read(&mut back), Some(Err(4)), "3 to 6");
}

#[test]
fn a_reader_gets_the_facts_that_pass_its_filter() {
    let filter = |accounts: &[&str], servers: &[&str], facts: &[&str], level| {
        let words = |list: &[&str]| list.iter().map(ToString::to_string).collect();
        EventFilter { accounts: words(accounts), servers: words(servers), facts: words(facts), level }
    };
    let entry = |observation| LogEntry {
        instance: "run".into(),
        number: 5,
        observation: Some(observation),
        missed: 0,
        rendered: OnceLock::new(),
    };
    let connecting = entry(fact("a", Fact::Connecting));
    assert!(connecting.chunk(&filter(&[], &[], &[], Level::INFO)).is_none(), "below the level");
    let debug = |accounts: &[&str], servers: &[&str], facts: &[&str]| {
        connecting.chunk(&filter(accounts, servers, facts, Level::DEBUG)).is_some()
    };
    assert!(debug(&[], &[], &[]) && debug(&["b", "a"], &[], &["connecting"]));
    assert!(!debug(&["b"], &[], &[]) && !debug(&[], &["main"], &[]) && !debug(&[], &[], &["ready"]));
    let chunk = connecting.chunk(&filter(&[], &[], &[], Level::DEBUG)).unwrap();
    let text = std::str::from_utf8(&chunk).unwrap();
    assert!(text.starts_with("id: run-5\nevent: fact\ndata: {") && text.ends_with("}\n\n"), "{text}");
    let missing = LogEntry { observation: None, missed: 3, ..entry(fact("a", Fact::Connecting)) };
    let gap = missing.chunk(&filter(&["b"], &[], &["ready"], Level::ERROR)).unwrap();
    assert_eq!(gap, gap_event(3), "a gap passes every filter");
}
