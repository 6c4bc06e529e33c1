//! A bounded log of facts for the clients of `/v1/events`.

use std::{
    collections::VecDeque,
    sync::{Arc, OnceLock},
};

use actix_web::web::Bytes;
use matterhost_actors::model::{Fact, Observation, Subject};
use parking_lot::Mutex;
use tokio::sync::{
    broadcast::{Receiver, error::RecvError},
    watch,
};
use tracing::Level;

use crate::{
    admin::dto,
    telemetry::{
        facts::{self, Description},
        time::rfc3339,
    },
};

/// Facts kept for clients that reconnect (`Last-Event-ID`) or are slow: those of ten thousand accounts in one second of a
/// storm.
const CAPACITY: usize = 10_000;

/// A bounded log of facts, shared by its readers.
#[derive(Clone)]
pub(super) struct EventLog(Arc<Inner>);

struct Inner {
    /// The id of this process, which is part of each event's id.
    instance: Arc<str>,
    source: Mutex<Option<Receiver<Arc<Observation>>>>,
    entries: Mutex<Entries>,
    /// The number of the next fact, to wake waiting readers.
    next_number: watch::Sender<u64>,
}

#[derive(Default)]
struct Entries {
    queue: VecDeque<Arc<LogEntry>>,
    /// The number of the next fact.
    next: u64,
}

/// A fact and its number. It is rendered when the first reader wants it.
pub(super) struct LogEntry {
    instance: Arc<str>,
    number: u64,
    observation: Option<Arc<Observation>>,
    missed: u64,
    rendered: OnceLock<Rendered>,
}

struct Rendered {
    level: Level,
    chunk: Bytes,
}

/// A reader of the log. It holds a number and no facts, so a slow reader costs no more memory.
pub(super) struct EventLogReader {
    log: EventLog,
    /// The number of the next fact to read.
    next: u64,
    /// True until the reader was notified that its last event id is unknown.
    unknown: bool,
    next_number: watch::Receiver<u64>,
}

/// An item that a reader gets.
pub(super) enum EventLogItem {
    Entry(Arc<LogEntry>),
    /// The least number of facts that are no longer kept; 0 if it is not known.
    Missed(u64),
}

impl EventLog {
    pub(super) fn new(instance: Arc<str>, source: Receiver<Arc<Observation>>) -> Self {
        Self(Arc::new(Inner {
            instance,
            source: Mutex::new(Some(source)),
            entries: Mutex::default(),
            next_number: watch::Sender::new(0),
        }))
    }

    /// Records facts on this thread until the Supervisor is gone.
    pub(super) fn follow(&self) {
        let source = self.0.source.lock().take();
        let Some(mut source) = source else { return };
        let log = self.clone();
        actix_rt::spawn(async move {
            loop {
                match source.recv().await {
                    Ok(observation) if matches!(observation.fact, Fact::ProbeGood { .. }) => {}
                    Ok(observation) => log.add(Some(observation), 0),
                    Err(RecvError::Lagged(missed)) => log.add(None, missed),
                    Err(RecvError::Closed) => return,
                }
            }
        });
    }

    fn add(&self, observation: Option<Arc<Observation>>, missed: u64) {
        let mut entries = self.0.entries.lock();
        let instance = Arc::clone(&self.0.instance);
        let rendered = OnceLock::new();
        let entry = Arc::new(LogEntry { instance, number: entries.next, observation, missed, rendered });
        entries.next += 1;
        if entries.queue.len() == CAPACITY {
            entries.queue.pop_front();
        }
        entries.queue.push_back(entry);
        self.0.next_number.send_replace(entries.next);
    }

    /// Creates a reader that begins with the next fact, or after the event with the id `last`. If that id is of another run,
    /// the reader begins with a gap and all facts that are kept.
    pub(super) fn reader(&self, last: Option<&str>) -> EventLogReader {
        let entries = self.0.entries.lock();
        let after = last.and_then(|last| self.number_of(last));
        let next = match (last, after) {
            (None, _) => entries.next,
            (Some(_), Some(after)) => after.saturating_add(1).min(entries.next),
            (Some(_), None) => entries.first(),
        };
        let unknown = last.is_some() && after.is_none();
        EventLogReader { log: self.clone(), next, unknown, next_number: self.0.next_number.subscribe() }
    }

    /// Parses the number in an event id of this run.
    fn number_of(&self, id: &str) -> Option<u64> {
        let (instance, number) = id.rsplit_once('-')?;
        if instance == &*self.0.instance { number.parse().ok() } else { None }
    }
}

impl Entries {
    /// Returns the number of the oldest fact that is kept.
    fn first(&self) -> u64 {
        self.queue.front().map_or(self.next, |entry| entry.number)
    }

    fn get(&self, number: u64) -> Option<Arc<LogEntry>> {
        let index = usize::try_from(number.checked_sub(self.first())?).ok()?;
        self.queue.get(index).cloned()
    }
}

impl EventLogReader {
    /// Waits for the next item; returns `None` once the log has ended.
    pub(super) async fn next(&mut self) -> Option<EventLogItem> {
        if std::mem::take(&mut self.unknown) {
            return Some(EventLogItem::Missed(0));
        }
        loop {
            if let Some(item) = self.try_next() {
                return Some(item);
            }
            self.next_number.changed().await.ok()?;
        }
    }

    fn try_next(&mut self) -> Option<EventLogItem> {
        let entries = self.log.0.entries.lock();
        let first = entries.first();
        if self.next < first {
            let missed = first - self.next;
            self.next = first;
            return Some(EventLogItem::Missed(missed));
        }
        let entry = entries.get(self.next)?;
        self.next += 1;
        Some(EventLogItem::Entry(entry))
    }
}

impl LogEntry {
    /// Returns the event of the stream, if it passes the filter.
    pub(super) fn chunk(&self, filter: &EventFilter) -> Option<Bytes> {
        let Some(observation) = &self.observation else { return Some(gap_event(self.missed)) };
        if !filter.matches_subject(&observation.subject) || !filter.matches_fact(observation.fact.label()) {
            return None;
        }
        let rendered = self.rendered.get_or_init(|| self.render(observation));
        (rendered.level <= filter.level).then(|| rendered.chunk.clone())
    }

    fn render(&self, observation: &Observation) -> Rendered {
        let description = facts::describe(&observation.fact);
        let level = description.level;
        // Strings and numbers always serialize.
        let json = serde_json::to_string(&fact(observation, description)).unwrap_or_default();
        let chunk = format!("id: {}-{}\nevent: fact\ndata: {json}\n\n", self.instance, self.number);
        Rendered { level, chunk: chunk.into() }
    }
}

/// Formats the event for missing facts.
pub(super) fn gap_event(missed: u64) -> Bytes {
    let json = serde_json::to_string(&dto::Gap { missed }).unwrap_or_default();
    format!("event: gap\ndata: {json}\n\n").into()
}

fn fact(observation: &Observation, description: Description) -> dto::Fact {
    let (account, generation, server) = match &observation.subject {
        Subject::Account(account, generation) => (Some(account.to_string()), Some(generation.0), None),
        Subject::Server(server) => (None, None, Some(server.to_string())),
    };
    let fields = description.fields;
    dto::Fact {
        at: rfc3339(observation.at),
        account,
        generation,
        server,
        fact: observation.fact.label().into(),
        level: description.level.as_str().to_lowercase(),
        message: description.message,
        reason: fields.reason.map(Into::into),
        charged: fields.charged,
        delay_ms: fields.delay_ms,
        took_ms: fields.took_ms,
        ready_ms: fields.ready_ms,
        resumed: fields.resumed,
    }
}

/// The filter of a stream of facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EventFilter {
    /// Accounts to include; all if empty.
    pub(super) accounts: Vec<String>,
    /// Servers whose own facts to include; all if empty.
    pub(super) servers: Vec<String>,
    /// Facts to include; all if empty.
    pub(super) facts: Vec<String>,
    /// The least severe level to include.
    pub(super) level: Level,
}

impl EventFilter {
    fn matches_subject(&self, subject: &Subject) -> bool {
        if self.accounts.is_empty() && self.servers.is_empty() {
            return true;
        }
        match subject {
            Subject::Account(name, _) => self.accounts.iter().any(|wanted| wanted == name.as_str()),
            Subject::Server(name) => self.servers.iter().any(|wanted| wanted == name.as_str()),
        }
    }

    fn matches_fact(&self, label: &str) -> bool {
        self.facts.is_empty() || self.facts.iter().any(|wanted| wanted == label)
    }
}

#[cfg(test)]
mod tests;
