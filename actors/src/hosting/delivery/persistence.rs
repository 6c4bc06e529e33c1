//! Storing acknowledgements: an account has one commit in flight at a time, and events do not wait for it, apart from the first.

use std::time::Duration;

use actix::{
    ActorFutureExt as _, AsyncContext as _, Context, Handler, Message, SpawnHandle, WrapFuture as _,
};
use tokio::{sync::oneshot, time::Instant};

use super::Delivery;
use crate::{
    hosting::shared_moments,
    model::{ChannelId, Fact, ResumePoint, StallCause},
    policy::{ReplayState, resume_unacknowledged},
    ports::StoreError,
};

/// The interval between commits of a busy account, at the same moments for all accounts of the process: they become one
/// transaction, with one wait for the disk. After a kill, the events acknowledged within this time are delivered again.
const COMMIT_INTERVAL: Duration = shared_moments::INTERVAL;

/// The wait before a failed commit is retried: enough time to free disk space, and short enough to wait for.
const RETRY_COMMIT_AFTER: Duration = Duration::from_secs(2);

/// The state of an account's commits.
#[derive(Default)]
pub(super) struct Persistence {
    is_in_flight: bool,
    /// The start of the last commit.
    began: Option<Instant>,
    /// The timer of the next commit.
    scheduled: Option<SpawnHandle>,
    /// True after a failed commit: no event is delivered until one succeeds.
    pub(super) failed: bool,
    /// True once the resume point is named: the events that it names as unacknowledged come again after the next start.
    pub(super) is_final: bool,
    /// Notified when all acknowledgements are stored.
    waiting: Vec<oneshot::Sender<()>>,
}

/// Stores everything acknowledged, together with the point at which the connection may be resumed.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(in crate::hosting) struct PersistFinalState {
    pub(in crate::hosting) resume: Option<ResumePoint>,
    pub(in crate::hosting) done: oneshot::Sender<()>,
}

impl Delivery {
    /// Commits the changes: now if the account was quiet or a caller waits for it, else at the end of the current interval.
    pub(super) fn save(&mut self, ctx: &mut Context<Self>) {
        if self.persistence.is_in_flight || self.context.replay.store().is_none() {
            return;
        }
        if !self.persistence.waiting.is_empty() && !self.persistence.failed {
            self.commit(ctx);
        } else if self.persistence.scheduled.is_none() && self.context.replay.has_changes() {
            if self.persistence.began.is_none_or(|began| began.elapsed() >= COMMIT_INTERVAL) {
                self.commit(ctx);
            } else {
                self.save_later(shared_moments::until_next(), ctx);
            }
        }
    }

    /// Notifies `done` when all acknowledgements until now are stored.
    pub(super) fn save_then_notify(&mut self, done: oneshot::Sender<()>, ctx: &mut Context<Self>) {
        if self.context.replay.store().is_some() {
            self.persistence.waiting.push(done);
            self.save(ctx);
        } else {
            // The caller may no longer wait.
            let _ = done.send(());
        }
    }

    /// True while no event is delivered because the store has not taken what came before.
    pub(super) fn awaits_store(&self) -> bool {
        self.persistence.failed || self.context.replay.has_unsaved_start()
    }

    fn save_later(&mut self, wait: Duration, ctx: &mut Context<Self>) {
        let timer = ctx.run_later(wait, |act, ctx| {
            act.persistence.scheduled = None;
            act.commit(ctx);
        });
        self.persistence.scheduled = Some(timer);
    }

    fn commit(&mut self, ctx: &mut Context<Self>) {
        if let Some(timer) = self.persistence.scheduled.take() {
            ctx.cancel_future(timer);
        }
        let Some(store) = self.context.replay.store() else { return };
        self.report_forgotten();
        let changes = self.context.replay.take_changes();
        if changes.is_empty() {
            for done in self.persistence.waiting.drain(..) {
                // The caller may no longer wait.
                let _ = done.send(());
            }
            return;
        }
        self.persistence.is_in_flight = true;
        self.persistence.began = Some(Instant::now());
        let channels: Vec<ChannelId> = changes.channels.keys().cloned().collect();
        let commit = store.commit(&self.context.account, changes);
        ctx.spawn(commit.into_actor(self).map(|result, act, ctx| act.on_committed(result, channels, ctx)));
    }

    fn on_committed(
        &mut self,
        result: Result<(), StoreError>,
        channels: Vec<ChannelId>,
        ctx: &mut Context<Self>,
    ) {
        self.persistence.is_in_flight = false;
        self.context.replay.set_saved(channels, result.is_ok());
        match result {
            Ok(()) => {
                if std::mem::take(&mut self.persistence.failed) {
                    self.report_store(None, ctx);
                }
                // Events may have waited for this commit.
                self.pump(ctx);
            }
            Err(error) => {
                if !std::mem::replace(&mut self.persistence.failed, true) {
                    self.report_store(Some(error), ctx);
                }
                self.save_later(RETRY_COMMIT_AFTER, ctx);
            }
        }
    }

    /// Reports the channels that were forgotten since the last report.
    pub(super) fn report_forgotten(&self) {
        let channels = self.context.replay.with(ReplayState::take_forgotten);
        if channels > 0 {
            self.context.observe(self.generation(), Fact::ChannelsForgotten { channels });
        }
    }

    fn report_store(&self, error: Option<StoreError>, ctx: &Context<Self>) {
        let is_stalled = error.is_some();
        let fact = error.map_or(Fact::StoreRecovered, |error| Fact::StoreFailed { cause: error.message });
        self.context.observe(self.generation(), fact);
        self.report_stall(StallCause::Store, is_stalled, ctx);
    }

    /// Returns the sequence numbers of a connection's unacknowledged events.
    fn unacknowledged<'a>(&'a self, connection_id: &'a str) -> impl Iterator<Item = u64> + 'a {
        let waiting = self.queue.waiting().chain(self.round.held()).map(|queued| &queued.event);
        let live = waiting.chain(&self.in_flight).filter(|event| !event.recovered);
        live.filter(|event| *event.connection_id == *connection_id).map(|event| event.body.seq)
    }
}

impl Handler<PersistFinalState> for Delivery {
    type Result = ();

    fn handle(&mut self, persist: PersistFinalState, ctx: &mut Self::Context) {
        let resume = persist.resume.and_then(|point| {
            let connection_id = point.connection_id.clone();
            resume_unacknowledged(point, self.unacknowledged(&connection_id))
        });
        self.context.replay.with(|replay| replay.set_resume_point(resume));
        self.persistence.is_final = true;
        self.save_then_notify(persist.done, ctx);
    }
}
