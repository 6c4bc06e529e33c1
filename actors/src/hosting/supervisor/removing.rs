//! Removal of accounts and servers.

use std::time::Duration;

use actix::{
    ActorFutureExt as _, Addr, AsyncContext as _, Context, Handler, ResponseFuture, WrapFuture as _,
};
use futures_util::future::FutureExt as _;
use tokio::{sync::oneshot, time::Instant};

use super::{
    RemoveAccount, RemoveServer, Supervisor, SupervisorError,
    account::Intent,
    draining::{DrainingAccount, drain_deliveries, drain_replies, persist},
};
use crate::{
    hosting::{
        delivery,
        replies::{self, Replies},
    },
    model::{AccountName, CloseReason, Fact},
};

/// The time for storing an account's progress beyond the stop deadline. A commit takes milliseconds.
const STORE_GRACE: Duration = Duration::from_secs(1);

impl Handler<RemoveAccount> for Supervisor {
    type Result = ResponseFuture<Result<(), SupervisorError>>;

    fn handle(&mut self, RemoveAccount(name): RemoveAccount, ctx: &mut Self::Context) -> Self::Result {
        let (done, removed) = oneshot::channel();
        match self.find_account(&name) {
            Ok(account) => {
                account.intent = Intent::Remove(done);
                account.context.stats.begin_drain();
            }
            Err(error) => return std::future::ready(Err(error)).boxed_local(),
        }
        self.stop(&name, CloseReason::Removed, ctx);
        // An error means that the Supervisor has ended, and the account with it.
        removed.map(|_| Ok(())).boxed_local()
    }
}

impl Handler<RemoveServer> for Supervisor {
    type Result = Result<(), SupervisorError>;

    fn handle(&mut self, RemoveServer(name): RemoveServer, _: &mut Self::Context) -> Self::Result {
        let Some(server) = self.servers.get(&name) else { return Err(SupervisorError::UnknownServer(name)) };
        if server.accounts > 0 {
            return Err(SupervisorError::ServerInUse { server: name, accounts: server.accounts });
        }
        server.gate.stop();
        self.servers.remove(&name);
        Ok(())
    }
}

impl Supervisor {
    /// Removes an account that has stopped, once its events are handed over and stored or the stop deadline has passed.
    pub(super) fn remove(&mut self, name: &AccountName, ctx: &mut Context<Self>) {
        let Some(account) = self.accounts.get_mut(name) else { return };
        let draining = account.placement.as_ref().map(|placement| DrainingAccount {
            account: name.clone(),
            delivery: placement.delivery.clone(),
            resume: None,
        });
        let replies = account.replies.as_ref().map(|(_, replies)| replies.clone());
        let deadline = Instant::now() + self.settings.stop_deadline.max(Duration::from_millis(1));
        let name = name.clone();
        let drained = async move {
            if let Some(draining) = draining {
                drain(draining, replies, deadline).await;
            }
        };
        ctx.spawn(drained.into_actor(self).map(move |(), act, _| act.forget(&name)));
    }

    fn forget(&mut self, name: &AccountName) {
        let Some(account) = self.accounts.remove(name) else { return };
        account.observe(Fact::Removed);
        if let Some((_, replies)) = account.replies {
            replies.do_send(replies::Stop);
        }
        if let Some(placement) = account.placement {
            placement.delivery.do_send(delivery::Stop);
            self.pool.release(placement.slot);
        }
        if let Some(server) = self.servers.get_mut(&account.spec.server) {
            server.account_removed(name);
        }
        if let Intent::Remove(done) = account.intent {
            // The caller may have stopped waiting.
            let _ = done.send(());
        }
    }
}

/// Waits until the account's events are handed over and its replies sent, or the deadline has passed. Then stores the
/// progress: what a late sink has acknowledged by then must not come again.
async fn drain(draining: DrainingAccount, replies: Option<Addr<Replies>>, deadline: Instant) {
    drain_deliveries(std::slice::from_ref(&draining), true, deadline).await;
    drain_replies(replies.map(|replies| (draining.account.clone(), replies)), deadline).await;
    persist(vec![draining], deadline.max(Instant::now() + STORE_GRACE)).await;
}
