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
const PART_WITHIN: Duration = Duration::from_secs(5);

/// A shutdown under way.
#[derive(Default)]
pub(super) struct ShuttingDown {
    /// Told when no Connection is left; more than one when it was asked for more than once.
    quiet: Vec<oneshot::Sender<()>>,
    /// The first by name that had a Connection at the last look. Nothing starts any more, so those before it have
    /// none: ten thousand endings do not each look at ten thousand accounts.
    first: Option<AccountName>,
}

impl Handler<Shutdown> for Supervisor {
    type Result = ResponseActFuture<Self, ShutdownReport>;

    fn handle(&mut self, shutdown: Shutdown, ctx: &mut Self::Context) -> Self::Result {
        let deadline = Instant::now() + shutdown.deadline;
        let (quiet, is_quiet) = oneshot::channel();
        self.shutting_down.get_or_insert_default().quiet.push(quiet);
        self.accounts.values().for_each(|account| account.env.vitals.parts());
        let names: Vec<AccountName> = self.accounts.keys().cloned().collect();
        for name in &names {
            self.stop(name, CloseReason::Shutdown, ctx);
        }
        self.is_it_quiet();
        let waiting = timeout_at(deadline, is_quiet).into_actor(self);
        let parted = waiting.then(move |_, act, _| {
            let (deliveries, replies) = (act.deliveries(), act.all_replies());
            async move {
                let mut late = drain(&deliveries, deadline).await;
                late.extend(replies::drain(replies, deadline).await);
                late.extend(part(deliveries).await);
                late
            }
            .into_actor(act)
        });
        Box::pin(parted.map(|late, act, ctx| {
            let abandoned = act.finish(late);
            ctx.stop();
            ShutdownReport { abandoned }
        }))
    }
}

impl Supervisor {
    /// Tells a shutdown that no Connection is left.
    pub(super) fn is_it_quiet(&mut self) {
        let Some(shutdown) = &mut self.shutting_down else { return };
        let from = shutdown.first.as_ref().map_or(Bound::Unbounded, Bound::Included);
        let mut left = self.accounts.range::<AccountName, _>((from, Bound::Unbounded));
        shutdown.first = left.find(|(_, account)| account.connection.is_some()).map(|(name, _)| name.clone());
        if shutdown.first.is_none() {
            for quiet in shutdown.quiet.drain(..) {
                // Nobody waits any more when the deadline has passed.
                let _ = quiet.send(());
            }
        }
    }

    fn deliveries(&self) -> Vec<Parting> {
        let parting = self.accounts.iter().filter_map(|(name, account)| {
            let delivery = account.home.as_ref()?.delivery.clone();
            Some(Parting { account: name.clone(), delivery, resume: account.resume.clone() })
        });
        parting.collect()
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
            if let Some(home) = account.home.take() {
                home.delivery.do_send(delivery::Stop);
            }
        }
        self.pool.stop();
        late.sort();
        late.dedup();
        late
    }
}

/// An account at its end.
struct Parting {
    account: AccountName,
    delivery: Addr<Delivery>,
    resume: Option<ResumePoint>,
}

/// Waits until every sink has what its account heard. Gives back those whose sink has not.
async fn drain(deliveries: &[Parting], deadline: Instant) -> Vec<AccountName> {
    // What is there already counts even when the deadline is over.
    let deadline = deadline.max(Instant::now() + Duration::from_millis(1));
    each(deliveries, deadline, |parting, done| parting.delivery.do_send(delivery::Drain(done))).await
}

/// Has every account keep where it stands. Gives back those that could not.
async fn part(deliveries: Vec<Parting>) -> Vec<AccountName> {
    each(&deliveries, Instant::now() + PART_WITHIN, |Parting { delivery, resume, .. }, done| {
        delivery.do_send(delivery::Part { resume: resume.clone(), done });
    })
    .await
}

/// Asks all at once, and waits for their answers. Gives back those that did not answer.
async fn each(
    deliveries: &[Parting],
    deadline: Instant,
    ask: impl Fn(&Parting, oneshot::Sender<()>),
) -> Vec<AccountName> {
    let asked: Vec<_> = deliveries
        .iter()
        .map(|parting| {
            let (done, is_done) = oneshot::channel();
            ask(parting, done);
            (&parting.account, is_done)
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
