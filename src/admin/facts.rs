//! What happens, kept for a while for whoever listens.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use actix_web::web::Bytes;
use matterhost_actors::model::{Fact, Observation, Subject};
use tokio::sync::broadcast::{Receiver, Sender, error::RecvError};
use tracing::Level;

use crate::{
    api,
    observe::{self, Told},
};

/// Facts kept for those who come back (`Last-Event-ID`): what ten thousand accounts say in one second of a storm.
const KEPT: usize = 10_000;
/// Facts that a slow listener may lag behind before it is told that it missed some.
const BACKLOG: usize = 4_096;

/// What happens, for whoever listens.
#[derive(Clone)]
pub(super) struct Facts(Arc<Inner>);

struct Inner {
    /// Tells this run's facts from those of another.
    instance: Arc<str>,
    source: Mutex<Option<Receiver<Arc<Observation>>>>,
    kept: Mutex<Kept>,
    sender: Sender<Arc<Line>>,
}

#[derive(Default)]
struct Kept {
    lines: VecDeque<Arc<Line>>,
    /// The number of the next.
    next: u64,
}

/// A fact and its number. It is put into words when the first listener wants it.
pub(super) struct Line {
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

/// What a listener gets at first, and then.
pub(super) struct Listening {
    /// What it missed, as far as it is kept.
    pub(super) since: Vec<Arc<Line>>,
    /// Whether some of it is not kept any more.
    pub(super) gap: bool,
    pub(super) receiver: Receiver<Arc<Line>>,
}

impl Facts {
    pub(super) fn new(instance: Arc<str>, source: Receiver<Arc<Observation>>) -> Self {
        Self(Arc::new(Inner {
            instance,
            source: Mutex::new(Some(source)),
            kept: Mutex::default(),
            sender: Sender::new(BACKLOG),
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
        let line = Arc::new(Line { instance, n: kept.next, observation, missed, said: OnceLock::new() });
        kept.next += 1;
        if kept.lines.len() == KEPT {
            kept.lines.pop_front();
        }
        kept.lines.push_back(Arc::clone(&line));
        // An error says that nobody listens.
        let _ = self.0.sender.send(line);
    }

    /// Listens from now on, or from where a listener was.
    pub(super) fn listen(&self, last: Option<&str>) -> Listening {
        let kept = self.kept();
        let receiver = self.0.sender.subscribe();
        let Some(last) = last else { return Listening { since: Vec::new(), gap: false, receiver } };
        let after = last.rsplit_once('-').filter(|(instance, _)| *instance == &*self.0.instance);
        let after = after.and_then(|(_, n)| n.parse::<u64>().ok());
        let since: Vec<_> =
            kept.lines.iter().filter(|line| after.is_none_or(|after| line.n > after)).cloned().collect();
        let first = since.first().map_or(kept.next, |line| line.n);
        // What another run said is not known here.
        let gap = after.is_none_or(|after| first > after.saturating_add(1));
        Listening { since, gap, receiver }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // A panic while it was held leaves a list that is whole.
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    /// The event of the stream, if the listener wants it.
    pub(super) fn chunk(&self, wanted: &Wanted) -> Option<Bytes> {
        let Some(observation) = &self.observation else { return Some(gap(self.missed)) };
        if !wanted.subject(&observation.subject) || !wanted.fact(observation.fact.label()) {
            return None;
        }
        let said = self.said.get_or_init(|| self.say(observation));
        (said.level <= wanted.level).then(|| said.chunk.clone())
    }

    fn say(&self, observation: &Observation) -> Said {
        let told = observe::told(&observation.fact);
        let level = told.level;
        // Texts and numbers cannot fail to be written.
        let json = serde_json::to_string(&fact(observation, told)).unwrap_or_default();
        let chunk = format!("id: {}-{}\nevent: fact\ndata: {json}\n\n", self.instance, self.n);
        Said { level, chunk: chunk.into() }
    }
}

/// The event that says that some were left out.
pub(super) fn gap(missed: u64) -> Bytes {
    let json = serde_json::to_string(&api::Gap { missed }).unwrap_or_default();
    format!("event: gap\ndata: {json}\n\n").into()
}

fn fact(observation: &Observation, told: Told) -> api::Fact {
    let (account, generation, server) = match &observation.subject {
        Subject::Account(account, generation) => (Some(account.to_string()), Some(generation.0), None),
        Subject::Server(server) => (None, None, Some(server.to_string())),
    };
    let fields = told.fields;
    api::Fact {
        at: api::time(observation.at),
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
pub(super) struct Wanted {
    /// Only these accounts; all when there is none.
    pub(super) accounts: Vec<String>,
    /// Only these servers' own facts; all when there is none.
    pub(super) servers: Vec<String>,
    /// Only these facts; all when there is none.
    pub(super) facts: Vec<String>,
    /// Nothing that matters less.
    pub(super) level: Level,
}

impl Wanted {
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
