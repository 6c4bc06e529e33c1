//! Tries dead letters again.

use std::{io, sync::Arc, time::Duration};

use matterhost_actors::{
    policy::RestartPolicy,
    ports::{Delivered, Outcome, Poster},
};
use tokio::time::{Instant, sleep};

use super::{DeadLetter, DeadLetters};
use crate::config::{Config, SinkConfig, SinkKind};
use crate::sinks::{
    Supplies,
    exec::Exec,
    message::Message,
    reply::NotPosted,
    webhook::Webhook,
    worker::{self, Worker},
};

/// A handler that has taken nothing for so long is down: the rest waits for another time.
const GIVE_UP_AFTER: Duration = Duration::from_secs(60);
/// However long a handler wants to be left alone, somebody waits for the end of this.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// What became of a sink's dead letters.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tally {
    /// The handler has them now.
    pub taken: usize,
    /// It refused them again; they are kept.
    pub refused: usize,
    /// They were not tried to the end; they are kept.
    pub left: usize,
    /// Why some were not.
    pub cause: Option<String>,
}

/// A sink that takes a message.
enum Carrier {
    Webhook(Webhook),
    Exec(Exec),
}

/// Hands the dead letters of a sink to its handler once more, in order.
///
/// # Errors
/// When they cannot be read or written, or the sink cannot be started: then they are all still there.
pub async fn try_again(sink: &SinkConfig, config: &Config) -> io::Result<Tally> {
    let letters = DeadLetters::of(&sink.name, &config.dead_letter);
    let taken = letters.take()?;
    if taken.is_empty() {
        letters.done(&[])?;
        return Ok(Tally::default());
    }
    let Some(carrier) = Carrier::start(sink, config.host.restart)? else { return Ok(Tally::default()) };
    let (tally, kept) = carrier.carry_all(taken).await;
    worker::end(std::slice::from_ref(carrier.worker())).await;
    letters.done(&kept)?;
    Ok(tally)
}

impl Carrier {
    /// `None` for a sink that refuses nothing.
    fn start(sink: &SinkConfig, restart: RestartPolicy) -> io::Result<Option<Self>> {
        let poster: Arc<dyn Poster> = Arc::new(NotPosted::new(Arc::clone(&sink.name)));
        // What is refused again is kept once all are tried.
        let supplies = Supplies { sink: Arc::clone(&sink.name), poster, dead_letters: None };
        Ok(match &sink.kind {
            SinkKind::Webhook(config) => Some(Self::Webhook(Webhook::start((**config).clone(), supplies)?)),
            SinkKind::Exec(config) => Some(Self::Exec(Exec::start(config.clone(), restart, supplies)?)),
            SinkKind::Stdout | SinkKind::File(_) => None,
        })
    }

    async fn carry_all(&self, letters: Vec<DeadLetter>) -> (Tally, Vec<DeadLetter>) {
        let (mut tally, mut kept) = (Tally::default(), Vec::new());
        for mut letter in letters {
            if tally.cause.is_some() {
                tally.left += 1;
                kept.push(letter);
                continue;
            }
            match self.carry(letter.event.get()).await {
                Ok(()) => tally.taken += 1,
                Err(Refused::ForGood(cause)) => {
                    tally.refused += 1;
                    letter.cause = cause.into();
                    kept.push(letter);
                }
                Err(Refused::ForNow(cause)) => {
                    tally.left += 1;
                    tally.cause = Some(cause);
                    kept.push(letter);
                }
            }
        }
        (tally, kept)
    }

    async fn carry(&self, json: &str) -> Result<(), Refused> {
        let message = Message::read(json).ok_or(Refused::ForGood("the event cannot be read".into()))?;
        let end = Instant::now() + GIVE_UP_AFTER;
        loop {
            match self.deliver(message.clone()).await {
                Outcome::Acknowledged => return Ok(()),
                Outcome::Rejected { cause } => return Err(Refused::ForGood(cause)),
                Outcome::Retry { cause, .. } | Outcome::Broken { cause } if Instant::now() >= end => {
                    return Err(Refused::ForNow(cause));
                }
                Outcome::Retry { after, .. } => sleep(after.min(LONGEST_WAIT)).await,
                Outcome::Broken { .. } => sleep(LONGEST_WAIT).await,
            }
        }
    }

    async fn deliver(&self, message: Message) -> Outcome {
        let delivered = match self {
            Self::Webhook(webhook) => webhook.carry(message),
            Self::Exec(exec) => exec.carry(message),
        };
        match delivered {
            Delivered::Now(outcome) => outcome,
            Delivered::Later(outcome) => outcome.await,
        }
    }

    fn worker(&self) -> &Worker {
        match self {
            Self::Webhook(webhook) => &webhook.worker,
            Self::Exec(exec) => &exec.worker,
        }
    }
}

enum Refused {
    ForGood(String),
    ForNow(String),
}
