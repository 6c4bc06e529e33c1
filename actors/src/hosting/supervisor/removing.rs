//! Accounts and servers that are hosted no more.

use std::time::Duration;

use actix::{
    ActorFutureExt as _, Addr, AsyncContext as _, Context, Handler, ResponseFuture, WrapFuture as _,
};
use futures_util::future::FutureExt as _;
use tokio::{sync::oneshot, time::timeout};

use super::{RemoveAccount, RemoveServer, Supervisor, SupervisorError};
use crate::{
    hosting::{
        delivery::{self, Delivery},
        replies::{self, Replies},
    },
    model::{AccountName, CloseReason, Fact},
};

impl Handler<RemoveAccount> for Supervisor {
    type Result = ResponseFuture<Result<(), SupervisorError>>;

    fn handle(&mut self, RemoveAccount(name): RemoveAccount, ctx: &mut Self::Context) -> Self::Result {
        let (forgotten, is_forgotten) = oneshot::channel();
        match self.find_account(&name) {
            Ok(account) => {
                account.removing = true;
                account.removal_waiters.push(forgotten);
                // What it heard is still answered.
                account.context.stats.begin_drain();
            }
            Err(error) => return std::future::ready(Err(error)).boxed_local(),
        }
        self.stop(&name, CloseReason::Removed, ctx);
        is_forgotten.map(|_| Ok(())).boxed_local()
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
    /// Forgets an account that has stopped, once its sink has what it heard and that is kept.
    pub(super) fn remove(&mut self, name: &AccountName, ctx: &mut Context<Self>) {
        let Some(account) = self.accounts.get_mut(name) else { return };
        let delivery = account.placement.as_ref().map(|placement| placement.delivery.clone());
        let replies = account.replies.as_ref().map(|(_, replies)| replies.clone());
        let within = self.settings.stop_deadline.max(Duration::from_millis(1));
        let drained_account = timeout(within, drain(delivery, replies));
        let name = name.clone();
        ctx.spawn(drained_account.into_actor(self).map(move |_, act, _| act.forget(&name)));
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
    }
}

/// Waits until all that was heard is handed over, answered and kept.
async fn drain(delivery: Option<Addr<Delivery>>, replies: Option<Addr<Replies>>) {
    let Some(delivery) = delivery else { return };
    // Each answer is an error where it cannot be had: then there is nothing to wait for.
    let (done, drained) = oneshot::channel();
    delivery.do_send(delivery::Drain(done));
    let _ = drained.await;
    if let Some(replies) = replies {
        let (done, said) = oneshot::channel();
        replies.do_send(replies::Drain(done));
        let _ = said.await;
    }
    let (done, is_kept) = oneshot::channel();
    delivery.do_send(delivery::PersistFinalState { resume: None, done });
    let _ = is_kept.await;
}
