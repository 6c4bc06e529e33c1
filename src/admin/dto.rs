//! The JSON values of the admin API, used by the server and its clients.
//!
//! Times are RFC 3339 in UTC with milliseconds; fields named `…_ms` are whole milliseconds.

mod account;
mod account_settings;
mod action;
mod cluster_view;
mod detail;
mod fact;
mod instance;
mod member_question;
mod problem_details;
mod servers;
mod sign_in;
mod sinks;

pub use account::{Account, AccountChanges, Accounts, CatchingUp, Ending, RefusedEvent, UNKNOWN_STATE};
pub use account_settings::AccountSettings;
pub use action::{Action, ActionAccepted, LogLevel};
pub use cluster_view::{Cluster, ClusterAccount, ClusterActions, ClusterMember, Drain, PlannedMoves};
pub use detail::{AccountDetail, Liveness, Probe};
pub use fact::{Fact, Gap};
pub use instance::Instance;
pub use member_question::{MemberAnswer, MemberQuestion};
pub use problem_details::{ConfigProblem, Problem, TYPE as PROBLEM_TYPE};
pub use servers::{Server, Servers};
pub use sign_in::{SignInLink, SignedIn};
pub use sinks::{
    DeadLetter, DeadLetters, DroppedLetters, FilteredEvents, LetterSelection, RetriedLetters, Sink,
    SinkAction, SinkActionAccepted, SinkBudget, SinkComplaint, SinkEvent, SinkExit, Sinks, SkipRequest,
    Skipped, SlotUse,
};
