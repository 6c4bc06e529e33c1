//! The end: stop all, wait until what was heard is handed over, within a deadline.

use std::{ops::Bound, time::Duration};

use actix::{ActorContext as _, ActorFutureExt as _, Addr, Handler, ResponseActFuture, WrapFuture as _};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use super::{Shutdown, ShutdownReport, Supervisor, replies};
use crate::{
    hosting::{
        delivery::{self, Delivery},
        replies::Stop,
    },
    model::{AccountName, CloseReason, ResumePoint},
};

/// How long a Delivery may take to keep its last changes, once it is known what they are: many times what a disk takes.
const PERSIST_WITHIN: Duration = Duration::from_secs(5);

/// A shutdown under way.
#[derive(Default)]
pub(super) struct ShuttingDown {
    /// Told when no Connection is left; more than one when it was asked for more than once.
    idle_waiters: Vec<oneshot::Sender<()>>,
    /// The first by name that had a Connection at the last look. Nothing starts any more, so those before it have
    /// none: ten thousand endings do not each look at ten thousand accounts.
    first: Option<AccountName>,
}

impl Handler<Shutdown> for Supervisor {
    type Result = ResponseActFuture<Self, ShutdownReport>;

    fn handle(&mut self, shutdown: Shutdown, ctx: &mut Self::Context) -> Self::Result {
        let deadline = Instant::now() + shutdown.deadline;
        let (idle, is_idle) = oneshot::channel();
        self.shutting_down.get_or_insert_default().idle_waiters.push(idle);
        self.accounts.values().for_each(|account| account.context.stats.begin_drain());
        let names: Vec<AccountName> = self.accounts.keys().cloned().collect();
        for name in &names {
            self.stop(name, CloseReason::Shutdown, ctx);
        }
        self.notify_if_idle();
        let waiting = timeout_at(deadline, is_idle).into_actor(self);
        let drained = waiting.then(move |_, act, _| {
            let (deliveries, replies) = (act.deliveries(), act.all_replies());
            async move {
                let mut late = drain(&deliveries, deadline).await;
                late.extend(replies::drain(replies, deadline).await);
                late.extend(persist(deliveries).await);
                late
            }
            .into_actor(act)
        });
        Box::pin(drained.map(|late, act, ctx| {
            let abandoned = act.finish(late);
            ctx.stop();
            ShutdownReport { abandoned }
        }))
    }
}

impl Supervisor {
    /// Tells a shutdown that no Connection is left.
    pub(super) fn notify_if_idle(&mut self) {
        let Some(shutdown) = &mut self.shutting_down else { return };
        let from = shutdown.first.as_ref().map_or(Bound::Unbounded, Bound::Included);
        let mut left = self.accounts.range::<AccountName, _>((from, Bound::Unbounded));
        shutdown.first = left.find(|(_, account)| account.connection.is_some()).map(|(name, _)| name.clone());
        if shutdown.first.is_none() {
            for idle in shutdown.idle_waiters.drain(..) {
                // Nobody waits any more when the deadline has passed.
                let _ = idle.send(());
            }
        }
    }

    fn deliveries(&self) -> Vec<DrainingAccount> {
        let draining = self.accounts.iter().filter_map(|(name, account)| {
            let delivery = account.placement.as_ref()?.delivery.clone();
            Some(DrainingAccount { account: name.clone(), delivery, resume: account.resume.clone() })
        });
        draining.collect()
    }

    /// Stops what is left, and says which accounts did not end as they should.
    fn finish(&mut self, mut late: Vec<AccountName>) -> Vec<AccountName> {
        for (name, account) in &mut self.accounts {
            if account.connection.take().is_some() {
                late.push(name.clone());
            }
            if let Some((_, replies)) = account.replies.take() {
                replies.do_send(Stop);
            }
            if let Some(placement) = account.placement.take() {
                placement.delivery.do_send(delivery::Stop);
            }
        }
        self.pool.stop();
        late.sort();
        late.dedup();
        late
    }
}

/// An account at its end.
struct DrainingAccount {
    account: AccountName,
    delivery: Addr<Delivery>,
    resume: Option<ResumePoint>,
}

/// Waits until every sink has what its account heard. Gives back those whose sink has not.
async fn drain(deliveries: &[DrainingAccount], deadline: Instant) -> Vec<AccountName> {
    // What is there already counts even when the deadline is over.
    let deadline = deadline.max(Instant::now() + Duration::from_millis(1));
    each(deliveries, deadline, |draining, done| draining.delivery.do_send(delivery::Drain(done))).await
}

/// Has every account keep where it stands. Gives back those that could not.
async fn persist(deliveries: Vec<DrainingAccount>) -> Vec<AccountName> {
    each(&deliveries, Instant::now() + PERSIST_WITHIN, |DrainingAccount { delivery, resume, .. }, done| {
        delivery.do_send(delivery::PersistFinalState { resume: resume.clone(), done });
    })
    .await
}

/// Asks all at once, and waits for their answers. Gives back those that did not answer.
async fn each(
    deliveries: &[DrainingAccount],
    deadline: Instant,
    ask: impl Fn(&DrainingAccount, oneshot::Sender<()>),
) -> Vec<AccountName> {
    let asked: Vec<_> = deliveries
        .iter()
        .map(|draining| {
            let (done, is_done) = oneshot::channel();
            ask(draining, done);
            (&draining.account, is_done)
        })
        .collect();
    let mut late = Vec::new();
    for (account, is_done) in asked {
        if !matches!(timeout_at(deadline, is_done).await, Ok(Ok(()))) {
            late.push(account.clone());
        }
    }
    late
}
