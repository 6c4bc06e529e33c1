//! What happens, kept for a while for whoever listens.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use actix_web::web::Bytes;
use matterhost_actors::model::{Fact, Observation, Subject};
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

/// Facts kept for those who come back (`Last-Event-ID`) and those who are slow: what ten thousand accounts say in one
/// second of a storm.
const KEPT: usize = 10_000;

/// What happens, for whoever listens.
#[derive(Clone)]
pub(super) struct EventLog(Arc<Inner>);

struct Inner {
    /// Tells this run's facts from those of another.
    instance: Arc<str>,
    source: Mutex<Option<Receiver<Arc<Observation>>>>,
    kept: Mutex<Kept>,
    /// The number of the next, for those who wait for it.
    news: watch::Sender<u64>,
}

#[derive(Default)]
struct Kept {
    lines: VecDeque<Arc<LogEntry>>,
    /// The number of the next.
    next: u64,
}

/// A fact and its number. It is put into words when the first listener wants it.
pub(super) struct LogEntry {
    instance: Arc<str>,
    n: u64,
    observation: Option<Arc<Observation>>,
    missed: u64,
    said: OnceLock<Said>,
}

struct Said {
    level: Level,
    chunk: Bytes,
}

/// Somebody who listens. It keeps a number and no facts: however slow it is, it costs no more.
pub(super) struct EventLogReader {
    log: EventLog,
    /// The number of the fact that it gets next.
    next: u64,
    /// Whether it was somewhere that is not known here.
    unknown: bool,
    news: watch::Receiver<u64>,
}

/// What a listener hears.
pub(super) enum EventLogItem {
    Entry(Arc<LogEntry>),
    /// So many are not kept any more, at least; 0 when that is not known.
    Missed(u64),
}

impl EventLog {
    pub(super) fn new(instance: Arc<str>, source: Receiver<Arc<Observation>>) -> Self {
        Self(Arc::new(Inner {
            instance,
            source: Mutex::new(Some(source)),
            kept: Mutex::default(),
            news: watch::Sender::new(0),
        }))
    }

    /// Follows what happens, on this thread, until the Supervisor is gone.
    pub(super) fn follow(&self) {
        let source = self.0.source.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut source) = source else { return };
        let facts = self.clone();
        actix_rt::spawn(async move {
            loop {
                match source.recv().await {
                    Ok(observation) if matches!(observation.fact, Fact::ProbeGood { .. }) => {}
                    Ok(observation) => facts.add(Some(observation), 0),
                    Err(RecvError::Lagged(missed)) => facts.add(None, missed),
                    Err(RecvError::Closed) => return,
                }
            }
        });
    }

    fn add(&self, observation: Option<Arc<Observation>>, missed: u64) {
        let mut kept = self.kept();
        let instance = Arc::clone(&self.0.instance);
        let line = Arc::new(LogEntry { instance, n: kept.next, observation, missed, said: OnceLock::new() });
        kept.next += 1;
        if kept.lines.len() == KEPT {
            kept.lines.pop_front();
        }
        kept.lines.push_back(line);
        self.0.news.send_replace(kept.next);
    }

    /// Listens from now on, or from where a listener was. Where that was in another run, it begins with all that is kept.
    pub(super) fn listen(&self, last: Option<&str>) -> EventLogReader {
        let kept = self.kept();
        let after = last.and_then(|last| self.number_of(last));
        let next = match (last, after) {
            (None, _) => kept.next,
            (Some(_), Some(after)) => after.saturating_add(1).min(kept.next),
            (Some(_), None) => kept.first(),
        };
        let unknown = last.is_some() && after.is_none();
        EventLogReader { log: self.clone(), next, unknown, news: self.0.news.subscribe() }
    }

    /// The number in the id of a fact of this run.
    fn number_of(&self, id: &str) -> Option<u64> {
        let (instance, number) = id.rsplit_once('-')?;
        if instance == &*self.0.instance { number.parse().ok() } else { None }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // A panic while it was held leaves a list that is whole.
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// The number of the first that is kept.
    fn first(&self) -> u64 {
        self.lines.front().map_or(self.next, |line| line.n)
    }

    fn line(&self, number: u64) -> Option<Arc<LogEntry>> {
        let at = usize::try_from(number.checked_sub(self.first())?).ok()?;
        self.lines.get(at).cloned()
    }
}

impl EventLogReader {
    /// Waits for the next; `None` when there will be none.
    pub(super) async fn next(&mut self) -> Option<EventLogItem> {
        if std::mem::take(&mut self.unknown) {
            return Some(EventLogItem::Missed(0));
        }
        loop {
            if let Some(heard) = self.kept() {
                return Some(heard);
            }
            self.news.changed().await.ok()?;
        }
    }

    fn kept(&mut self) -> Option<EventLogItem> {
        let kept = self.log.kept();
        let first = kept.first();
        if self.next < first {
            let missed = first - self.next;
            self.next = first;
            return Some(EventLogItem::Missed(missed));
        }
        let line = kept.line(self.next)?;
        self.next += 1;
        Some(EventLogItem::Entry(line))
    }
}

impl LogEntry {
    /// The event of the stream, if the listener wants it.
    pub(super) fn chunk(&self, wanted: &EventFilter) -> Option<Bytes> {
        let Some(observation) = &self.observation else { return Some(gap_event(self.missed)) };
        if !wanted.subject(&observation.subject) || !wanted.fact(observation.fact.label()) {
            return None;
        }
        let said = self.said.get_or_init(|| self.say(observation));
        (said.level <= wanted.level).then(|| said.chunk.clone())
    }

    fn say(&self, observation: &Observation) -> Said {
        let told = facts::describe(&observation.fact);
        let level = told.level;
        // Texts and numbers cannot fail to be written.
        let json = serde_json::to_string(&fact(observation, told)).unwrap_or_default();
        let chunk = format!("id: {}-{}\nevent: fact\ndata: {json}\n\n", self.instance, self.n);
        Said { level, chunk: chunk.into() }
    }
}

/// The event that says that some were left out.
pub(super) fn gap_event(missed: u64) -> Bytes {
    let json = serde_json::to_string(&dto::Gap { missed }).unwrap_or_default();
    format!("event: gap\ndata: {json}\n\n").into()
}

fn fact(observation: &Observation, told: Description) -> dto::Fact {
    let (account, generation, server) = match &observation.subject {
        Subject::Account(account, generation) => (Some(account.to_string()), Some(generation.0), None),
        Subject::Server(server) => (None, None, Some(server.to_string())),
    };
    let fields = told.fields;
    dto::Fact {
        at: rfc3339(observation.at),
        account,
        generation,
        server,
        fact: observation.fact.label().into(),
        level: told.level.as_str().to_lowercase(),
        message: told.message,
        reason: fields.reason.map(Into::into),
        charged: fields.charged,
        delay_ms: fields.delay_ms,
        took_ms: fields.took_ms,
        ready_ms: fields.ready_ms,
        resumed: fields.resumed,
    }
}

/// What a listener wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EventFilter {
    /// Only these accounts; all when there is none.
    pub(super) accounts: Vec<String>,
    /// Only these servers' own facts; all when there is none.
    pub(super) servers: Vec<String>,
    /// Only these facts; all when there is none.
    pub(super) facts: Vec<String>,
    /// Nothing that matters less.
    pub(super) level: Level,
}

impl EventFilter {
    fn subject(&self, subject: &Subject) -> bool {
        if self.accounts.is_empty() && self.servers.is_empty() {
            return true;
        }
        match subject {
            Subject::Account(name, _) => self.accounts.iter().any(|wanted| wanted == name.as_str()),
            Subject::Server(name) => self.servers.iter().any(|wanted| wanted == name.as_str()),
        }
    }

    fn fact(&self, label: &str) -> bool {
        self.facts.is_empty() || self.facts.iter().any(|wanted| wanted == label)
    }
}

#[cfg(test)]
mod tests;
