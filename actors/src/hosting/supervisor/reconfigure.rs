//! What operators change while accounts run. What can be taken up by an open socket is; where it cannot, the socket ends
//! as *config changed*, and the next one begins at once.

use std::{fmt, sync::Arc};

use actix::{Context, Handler, Message};
use tokio::sync::oneshot;

use super::{AccountSpec, Server, ServerSpec, Supervisor, SupervisorError, account::Account};
use crate::{
    hosting::{
        HostSettings,
        context::{AccountContext, UpdateContext},
        delivery::ChangeSink,
        server_gate::Configure,
    },
    model::{AccountName, AccountState, CloseReason, ServerName},
};

/// Changes an account that is hosted: its token, its server, its sink. It keeps its memory, and the order of its
/// events. Another token or server ends its socket as *config changed*; another sink alone does not. One that waits to
/// connect tries at once; one that an operator stopped stays so.
#[derive(Debug, Message)]
#[rtype(result = "Result<SinkReleased, SupervisorError>")]
pub struct ChangeAccount(pub AccountSpec);

/// Changes a server that was added. Its limits hold at once; another client (`ServerSpec::api`) is taken up by each
/// account's next Connection.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), SupervisorError>")]
pub struct ChangeServer {
    /// What it is from now on.
    pub spec: ServerSpec,
    /// Whether the sockets of its accounts end for it: it is somewhere else, or others are trusted.
    pub restart: bool,
}

/// Changes what is set for all accounts. Nothing ends for it: `hello_timeout` and `delivery.queue` hold from each account's next
/// Connection on, `arbiters` is not taken up, all else holds at once.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct ChangeSettings(pub HostSettings);

/// The end of an account's old sink: it answers what it has, and then is not used any more.
pub struct SinkReleased(oneshot::Receiver<()>);

impl SinkReleased {
    /// Waits until the old sink has answered all that the account had handed to it. At once where the sink is the same.
    pub async fn wait(self) {
        // It is dropped, not sent.
        let _ = self.0.await;
    }
}

impl fmt::Debug for SinkReleased {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SinkReleased")
    }
}

impl Handler<ChangeAccount> for Supervisor {
    type Result = Result<SinkReleased, SupervisorError>;

    fn handle(&mut self, ChangeAccount(spec): ChangeAccount, ctx: &mut Self::Context) -> Self::Result {
        if self.shutting_down.is_some() {
            return Err(SupervisorError::ShuttingDown);
        }
        let name = spec.name.clone();
        if !self.servers.contains_key(&spec.server) {
            return Err(SupervisorError::ServerNotAdded { account: name, server: spec.server });
        }
        let account = self.find_account(&name)?;
        let released = account.change_sink(&spec);
        let was = std::mem::replace(&mut account.spec, spec);
        let moved = was.server != account.spec.server;
        if moved {
            self.move_account(&name, &was.server);
        }
        if moved || !was.token.same_as(&self.find_account(&name)?.spec.token) {
            self.refresh_context(&name);
            self.restart_connection(&name, ctx);
        } else if self.find_account(&name)?.waits_for_its_sink() {
            self.start_connection(&name, ctx);
        }
        Ok(released)
    }
}

impl Handler<ChangeServer> for Supervisor {
    type Result = Result<(), SupervisorError>;

    fn handle(&mut self, change: ChangeServer, ctx: &mut Self::Context) -> Self::Result {
        let ChangeServer { spec, restart } = change;
        let name = spec.name.clone();
        let Some(server) = self.servers.get_mut(&name) else {
            return Err(SupervisorError::UnknownServer(name));
        };
        server.gate.configure(Configure { factory: spec.api.clone(), limits: spec.limits, moved: restart });
        server.spec = spec;
        if restart {
            for account in self.accounts_on(&name) {
                self.refresh_context(&account);
                self.restart_connection(&account, ctx);
            }
        }
        Ok(())
    }
}

impl Handler<ChangeSettings> for Supervisor {
    type Result = ();

    fn handle(&mut self, ChangeSettings(settings): ChangeSettings, _: &mut Self::Context) {
        // The pool stays as it is.
        let settings = Arc::new(HostSettings { arbiters: self.settings.arbiters, ..settings });
        for server in self.servers.values() {
            server.loop_guard.set_limit(settings.replies.loop_limit);
            if settings.health.poll_interval != self.settings.health.poll_interval {
                server.gate.change_poll_interval(settings.health.poll_interval);
            }
        }
        for account in self.accounts.values_mut() {
            account.set(&self.settings, &settings);
        }
        self.settings = settings;
    }
}

impl Supervisor {
    fn accounts_on(&self, server: &ServerName) -> Vec<AccountName> {
        let on_it = self.accounts.iter().filter(|(_, account)| account.spec.server == *server);
        on_it.map(|(name, _)| name.clone()).collect()
    }

    fn move_account(&mut self, name: &AccountName, from: &ServerName) {
        let Some(account) = self.accounts.get_mut(name) else { return };
        // How its Connection ends says nothing about the server that it goes to.
        account.was_ready = false;
        if let Some(server) = self.servers.get_mut(from) {
            server.account_removed(name);
        }
        if let Some(server) = self.servers.get_mut(&account.spec.server) {
            server.account_added();
        }
    }

    /// The account's own actors go by its specification and its server's, as they are now; its Connection is left alone.
    pub(super) fn refresh_context(&mut self, name: &AccountName) {
        let Some(account) = self.accounts.get_mut(name) else { return };
        let Some(server) = self.servers.get(&account.spec.server) else { return };
        let context = AccountContext {
            server: server.spec.name.clone(),
            token: account.spec.token.clone(),
            api: server.spec.api.clone(),
            gate: server.gate.clone(),
            sibling_watch: server.sibling_watch.clone(),
            loop_guard: server.loop_guard.clone(),
            ..(*account.context).clone()
        };
        account.update_context(context);
    }

    /// A fresh Connection with what has changed, unless an operator wants none.
    fn restart_connection(&mut self, name: &AccountName, ctx: &mut Context<Self>) {
        let Some(account) = self.accounts.get_mut(name) else { return };
        match account.state {
            AccountState::Stopping => {}
            AccountState::Stopped if !account.was_somebody_else() => {}
            _ if account.connection.is_some() => {
                account.config_changed = true;
                self.terminate(name, CloseReason::ConfigChanged, ctx);
            }
            _ => self.start_connection(name, ctx),
        }
    }
}

impl Account {
    /// What its Delivery and its Replies go by from now on.
    fn update_context(&mut self, context: AccountContext) {
        self.context = Arc::new(context);
        if let Some(placement) = &self.placement {
            placement.delivery.do_send(UpdateContext(self.context.clone()));
        }
        if let Some((_, replies)) = &self.replies {
            replies.do_send(UpdateContext(self.context.clone()));
        }
    }

    fn set(&mut self, before: &HostSettings, settings: &Arc<HostSettings>) {
        if before.restart != settings.restart {
            self.tracker.configure(settings.restart);
        }
        self.context.replay.with(|replay| replay.configure(settings.catch_up.replay_settings()));
        self.update_context(AccountContext { settings: settings.clone(), ..(*self.context).clone() });
        if let Some(connection) = &self.connection {
            connection.do_send(UpdateContext(self.context.clone()));
        }
    }

    /// Has its Delivery hand over to the new sink.
    fn change_sink(&self, spec: &AccountSpec) -> SinkReleased {
        let (released, is_released) = oneshot::channel();
        let placement = self.placement.as_ref().filter(|_| !Arc::ptr_eq(&self.spec.sink, &spec.sink));
        if let Some(placement) = placement {
            placement.delivery.do_send(ChangeSink { sink: spec.sink.clone(), released });
        }
        SinkReleased(is_released)
    }

    fn last_reason(&self) -> Option<&CloseReason> {
        self.endings.back().map(|last| &last.reason)
    }

    /// It was stopped because its token named another user.
    fn was_somebody_else(&self) -> bool {
        matches!(self.last_reason(), Some(CloseReason::IdentityChanged { .. }))
    }

    /// It has no Connection because its sink was broken.
    fn waits_for_its_sink(&self) -> bool {
        let waits = matches!(self.state, AccountState::Backoff | AccountState::Tripped);
        waits && matches!(self.last_reason(), Some(CloseReason::SinkBroken { .. }))
    }
}

impl Server {
    /// An account is on it.
    pub(super) fn account_added(&mut self) {
        self.accounts += 1;
        self.gate.set_account_count(self.accounts);
    }

    /// An account is on it no more.
    pub(super) fn account_removed(&mut self, account: &AccountName) {
        self.accounts = self.accounts.saturating_sub(1);
        self.gate.set_account_count(self.accounts);
        self.sibling_watch.forget(account);
        self.common_cause.ended(account);
    }
}
