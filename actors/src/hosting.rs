//! The actors: thin shells that carry out what [`crate::policy`] decides.
//!
//! ```text
//! Supervisor                       one a process: the only owner of restarts, budgets and delays
//! ├─ ServerGate                    one a Mattermost server: request rate, dial slots, is the server down
//! └─ an account's children         one_for_one
//!    ├─ Delivery                   lives as long as the account
//!    ├─ Replies                    lives from the first reply on
//!    └─ Connection (generation n)  one socket, never reused
//!       └─ HealthCheck             child of that Connection
//! ```
pub(crate) mod catch_up;

mod connection;
mod context;
mod delivery;
mod health_check;
mod observer;
mod poster;
mod replies;
mod server_gate;
mod settings;
mod shared_replay;
mod supervisor;

pub use observer::Observer;
pub use settings::{
    AuditSettings, CatchUpSettings, DeliverySettings, HealthSettings, HostSettings, ReplySettings,
};
pub use supervisor::{
    AccountSpec, AddAccount, AddServer, AuditAccount, ChangeAccount, ChangeServer, ChangeSettings,
    CountStates, GetAccount, ListAccounts, ListServers, RemoveAccount, RemoveServer, ResetAccount,
    RestartAccount, SendReply, ServerSpec, Shutdown, ShutdownReport, SinkReleased, StartAccount, StopAccount,
    Supervisor, SupervisorError,
};
