//! Shutdown: stop all accounts, and drain and store them within a deadline.

use std::{ops::Bound, time::Duration};

use actix::{ActorContext as _, ActorFutureExt as _, Handler, ResponseActFuture, WrapFuture as _};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use super::{
    Shutdown, ShutdownReport, Supervisor,
    draining::{DrainingAccount, drain_deliveries, drain_replies, persist},
};
use crate::{
    hosting::{delivery, replies},
    model::{AccountName, CloseReason},
};

/// The longest time to store the final state of all accounts: many times what a disk needs.
const PERSIST_TIMEOUT: Duration = Duration::from_secs(5);

/// A shutdown in progress.
#[derive(Default)]
pub(super) struct ShuttingDown {
    /// Senders that are notified when no Connection is left, one per [`Shutdown`] message.
    idle_waiters: Vec<oneshot::Sender<()>>,
    /// The scan position: accounts before it have no Connection, and nothing starts during a shutdown. Each ending scans
    /// only the rest, so that all endings together scan the accounts once.
    scan_from: Option<AccountName>,
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
            let (accounts, replies) = (act.draining_accounts(), act.all_replies());
            async move {
                let mut late = drain_deliveries(&accounts, false, deadline).await;
                late.extend(drain_replies(replies, deadline).await);
                late.extend(persist(accounts, Instant::now() + PERSIST_TIMEOUT).await);
                late
            }
            .into_actor(act)
        });
        Box::pin(drained.map(|late, act, ctx| {
            let abandoned = act.stop_children(late);
            ctx.stop();
            ShutdownReport { abandoned }
        }))
    }
}

impl Supervisor {
    /// Notifies a shutdown in progress once no Connection is left.
    pub(super) fn notify_if_idle(&mut self) {
        let Some(shutdown) = &mut self.shutting_down else { return };
        let from = shutdown.scan_from.as_ref().map_or(Bound::Unbounded, Bound::Included);
        let mut rest = self.accounts.range::<AccountName, _>((from, Bound::Unbounded));
        shutdown.scan_from =
            rest.find(|(_, account)| account.connection.is_some()).map(|(name, _)| name.clone());
        if shutdown.scan_from.is_none() {
            for idle in shutdown.idle_waiters.drain(..) {
                // The receiver is gone if the deadline has passed.
                let _ = idle.send(());
            }
        }
    }

    fn draining_accounts(&self) -> Vec<DrainingAccount> {
        let draining = self.accounts.iter().filter_map(|(name, account)| {
            let delivery = account.placement.as_ref()?.delivery.clone();
            Some(DrainingAccount { account: name.clone(), delivery, resume: account.resume.clone() })
        });
        draining.collect()
    }

    /// Stops all children that are left. Returns the accounts that were late or still had a Connection.
    fn stop_children(&mut self, mut late: Vec<AccountName>) -> Vec<AccountName> {
        for (name, account) in &mut self.accounts {
            if account.connection.take().is_some() {
                late.push(name.clone());
            }
            if let Some((_, replies)) = account.replies.take() {
                replies.do_send(replies::Stop);
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
