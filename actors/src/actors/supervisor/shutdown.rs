//! The end: stop all, wait until what was heard is handed over, within a deadline.

use std::{ops::Bound, time::Duration};

use actix::{ActorContext as _, ActorFutureExt as _, Addr, Handler, ResponseActFuture, WrapFuture as _};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use super::{Shutdown, ShutdownReport, Supervisor};
use crate::{
    actors::delivery::{self, Delivery},
    model::{AccountName, CloseReason},
};

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
        let names: Vec<AccountName> = self.accounts.keys().cloned().collect();
        for name in &names {
            self.stop(name, CloseReason::Shutdown, ctx);
        }
        self.is_it_quiet();
        let waiting = timeout_at(deadline, is_quiet).into_actor(self);
        Box::pin(waiting.then(move |_, act, _| drain(act.deliveries(), deadline).into_actor(act)).map(
            |undrained, act, ctx| {
                let abandoned = act.finish(undrained);
                ctx.stop();
                ShutdownReport { abandoned }
            },
        ))
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

    fn deliveries(&self) -> Vec<(AccountName, Addr<Delivery>)> {
        let homes = self.accounts.iter().filter_map(|(name, account)| Some((name, account.home.as_ref()?)));
        homes.map(|(name, home)| (name.clone(), home.delivery.clone())).collect()
    }

    /// Stops what is left, and says which accounts did not end as they should.
    fn finish(&mut self, mut undrained: Vec<AccountName>) -> Vec<AccountName> {
        for (name, account) in &mut self.accounts {
            if account.connection.take().is_some() && !undrained.contains(name) {
                undrained.push(name.clone());
            }
            if let Some(home) = account.home.take() {
                home.delivery.do_send(delivery::Stop);
            }
        }
        self.pool.stop();
        undrained.sort();
        undrained
    }
}

/// Waits until every sink has what its account heard. Gives back those whose sink has not.
async fn drain(deliveries: Vec<(AccountName, Addr<Delivery>)>, deadline: Instant) -> Vec<AccountName> {
    let waiting: Vec<_> = deliveries
        .into_iter()
        .map(|(name, delivery)| {
            let (done, drained) = oneshot::channel();
            delivery.do_send(delivery::Drain(done));
            (name, drained)
        })
        .collect();
    let mut undrained = Vec::new();
    // What is there already counts even when the deadline is over.
    let deadline = deadline.max(Instant::now() + Duration::from_millis(1));
    for (name, drained) in waiting {
        if !matches!(timeout_at(deadline, drained).await, Ok(Ok(()))) {
            undrained.push(name);
        }
    }
    undrained
}
