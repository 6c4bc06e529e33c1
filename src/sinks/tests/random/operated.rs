//! A sink that an operator restarts, retries and skips at random, beside a channel that is never held up.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use matterhost_actors::{
    model::Event,
    ports::{EventSink, Outcome},
};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use super::{
    super::fixtures::{DEADLINE, outcome, post},
    CHANNELS, POSTS, id,
};
use crate::{
    config::FilterConfig,
    sinks::{
        HandlerDeps, board::SinkHandle, dead_letter::DeadLetters, running_sink::LetterTarget,
        watched::WatchedSink,
    },
};

/// The longest usual wait of the channel without faults.
const HEALTHY: Duration = Duration::from_secs(1);

/// The same on a machine under load, as a multiple of the time of a start with one event.
const HEALTHY_STARTS: u32 = 3;

/// The longest pause of the operator between two commands.
const OPERATOR_PAUSE_MS: u64 = 300;

/// A sink as accounts and operators see it.
pub(super) struct Operated {
    sink: WatchedSink,
    handle: SinkHandle,
    /// Notified when accounts deliver at once what waits.
    retry: Arc<Notify>,
}

impl Operated {
    /// Wraps a sink that was started with these dependencies.
    pub(super) fn new(
        sink: Arc<dyn EventSink>,
        target: LetterTarget,
        deps: HandlerDeps,
        letters: DeadLetters,
    ) -> Self {
        let handle = SinkHandle {
            name: Arc::clone(&deps.sink),
            kind: "webhook",
            best_effort: false,
            slots: None,
            monitor: deps.monitor.clone(),
            letters,
            target: Some(target),
            filter: FilterConfig::default(),
            direct: Arc::downgrade(&sink),
            poster: Arc::clone(&deps.poster),
            detached: Arc::clone(&deps.detached),
        };
        Self { sink: WatchedSink::new(sink, deps), handle, retry: Arc::default() }
    }

    /// Delivers an event as a Delivery does, until it has a final outcome.
    async fn deliver(&self, event: &Arc<Event>) -> Outcome {
        let end = Instant::now() + DEADLINE;
        loop {
            match outcome(self.sink.deliver(event)).await {
                Outcome::Retry { after, cause } | Outcome::Hold { after, cause } => {
                    assert!(Instant::now() < end, "still retrying: {cause}");
                    // The shortest delay is that of a Delivery.
                    let after = after.clamp(Duration::from_millis(10), Duration::from_millis(100));
                    let _ = timeout(after, self.retry.notified()).await;
                }
                last => return last,
            }
        }
    }

    /// Gives random commands, with random pauses, for ever.
    async fn operate(&self, mut random: fastrand::Rng) {
        loop {
            sleep(Duration::from_millis(random.u64(..OPERATOR_PAUSE_MS))).await;
            match random.u8(..4) {
                0 => self.handle.restart(),
                1 => self.handle.retry_now(),
                // No event of the channel may be with the sink.
                _ => drop(self.handle.skip("helpdesk", &format!("c{}", random.usize(..CHANNELS)), None)),
            }
            self.retry.notify_waiters();
        }
    }

    /// Delivers the events while an operator gives commands, beside a channel without faults, and checks the dead letters.
    /// `seldom` is the divisor for its long waits. Returns the ids of the events that were refused.
    pub(super) async fn storm(&self, seed: u64, seldom: usize) -> Vec<String> {
        let random = fastrand::Rng::with_seed(seed);
        let refused = tokio::select! {
            refused = self.deliver_beside(seldom, self.deliver_posts()) => refused,
            () = self.operate(random) => unreachable!("the operator does not stop"),
        };
        let letters = self.handle.letters.list().unwrap();
        let mut letters: Vec<String> =
            letters.iter().filter_map(|letter| Some(letter.id()?.into())).collect();
        let mut expected = refused.clone();
        letters.sort();
        expected.sort();
        assert_eq!(letters, expected, "seed {seed}: each refused event is one dead letter");
        refused
    }

    /// Delivers the events. Returns the ids of those that were refused.
    async fn deliver_posts(&self) -> Vec<String> {
        let channel = |channel: usize| async move {
            let mut refused = Vec::new();
            for n in 0..POSTS {
                match self.deliver(&post(&format!("c{channel}"), &id(channel, n))).await {
                    Outcome::Acknowledged => {}
                    Outcome::Rejected { .. } => refused.push(id(channel, n)),
                    other => panic!("{other:?}"),
                }
            }
            refused
        };
        join_all((0..CHANNELS).map(channel)).await.concat()
    }

    /// Delivers an event of the channel without faults, and returns the time that it waited.
    async fn deliver_healthy(&self, n: usize) -> Duration {
        let began = Instant::now();
        assert_eq!(self.deliver(&post("healthy", &format!("healthy-{n}"))).await, Outcome::Acknowledged);
        began.elapsed()
    }

    /// Delivers events of a channel without faults until the others are done. None may wait for long.
    async fn deliver_beside<T>(&self, seldom: usize, others: impl Future<Output = T>) -> T {
        let first = self.deliver_healthy(0).await;
        let mut others = std::pin::pin!(others);
        let mut waits = Vec::new();
        let done = loop {
            tokio::select! {
                done = &mut others => break done,
                wait = self.deliver_healthy(waits.len() + 1) => waits.push(wait),
            }
            sleep(Duration::from_millis(5)).await;
        };
        self.handle.restart();
        let last = self.deliver_healthy(waits.len() + 1).await;
        let longest = HEALTHY.max(HEALTHY_STARTS * first.max(last));
        let slow = waits.iter().filter(|wait| **wait > longest).count();
        assert!(slow <= waits.len() / seldom, "{slow} of {} healthy events waited: {waits:?}", waits.len());
        done
    }
}
