//! Storing acknowledgements: an account has one commit in flight at a time, and events do not wait for it.

use std::time::Duration;

use actix::{ActorFutureExt as _, AsyncContext as _, Context, Handler, Message, WrapFuture as _};
use tokio::{sync::oneshot, time::Instant};

use super::Delivery;
use crate::{
    hosting::supervisor::StallChanged,
    model::{ChannelId, Fact, ResumePoint, StallCause},
    policy::ReplayState,
    ports::StoreError,
};

/// The interval between the starts of an account's commits. A busy channel's record has some hundred ids, too many to
/// write for each post. After a kill, the events acknowledged within this time are delivered again.
const COMMIT_INTERVAL: Duration = Duration::from_millis(100);

/// The wait before a failed commit is retried: enough time to free disk space, and short enough to wait for.
const RETRY_COMMIT_AFTER: Duration = Duration::from_secs(2);

/// The state of an account's commits.
#[derive(Default)]
pub(super) struct Persistence {
    /// True if a commit is in flight or scheduled.
    is_pending: bool,
    /// The start of the last commit.
    began: Option<Instant>,
    /// True after a failed commit: no event is delivered until one succeeds.
    pub(super) failed: bool,
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
    /// Commits the changes, now or when the interval has passed.
    pub(super) fn save(&mut self, ctx: &mut Context<Self>) {
        if self.persistence.is_pending || self.context.replay.store().is_none() {
            return;
        }
        let next =
            self.persistence.began.map(|began| began + COMMIT_INTERVAL).filter(|next| *next > Instant::now());
        match next.filter(|_| self.persistence.waiting.is_empty()) {
            Some(next) => self.save_later(next - Instant::now(), ctx),
            None => self.commit(ctx),
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

    fn save_later(&mut self, wait: Duration, ctx: &mut Context<Self>) {
        self.persistence.is_pending = true;
        ctx.run_later(wait, |act, ctx| {
            act.persistence.is_pending = false;
            act.commit(ctx);
        });
    }

    fn commit(&mut self, ctx: &mut Context<Self>) {
        let Some(store) = self.context.replay.store() else { return };
        let changes = self.context.replay.with(ReplayState::take_changes);
        if changes.is_empty() {
            for done in self.persistence.waiting.drain(..) {
                // The caller may no longer wait.
                let _ = done.send(());
            }
            return;
        }
        self.persistence.is_pending = true;
        self.persistence.began = Some(Instant::now());
        let channels: Vec<ChannelId> = changes.channels.keys().cloned().collect();
        let commit = store.commit(&self.context.account, changes);
        ctx.spawn(commit.into_actor(self).map(|result, act, ctx| act.on_committed(result, channels, ctx)));
    }

    fn on_committed(&mut self, result: Result<(), StoreError>, channels: Vec<ChannelId>, ctx: &mut Context<Self>) {
        self.persistence.is_pending = false;
        match result {
            Ok(()) => {
                if std::mem::take(&mut self.persistence.failed) {
                    self.report_store(None);
                    self.pump(ctx);
                }
                self.save(ctx);
            }
            Err(error) => {
                self.context.replay.with(|replay| replay.mark_unsaved(channels));
                if !std::mem::replace(&mut self.persistence.failed, true) {
                    self.report_store(Some(error));
                }
                self.save_later(RETRY_COMMIT_AFTER, ctx);
            }
        }
    }

    fn report_store(&self, error: Option<StoreError>) {
        let is_stalled = error.is_some();
        let fact = error.map_or(Fact::StoreRecovered, |error| Fact::StoreFailed { cause: error.message });
        self.context.observe(self.generation(), fact);
        let account = self.context.account.clone();
        self.context.supervisor.do_send(StallChanged { account, cause: StallCause::Store, is_stalled });
    }

    /// Returns the lowest sequence number of a connection's unacknowledged events.
    fn lowest_unacknowledged(&self, connection_id: &str) -> Option<u64> {
        let waiting = self.queue.waiting().chain(self.round.held()).map(|queued| &queued.event);
        let live = waiting.chain(&self.in_flight).filter(|event| !event.recovered);
        live.filter(|event| *event.connection_id == *connection_id).map(|event| event.body.seq).min()
    }
}

impl Handler<PersistFinalState> for Delivery {
    type Result = ();

    fn handle(&mut self, persist: PersistFinalState, ctx: &mut Self::Context) {
        let resume = persist.resume.map(|point| {
            let open = self.lowest_unacknowledged(&point.connection_id);
            ResumePoint { next_seq: open.map_or(point.next_seq, |open| open.min(point.next_seq)), ..point }
        });
        self.context.replay.with(|replay| replay.set_resume_point(resume));
        self.save_then_notify(persist.done, ctx);
    }
}
