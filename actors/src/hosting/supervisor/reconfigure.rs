//! Changes of accounts, servers and settings while accounts run. A change that an open socket cannot adopt ends it as
//! *config changed*; the next Connection starts at once.

use std::{fmt, sync::Arc};

use actix::{Context, Handler, Message};
use tokio::sync::oneshot;

use super::{
    AccountSpec, ServerSpec, Supervisor, SupervisorError,
    account::{Account, Intent},
};
use crate::{
    hosting::{
        HostSettings,
        account_context::{AccountContext, UpdateContext},
        delivery::ChangeSink,
        server_gate::Configure,
        server_limits::SharedServerLimits,
    },
    model::{AccountName, AccountState, CloseReason, ServerName},
};

/// Changes the token, the server or the sink of a hosted account, which keeps its replay state and the order of its
/// events. A new token or server ends its socket as *config changed*; a new sink alone does not. An account that waits
/// to connect tries at once, for a new sink only if the old one was broken. A stopped account stays stopped, unless a
/// new token replaces one of another user.
#[derive(Debug, Message)]
#[rtype(result = "Result<SinkReleased, SupervisorError>")]
pub struct ChangeAccount(pub AccountSpec);

/// Changes a known server. The limits apply at once; each account's next Connection uses the new client
/// (`ServerSpec::api`).
#[derive(Debug, Message)]
#[rtype(result = "Result<(), SupervisorError>")]
pub struct ChangeServer {
    /// The new specification.
    pub spec: ServerSpec,
    /// True to end the sockets of its accounts, for a new address or new trusted certificates.
    pub restart: bool,
}

/// Changes the settings of all accounts. No socket ends: `hello_timeout` and `delivery.queue` apply from each account's
/// next Connection on, `arbiters` and `accounts_per_arbiter` are ignored, all else applies at once.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct ChangeSettings(pub HostSettings);

/// A handle to wait until an account no longer uses its old sink.
pub struct SinkReleased(oneshot::Receiver<()>);

impl SinkReleased {
    /// Waits until the old sink has answered every event that it was given. Returns at once if the sink is the same.
    pub async fn wait(self) {
        // The sender is dropped without a value.
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
        let settings = self.settings.for_account(spec.settings.as_deref());
        let account = self.find_account(&name)?;
        let released = account.change_sink(&spec);
        let old = std::mem::replace(&mut account.spec, spec);
        if *account.context.settings != *settings {
            account.apply_settings(&settings);
        }
        let moved = old.server != account.spec.server;
        if moved {
            self.move_account(&name, &old.server);
        }
        if moved || !old.token.same_as(&self.find_account(&name)?.spec.token) {
            self.refresh_context(&name);
            self.restart_connection(&name, ctx);
        } else if self.find_account(&name)?.is_waiting_for_sink() {
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
            server.limits = SharedServerLimits::default();
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
        // The pool keeps its size.
        let HostSettings { arbiters, accounts_per_arbiter, .. } = *self.settings;
        let settings = Arc::new(HostSettings { arbiters, accounts_per_arbiter, ..settings });
        for server in self.servers.values() {
            server.loop_guard.set_limit(settings.replies.loop_limit);
            if settings.health.poll_interval != self.settings.health.poll_interval {
                server.gate.change_poll_interval(settings.health.poll_interval);
            }
        }
        for account in self.accounts.values_mut() {
            account.apply_settings(&settings.for_account(account.spec.settings.as_deref()));
        }
        self.settings = settings;
    }
}

impl Supervisor {
    fn accounts_on(&self, server: &ServerName) -> Vec<AccountName> {
        let accounts = self.accounts.iter().filter(|(_, account)| account.spec.server == *server);
        accounts.map(|(name, _)| name.clone()).collect()
    }

    fn move_account(&mut self, name: &AccountName, from: &ServerName) {
        let Some(account) = self.accounts.get_mut(name) else { return };
        // The end of its Connection must not count as a drop of the new server.
        account.was_ready = false;
        if let Some(server) = self.servers.get_mut(from) {
            server.account_removed(name);
        }
        if let Some(server) = self.servers.get_mut(&account.spec.server) {
            server.account_added();
        }
    }

    /// Rebuilds the account's context from its specification and its server's, without telling its Connection.
    pub(super) fn refresh_context(&mut self, name: &AccountName) {
        let Some(account) = self.accounts.get_mut(name) else { return };
        let Some(server) = self.servers.get(&account.spec.server) else { return };
        let context = AccountContext {
            server: server.spec.name.clone(),
            token: account.spec.token.clone(),
            api: server.spec.api.clone(),
            gate: server.gate.clone(),
            sibling_watch: server.sibling_watch.clone(),
            ping_rate: server.ping_rate.clone(),
            loop_guard: server.loop_guard.clone(),
            directory: server.directory.clone(),
            server_limits: server.limits.clone(),
            ..(*account.context).clone()
        };
        account.update_context(context);
    }

    /// Replaces the account's Connection so that it adopts a change, unless the account is stopped.
    fn restart_connection(&mut self, name: &AccountName, ctx: &mut Context<Self>) {
        let Some(account) = self.accounts.get_mut(name) else { return };
        match account.state {
            AccountState::Stopping => {}
            AccountState::Stopped if !account.stopped_as_other_user() => {}
            _ if account.connection.is_some() => {
                account.intent = Intent::Reconnect;
                self.terminate(name, CloseReason::ConfigChanged, ctx);
            }
            _ => self.start_connection(name, ctx),
        }
    }
}

impl Account {
    /// Replaces the context of the account, its Delivery and its Replies.
    fn update_context(&mut self, context: AccountContext) {
        self.context = Arc::new(context);
        if let Some(placement) = &self.placement {
            placement.delivery.do_send(UpdateContext(self.context.clone()));
        }
        if let Some((_, replies)) = &self.replies {
            replies.do_send(UpdateContext(self.context.clone()));
        }
    }

    fn apply_settings(&mut self, settings: &Arc<HostSettings>) {
        let old = self.context.settings.clone();
        if old.restart != settings.restart {
            self.tracker.configure(settings.restart);
        }
        self.context.replay.with(|replay| replay.configure(settings.catch_up.replay_settings()));
        self.update_context(AccountContext { settings: settings.clone(), ..(*self.context).clone() });
        if let Some(connection) = &self.connection {
            connection.do_send(UpdateContext(self.context.clone()));
        }
    }

    /// Tells the Delivery to use the new sink, if it is another one.
    fn change_sink(&self, spec: &AccountSpec) -> SinkReleased {
        let (released, is_released) = oneshot::channel();
        let placement = self.placement.as_ref().filter(|_| !Arc::ptr_eq(&self.spec.sink, &spec.sink));
        if let Some(placement) = placement {
            placement.delivery.do_send(ChangeSink { sink: spec.sink.clone(), released });
        }
        SinkReleased(is_released)
    }

    /// True if its last Connection ended because the token belonged to another user.
    fn stopped_as_other_user(&self) -> bool {
        matches!(self.last_reason(), Some(CloseReason::IdentityChanged { .. }))
    }

    /// True if it has no Connection because its sink was broken.
    fn is_waiting_for_sink(&self) -> bool {
        let is_waiting = matches!(self.state, AccountState::Backoff | AccountState::Tripped);
        is_waiting && matches!(self.last_reason(), Some(CloseReason::SinkBroken { .. }))
    }
}
