//! Actors that host accounts: thin shells that carry out the decisions of [`crate::policy`].
//!
//! ```text
//! Supervisor                       one per process: the only owner of restarts, budgets and delays
//! ├─ ServerGate                    one per Mattermost server: request rate, dial slots, server status
//! └─ an account's children         one_for_one
//!    ├─ Delivery                   lives as long as the account
//!    ├─ Replies                    lives from the account's first reply
//!    └─ Connection (generation n)  one socket, never reused
//!       └─ HealthCheck             child of that Connection
//! ```
mod account_context;
pub(crate) mod catch_up;
mod connection;
mod delivery;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod health_check;
mod known_names;
mod observer;
mod replies;
mod server_gate;
mod server_limits;
mod settings;
mod shared_moments;
mod shared_replay;
mod shared_sibling_watch;
mod supervisor;

pub use observer::Observer;
pub use settings::{
    AccountSettings, AuditSettings, CatchUpSettings, DeliverySettings, HealthSettings, HostSettings,
    ReplySettings,
};
pub use supervisor::{
    AccountSpec, AddAccount, AddServer, AuditAccount, ChangeAccount, ChangeServer, ChangeSettings,
    CountStates, GetAccount, HeardElsewhere, ListAccounts, ListServers, LookUp, OpenFile, ReadLimits,
    RemoveAccount, RemoveServer, ResetAccount, RestartAccount, RetryDeliveries, SendReply, ServerSpec,
    Shutdown, ShutdownReport, SinkReleased, StartAccount, StopAccount, Supervisor, SupervisorError,
};
