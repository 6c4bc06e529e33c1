//! A sink that an operator restarts, retries and skips at random, beside a channel that is never held up.

use std::{
    pin::pin,
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
        HandlerDeps, board::SinkHandle, dead_letter::DeadLetters, hook_places::HookPlaces,
        letter_target::LetterTarget, watched::WatchedSink,
    },
};

/// The longest wait of the channel without faults that the host may cause.
const HEALTHY: Duration = Duration::from_secs(1);

/// The time of a short sleep on a machine that is too busy for its waits to mean anything.
const BUSY: Duration = Duration::from_millis(100);

/// The longest pause of the operator between two commands.
const OPERATOR_PAUSE_MS: u64 = 300;

/// A sink as accounts and operators see it.
pub(super) struct Operated {
    sink: WatchedSink,
    handle: SinkHandle,
    /// Returns the times that the starts of the handler have taken.
    starts: Box<dyn Fn() -> Vec<Duration>>,
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
        starts: impl Fn() -> Vec<Duration> + 'static,
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
            again: None,
            hooks: HookPlaces::default(),
            poster: Arc::clone(&deps.poster),
            detached: Arc::clone(&deps.detached),
        };
        let sink = WatchedSink::new(sink, deps);
        Self { sink, handle, starts: Box::new(starts), retry: Arc::default() }
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
    /// Returns the ids of the events that were refused.
    pub(super) async fn storm(&self, seed: u64) -> Vec<String> {
        let random = fastrand::Rng::with_seed(seed);
        let refused = tokio::select! {
            refused = self.deliver_beside(self.deliver_posts()) => refused,
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

    /// Delivers an event of the channel without faults. Returns the time that the host let it wait: a handler that is started
    /// anew takes its own time, which is no fault of the host. `None` if the machine was too busy to tell.
    async fn deliver_healthy(&self, n: usize) -> Option<Duration> {
        let (given, before, told) = (Instant::now(), self.count_starts(), (self.starts)().len());
        let event = post("healthy", &format!("healthy-{n}"));
        let mut delivering = pin!(self.deliver(&event));
        let mut is_busy = false;
        let outcome = loop {
            let asleep = Instant::now();
            tokio::select! {
                biased;
                outcome = &mut delivering => break outcome,
                () = sleep(Duration::from_millis(5)) => is_busy |= asleep.elapsed() > BUSY,
            }
        };
        assert_eq!(outcome, Outcome::Acknowledged);
        let (wait, starts, count) = (given.elapsed(), (self.starts)(), self.count_starts() - before);
        // Those that were ended before they could tell their time, and the one under way at first, took no longer than others.
        let untold = 1 + count.saturating_sub(starts.len() - told);
        let longest = starts.iter().max().copied().unwrap_or_default();
        let starting = starts[told..].iter().sum::<Duration>() + longest * u32::try_from(untold).unwrap();
        (!is_busy).then(|| wait.saturating_sub(starting))
    }

    /// Returns the number of times that the handler was started.
    fn count_starts(&self) -> usize {
        self.handle.monitor.snapshot(Arc::default()).starts.try_into().unwrap()
    }

    /// Delivers events of a channel without faults until the others are done. None may wait for long.
    async fn deliver_beside<T>(&self, others: impl Future<Output = T>) -> T {
        let mut others = pin!(others);
        let mut waits = Vec::new();
        let done = loop {
            tokio::select! {
                done = &mut others => break done,
                wait = self.deliver_healthy(waits.len()) => waits.push(wait),
            }
            sleep(Duration::from_millis(5)).await;
        };
        let slow = waits.iter().flatten().filter(|wait| **wait > HEALTHY).count();
        println!(
            "{} healthy events waited: {:?} of {}",
            waits.len(),
            waits.iter().flatten().max(),
            waits.iter().flatten().count()
        );
        assert_eq!(slow, 0, "of {} healthy events: {waits:?}", waits.len());
        done
    }
}
