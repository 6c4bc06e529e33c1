//! Keeping what was acknowledged: one commit of an account is on its way at a time, and holds no event back.

use std::time::Duration;

use actix::{ActorFutureExt as _, AsyncContext as _, Context, Handler, Message, WrapFuture as _};
use tokio::{sync::oneshot, time::Instant};

use super::Delivery;
use crate::{
    hosting::supervisor::StallChanged,
    model::{Fact, Records, ResumePoint, StallCause},
    ports::StoreError,
};

/// From the beginning of one commit of an account to that of the next. A busy channel's record has some hundred ids, which
/// need not be written for each post; a kill doubles what was acknowledged in this time.
const COMMIT_EVERY: Duration = Duration::from_millis(100);

/// How long until a commit that failed is tried again: time to make room on a disk, and not long to wait for.
const COMMIT_AGAIN: Duration = Duration::from_secs(2);

/// Where the keeping of an account stands.
#[derive(Default)]
pub(super) struct Persistence {
    /// A commit is on its way, or one is due at a set time.
    under_way: bool,
    /// When the last commit began.
    began: Option<Instant>,
    /// The last commit failed: nothing is handed over until one succeeds.
    pub(super) failed: bool,
    /// Told when all that was acknowledged is kept.
    waiting: Vec<oneshot::Sender<()>>,
}

/// The account rests: keep all, with where its connection may be taken up again. Answered when it is done.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(in crate::hosting) struct PersistFinalState {
    pub(in crate::hosting) resume: Option<ResumePoint>,
    pub(in crate::hosting) done: oneshot::Sender<()>,
}

impl Delivery {
    /// Keeps what has changed, now or as soon as it may.
    pub(super) fn save(&mut self, ctx: &mut Context<Self>) {
        if self.persistence.under_way || self.context.replay.store().is_none() {
            return;
        }
        let next =
            self.persistence.began.map(|began| began + COMMIT_EVERY).filter(|next| *next > Instant::now());
        match next.filter(|_| self.persistence.waiting.is_empty()) {
            Some(next) => self.save_later(next - Instant::now(), ctx),
            None => self.commit(ctx),
        }
    }

    /// Tells when all that has been acknowledged until now is kept.
    pub(super) fn save_then_notify(&mut self, done: oneshot::Sender<()>, ctx: &mut Context<Self>) {
        if self.context.replay.store().is_some() {
            self.persistence.waiting.push(done);
            self.save(ctx);
        } else {
            // Nobody may wait any more.
            let _ = done.send(());
        }
    }

    fn save_later(&mut self, wait: Duration, ctx: &mut Context<Self>) {
        self.persistence.under_way = true;
        ctx.run_later(wait, |act, ctx| {
            act.persistence.under_way = false;
            act.commit(ctx);
        });
    }

    fn commit(&mut self, ctx: &mut Context<Self>) {
        let Some(store) = self.context.replay.store() else { return };
        let changes = self.context.replay.with(crate::policy::ReplayState::take_changes);
        if changes.is_empty() {
            for done in self.persistence.waiting.drain(..) {
                // Nobody may wait any more.
                let _ = done.send(());
            }
            return;
        }
        self.persistence.under_way = true;
        self.persistence.began = Some(Instant::now());
        let commit = store.commit(&self.context.account, changes.clone());
        ctx.spawn(commit.into_actor(self).map(|result, act, ctx| act.committed(result, changes, ctx)));
    }

    fn committed(&mut self, result: Result<(), StoreError>, changes: Records, ctx: &mut Context<Self>) {
        self.persistence.under_way = false;
        match result {
            Ok(()) => {
                if std::mem::take(&mut self.persistence.failed) {
                    self.report_store(None);
                    self.pump(ctx);
                }
                self.save(ctx);
            }
            Err(error) => {
                self.context.replay.with(|replay| replay.mark_unsaved(changes));
                if !std::mem::replace(&mut self.persistence.failed, true) {
                    self.report_store(Some(error));
                }
                self.save_later(COMMIT_AGAIN, ctx);
            }
        }
    }

    fn report_store(&self, error: Option<StoreError>) {
        let stalled = error.is_some();
        let fact = error.map_or(Fact::StoreRecovered, |error| Fact::StoreFailed { cause: error.message });
        self.context.observe(self.generation(), fact);
        let account = self.context.account.clone();
        self.context.supervisor.do_send(StallChanged {
            account,
            cause: StallCause::Store,
            is_stalled: stalled,
        });
    }

    /// The lowest number of a connection's events that is not acknowledged.
    fn lowest_open(&self, connection_id: &str) -> Option<u64> {
        let waiting = self.queue.waiting().chain(self.round.held()).map(|queued| &queued.event);
        let open = waiting.chain(&self.in_flight).filter(|event| !event.recovered);
        open.filter(|event| *event.connection_id == *connection_id).map(|event| event.body.seq).min()
    }
}

impl Handler<PersistFinalState> for Delivery {
    type Result = ();

    fn handle(&mut self, part: PersistFinalState, ctx: &mut Self::Context) {
        let resume = part.resume.map(|point| {
            let open = self.lowest_open(&point.connection_id);
            ResumePoint { next_seq: open.map_or(point.next_seq, |open| open.min(point.next_seq)), ..point }
        });
        self.context.replay.with(|replay| replay.set_resume_point(resume));
        self.save_then_notify(part.done, ctx);
    }
}
