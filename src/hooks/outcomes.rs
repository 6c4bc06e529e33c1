//! The end of the sinks' work on a request.

use std::time::Duration;

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use matterhost_actors::ports::Outcome;
use tokio::time::timeout;

use super::service::{BUSY, FAILED};
use crate::sinks::{AskedSink, SinkAnswer};

/// The time after which a handler that answers nothing is given up: as long as a reply token is good. A handler that takes an event
/// for later may be at work for hours.
const GIVE_UP_AFTER: Duration = Duration::from_secs(24 * 3600);

/// The end of the sinks' work on an event.
#[derive(Debug, PartialEq)]
pub(super) enum Answered {
    /// One of them took it.
    Taken,
    /// None did, because they have too many others.
    Busy,
    /// None did.
    Failed,
}

impl Answered {
    /// Returns the words for the person, in the response or later; `None` if a sink took the event.
    pub(super) fn words(&self) -> Option<&'static str> {
        match self {
            Self::Taken => None,
            Self::Busy => Some(BUSY),
            Self::Failed => Some(FAILED),
        }
    }
}

/// Waits for the sinks' answers.
pub(super) async fn outcomes(asked: Vec<AskedSink>) -> Answered {
    let mut waiting: FuturesUnordered<_> = asked.into_iter().map(outcome).collect();
    let mut all = Vec::new();
    while let Some(answered) = waiting.next().await {
        all.push(answered);
    }
    if all.contains(&Answered::Taken) {
        Answered::Taken
    } else if all.contains(&Answered::Failed) {
        Answered::Failed
    } else {
        Answered::Busy
    }
}

async fn outcome(asked: AskedSink) -> Answered {
    let outcome = match timeout(GIVE_UP_AFTER, asked.answer).await {
        Ok(SinkAnswer::Settled(outcome)) => outcome,
        Ok(SinkAnswer::Busy) => {
            let sink = &*asked.name;
            tracing::warn!(
                sink,
                "a command, button or dialog did not reach the handler, which has too many others"
            );
            return Answered::Busy;
        }
        Err(_) => return Answered::Failed,
    };
    let cause = match outcome {
        Outcome::Acknowledged => return Answered::Taken,
        Outcome::Retry { cause, .. } | Outcome::Hold { cause, .. } => cause,
        Outcome::Rejected { cause } | Outcome::Broken { cause } => cause,
    };
    tracing::warn!(sink = &*asked.name, cause, "a sink did not take a command, button or dialog");
    Answered::Failed
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, future::ready};

    use super::*;

    fn asked(answer: SinkAnswer) -> AskedSink {
        AskedSink { name: "hook".into(), has_handler: true, answer: ready(answer).boxed() }
    }

    #[tokio::test]
    async fn a_person_reads_why_no_sink_took_the_event() {
        let taken = || asked(SinkAnswer::Settled(Outcome::Acknowledged));
        let failed = || asked(SinkAnswer::Settled(Outcome::Rejected { cause: "no".into() }));
        let busy = || asked(SinkAnswer::Busy);
        for (sinks, words) in [
            (vec![busy(), taken()], None),
            (vec![failed(), taken()], None),
            (vec![busy(), failed()], Some(FAILED)),
            (vec![busy(), busy()], Some(BUSY)),
        ] {
            assert_eq!(outcomes(sinks).await.words(), words);
        }
    }
}
