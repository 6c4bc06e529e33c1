//! Handlers of the commands that add, start, stop, restart and reset accounts.

use std::sync::Arc;

use actix::{AsyncContext as _, Context, Handler};

use super::{
    AddAccount, AddServer, ChildStopped, ResetAccount, RestartAccount, RetryDeliveries, Server, StartAccount,
    StopAccount, Supervisor, SupervisorError,
    account::{Account, Intent},
    timers::Due,
};
use crate::{
    hosting::{
        account_context::{AccountContext, AccountStats, PingRate},
        connection::Terminate,
        delivery,
        known_names::Directory,
        replies::SharedLoopGuard,
        server_gate::{Configure, ServerGate},
        server_limits::SharedServerLimits,
        shared_replay::SharedReplay,
        shared_sibling_watch::SharedSiblingWatch,
    },
    model::{AccountName, AccountState, CloseReason, Fact},
    policy::{CommonCause, RunSummary, SocketLifetimes},
};

impl Handler<AddServer> for Supervisor {
    type Result = ();

    fn handle(&mut self, AddServer(spec): AddServer, ctx: &mut Self::Context) {
        if let Some(server) = self.servers.get_mut(&spec.name) {
            // Another client may mean another address.
            let moved = !Arc::ptr_eq(&server.spec.api, &spec.api);
            server.gate.configure(Configure { factory: spec.api.clone(), limits: spec.limits, moved });
            if moved {
                server.limits = SharedServerLimits::default();
            }
            server.spec = spec;
            return;
        }
        let gate = ServerGate::start(
            &spec,
            self.settings.health.poll_interval,
            self.observer.clone(),
            ctx.address(),
        );
        let server = Server {
            gate,
            sibling_watch: SharedSiblingWatch::new(&spec.name, self.witness_relay.as_ref()),
            ping_rate: PingRate::default(),
            loop_guard: SharedLoopGuard::new(self.settings.replies.loop_limit, self.fence.is_some()),
            directory: Directory::default(),
            limits: SharedServerLimits::default(),
            common_cause: CommonCause::default(),
            lifetimes: SocketLifetimes::default(),
            woken_at: None,
            accounts: 0,
            spec,
        };
        self.servers.insert(server.spec.name.clone(), server);
    }
}

impl Handler<AddAccount> for Supervisor {
    type Result = Result<(), SupervisorError>;

    fn handle(&mut self, AddAccount(spec): AddAccount, ctx: &mut Self::Context) -> Self::Result {
        if self.shutting_down.is_some() {
            return Err(SupervisorError::ShuttingDown);
        }
        if self.accounts.contains_key(&spec.name) {
            return Err(SupervisorError::AccountExists(spec.name));
        }
        let Some(server) = self.servers.get_mut(&spec.server) else {
            return Err(SupervisorError::ServerNotAdded { account: spec.name, server: spec.server });
        };
        server.account_added();
        let settings = self.settings.for_account(spec.settings.as_deref());
        let context = Arc::new(AccountContext {
            account: spec.name.clone(),
            server: spec.server.clone(),
            token: spec.token.clone(),
            api: server.spec.api.clone(),
            gate: server.gate.clone(),
            sibling_watch: server.sibling_watch.clone(),
            ping_rate: server.ping_rate.clone(),
            loop_guard: server.loop_guard.clone(),
            directory: server.directory.clone(),
            server_limits: server.limits.clone(),
            observer: self.observer.clone(),
            stats: Arc::new(AccountStats::default()),
            replay: SharedReplay::new(settings.catch_up.replay_settings(), self.store.clone()),
            fence: self.fence.clone(),
            settings,
            supervisor: ctx.address(),
        });
        let name = spec.name.clone();
        self.accounts.insert(name.clone(), Account::new(spec, context));
        self.start_connection(&name, ctx);
        Ok(())
    }
}

impl Handler<StartAccount> for Supervisor {
    type Result = Result<(), SupervisorError>;

    fn handle(&mut self, StartAccount(name): StartAccount, ctx: &mut Self::Context) -> Self::Result {
        self.find_account(&name)?.start_after_stop();
        self.start_connection(&name, ctx);
        Ok(())
    }
}

impl Handler<StopAccount> for Supervisor {
    type Result = Result<(), SupervisorError>;

    fn handle(&mut self, StopAccount(name): StopAccount, ctx: &mut Self::Context) -> Self::Result {
        self.find_account(&name)?;
        self.stop(&name, CloseReason::OperatorStop, ctx);
        Ok(())
    }
}

impl Handler<RestartAccount> for Supervisor {
    type Result = Result<(), SupervisorError>;

    fn handle(&mut self, RestartAccount(name): RestartAccount, ctx: &mut Self::Context) -> Self::Result {
        let account = self.find_account(&name)?;
        account.start_after_stop();
        if account.connection.is_some() {
            self.terminate(&name, CloseReason::OperatorRestart, ctx);
        } else {
            self.start_connection(&name, ctx);
        }
        Ok(())
    }
}

impl Handler<ResetAccount> for Supervisor {
    type Result = Result<(), SupervisorError>;

    fn handle(&mut self, ResetAccount(name): ResetAccount, ctx: &mut Self::Context) -> Self::Result {
        let account = self.find_account(&name)?;
        account.tracker.reset();
        account.observe(Fact::BudgetReset);
        if account.state == AccountState::Tripped {
            self.start_connection(&name, ctx);
        }
        Ok(())
    }
}

impl Handler<RetryDeliveries> for Supervisor {
    type Result = Result<(), SupervisorError>;

    fn handle(&mut self, RetryDeliveries(name): RetryDeliveries, _: &mut Self::Context) -> Self::Result {
        if let Some(placement) = &self.find_account(&name)?.placement {
            placement.delivery.do_send(delivery::RetryNow);
        }
        Ok(())
    }
}

impl Supervisor {
    /// Returns the account unless it is being removed.
    pub(super) fn find_account(&mut self, name: &AccountName) -> Result<&mut Account, SupervisorError> {
        let account = self.accounts.get_mut(name).filter(|account| !account.is_being_removed());
        account.ok_or_else(|| SupervisorError::UnknownAccount(name.clone()))
    }

    /// Stops an account in any state.
    pub(super) fn stop(&mut self, name: &AccountName, reason: CloseReason, ctx: &mut Context<Self>) {
        self.cancel_start(name);
        let Some(account) = self.accounts.get_mut(name) else { return };
        if !account.is_being_removed() {
            account.intent = Intent::Stop;
        }
        if account.connection.is_some() {
            account.set_state(AccountState::Stopping);
            return self.terminate(name, reason, ctx);
        }
        if account.state != AccountState::Stopped {
            account.set_state(AccountState::Stopped);
            account.observe(Fact::Stopped);
        }
        if account.is_being_removed() {
            self.remove(name, ctx);
        }
    }

    /// Asks the Connection to end, and abandons it if it has not ended by the deadline.
    pub(super) fn terminate(&mut self, name: &AccountName, reason: CloseReason, ctx: &mut Context<Self>) {
        let deadline = self.settings.stop_deadline;
        let Some(account) = self.accounts.get_mut(name) else { return };
        let Some(connection) = &account.connection else { return };
        connection.do_send(Terminate { generation: account.generation, reason: reason.clone() });
        let timer = self.timers.set(deadline, Due::Abandon(name.clone(), reason), ctx);
        if let Some(old) = account.stop_timer.replace(timer) {
            self.timers.cancel(&old);
        }
    }

    /// Abandons a Connection that did not end in time, together with its Delivery. The account continues as if the
    /// Connection had ended.
    pub(super) fn abandon(&mut self, name: &AccountName, reason: CloseReason, ctx: &mut Context<Self>) {
        let Some(account) = self.accounts.get_mut(name) else { return };
        account.stop_timer = None;
        let Some(connection) = account.connection.clone() else { return };
        account.observe(Fact::Abandoned);
        if let Some(placement) = account.placement.take() {
            placement.delivery.do_send(delivery::Stop);
            // Its thread hangs, so it gets no more accounts.
            self.pool.replace_hung(placement.slot);
        }
        let (account, reason) = (name.clone(), Some(reason));
        let child = ChildStopped {
            account,
            connection,
            reason,
            run: RunSummary::default(),
            resume: None,
            baseline_update_at: None,
        };
        self.on_connection_ended(child, ctx);
    }
}
