//! What the Supervisor can be asked.

use std::{fmt, sync::Arc, time::Duration};

use actix::Message;

use crate::{
    model::{AccountDetail, AccountName, AccountSnapshot, ServerName, ServerSnapshot, Token},
    policy::GateLimits,
    ports::{ApiFactory, EventSink},
};

/// A server that accounts may be on.
#[derive(Clone)]
pub struct ServerSpec {
    /// Its name.
    pub name: ServerName,
    /// How to speak to it.
    pub api: Arc<dyn ApiFactory>,
    /// What all its accounts share.
    pub limits: GateLimits,
}

/// An account to host.
#[derive(Clone)]
pub struct AccountSpec {
    /// Its name; unique in the host.
    pub name: AccountName,
    /// The server it is on; added before it.
    pub server: ServerName,
    /// Its token.
    pub token: Token,
    /// Where its events go.
    pub sink: Arc<dyn EventSink>,
}

/// Adds a server, or changes the limits and the client of one; accounts take them up at their next start.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct AddServer(pub ServerSpec);

/// Adds an account and starts it.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), SupervisorError>")]
pub struct AddAccount(pub AccountSpec);

/// Stops an account and forgets it. Answered when its sink has what it heard, or after the stop deadline: then nothing
/// of it is left but what its store keeps, and an account of that name goes on from there.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), SupervisorError>")]
pub struct RemoveAccount(pub AccountName);

/// Forgets a server that no account is on.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), SupervisorError>")]
pub struct RemoveServer(pub ServerName);

/// Starts an account that is stopped, tripped, or waiting; one that runs goes on.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), SupervisorError>")]
pub struct StartAccount(pub AccountName);

/// Stops an account until somebody starts it. The answer comes at once; [`crate::model::Fact::Stopped`] tells the
/// end.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), SupervisorError>")]
pub struct StopAccount(pub AccountName);

/// Ends an account's Connection and starts the next at once, for nothing; starts one that is stopped.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), SupervisorError>")]
pub struct RestartAccount(pub AccountName);

/// Gives an account its whole restart budget back; starts it when it was tripped.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), SupervisorError>")]
pub struct ResetAccount(pub AccountName);

/// Asks for a snapshot of every account, by name.
#[derive(Debug, Message)]
#[rtype(result = "Vec<AccountSnapshot>")]
pub struct ListAccounts;

/// Asks for everything that is known of one account.
#[derive(Debug, Message)]
#[rtype(result = "Result<AccountDetail, SupervisorError>")]
pub struct GetAccount(pub AccountName);

/// Asks for a snapshot of every server, by name.
#[derive(Debug, Message)]
#[rtype(result = "Vec<ServerSnapshot>")]
pub struct ListServers;

/// Has an account audited as soon as an audit can tell: at once, or when `audit_grace` after ready is over. Answered
/// when that is under way; what it finds is told as any audit's.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), SupervisorError>")]
pub struct AuditAccount(pub AccountName);

/// Stops all accounts, waits until what was heard is handed over, and ends the Supervisor.
#[derive(Debug, Message)]
#[rtype(result = "ShutdownReport")]
pub struct Shutdown {
    /// How long that may take; what is not done by then is abandoned.
    pub deadline: Duration,
}

/// How a shutdown went.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ShutdownReport {
    /// Accounts that did not end in time, or whose sink had not taken everything.
    pub abandoned: Vec<AccountName>,
}

/// Why the Supervisor refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SupervisorError {
    /// No such account.
    #[error("there is no account {0}")]
    UnknownAccount(AccountName),
    /// No such server.
    #[error("account {account} is on server {server}, which was not added")]
    ServerNotAdded {
        /// The account.
        account: AccountName,
        /// The server it names.
        server: ServerName,
    },
    /// No such server.
    #[error("there is no server {0}")]
    UnknownServer(ServerName),
    /// Accounts are on the server.
    #[error("{accounts} accounts are on server {server}; remove them first")]
    ServerInUse {
        /// The server.
        server: ServerName,
        /// How many are on it.
        accounts: usize,
    },
    /// The name is taken.
    #[error("there is an account {0} already; remove it first")]
    AccountExists(AccountName),
    /// Only an account that is ready can be audited.
    #[error("account {0} is not ready, so nothing can be said to be missing; audit it when it is")]
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
