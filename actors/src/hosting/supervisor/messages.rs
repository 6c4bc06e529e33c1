//! Commands and queries that the Supervisor accepts, and their answers.

use std::{fmt, sync::Arc, time::Duration};

use actix::Message;

use crate::{
    hosting::AccountSettings,
    model::{
        AccountDetail, AccountName, AccountSnapshot, ServerName, ServerSnapshot, StateCounts, Token,
        UserChange,
    },
    policy::GateLimits,
    ports::{ApiFactory, EventSink},
};

/// The specification of a server that accounts may be on.
#[derive(Clone)]
pub struct ServerSpec {
    /// Its name.
    pub name: ServerName,
    /// Makes the clients of it.
    pub api: Arc<dyn ApiFactory>,
    /// The limits that all its accounts share.
    pub limits: GateLimits,
}

/// The specification of an account to host.
#[derive(Clone)]
pub struct AccountSpec {
    /// Its name; unique in the host.
    pub name: AccountName,
    /// Its server, which must have been added.
    pub server: ServerName,
    /// Its token.
    pub token: Token,
    /// The receiver of its events.
    pub sink: Arc<dyn EventSink>,
    /// Its own settings; `None` for those of the host.
    pub settings: Option<Arc<AccountSettings>>,
}

/// Adds a server. A known server gets the new limits at once; its accounts get the new client at their next Connection.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct AddServer(pub ServerSpec);

/// Adds an account and starts it.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), SupervisorError>")]
pub struct AddAccount(pub AccountSpec);

/// Stops an account and removes it. The answer comes once its events are acknowledged, its replies sent and its progress
/// stored, or after the stop deadline. The stored state remains; a new account of that name continues from there.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), SupervisorError>")]
pub struct RemoveAccount(pub AccountName);

/// Removes a server that has no accounts.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), SupervisorError>")]
pub struct RemoveServer(pub ServerName);

/// Starts an account that is stopped, tripped or waiting; has no effect on one that runs.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), SupervisorError>")]
pub struct StartAccount(pub AccountName);

/// Stops an account until it is started again. The answer comes at once; [`crate::model::Fact::Stopped`] reports the
/// end.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), SupervisorError>")]
pub struct StopAccount(pub AccountName);

/// Ends an account's Connection and starts the next at once, without a charge; starts an account that is stopped.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), SupervisorError>")]
pub struct RestartAccount(pub AccountName);

/// Reports what accounts of another host heard about users. An account here that has such a user is polled at once, or within a
/// second; one that is blocked connects. A change that is known, or of a user who is not hosted here, has no effect.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct HeardElsewhere(pub Vec<UserChange>);

/// Restores an account's whole restart budget; starts it if it was tripped.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), SupervisorError>")]
pub struct ResetAccount(pub AccountName);

/// Delivers the events of an account that wait for a retry, now.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), SupervisorError>")]
pub struct RetryDeliveries(pub AccountName);

/// Returns a snapshot of every account, sorted by name.
#[derive(Debug, Message)]
#[rtype(result = "Vec<AccountSnapshot>")]
pub struct ListAccounts;

/// Returns the details of one account.
#[derive(Debug, Message)]
#[rtype(result = "Result<AccountDetail, SupervisorError>")]
pub struct GetAccount(pub AccountName);

/// Counts the accounts in each state. An answer also proves that the Supervisor works.
///
/// It copies one field per account: [`ListAccounts`] costs far more. A watchdog may ask every second.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "StateCounts")]
pub struct CountStates;

/// Returns a snapshot of every server, sorted by name.
#[derive(Debug, Message)]
#[rtype(result = "Vec<ServerSnapshot>")]
pub struct ListServers;

/// Audits an account at once, or as soon as the grace period of [`crate::hosting::AuditSettings`] is over. The answer
/// comes once the audit is under way; its result is published as for any audit.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), SupervisorError>")]
pub struct AuditAccount(pub AccountName);

/// Stops all accounts, waits until their sinks have acknowledged every received event, and ends the Supervisor.
#[derive(Debug, Message)]
#[rtype(result = "ShutdownReport")]
pub struct Shutdown {
    /// The longest wait; accounts that are not done by then are abandoned.
    pub deadline: Duration,
}

/// The result of a shutdown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ShutdownReport {
    /// Accounts that did not end in time, or whose sink had not acknowledged every event.
    pub abandoned: Vec<AccountName>,
}

/// An error with which the Supervisor refuses a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SupervisorError {
    /// The account is unknown, or is being removed.
    #[error("there is no account {0}")]
    UnknownAccount(AccountName),
    /// The server of an account is unknown.
    #[error("account {account} is on server {server}, which has not been added")]
    ServerNotAdded {
        /// The account.
        account: AccountName,
        /// Its server.
        server: ServerName,
    },
    /// The server is unknown.
    #[error("there is no server {0}")]
    UnknownServer(ServerName),
    /// The server still has accounts.
    #[error("{accounts} accounts are on server {server}; remove them first")]
    ServerInUse {
        /// The server.
        server: ServerName,
        /// The number of accounts on it.
        accounts: usize,
    },
    /// The name is taken.
    #[error("account {0} exists already; remove it first")]
    AccountExists(AccountName),
    /// Only an account that is ready can be audited.
    #[error("account {0} is not ready; an audit needs a ready account")]
    NotReady(AccountName),
    /// The host is shutting down.
    #[error("the host is shutting down")]
    ShuttingDown,
}

impl fmt::Debug for ServerSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerSpec")
            .field("name", &self.name)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for AccountSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountSpec")
            .field("name", &self.name)
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}
