//! The questions of the members of a cluster to each other, and the answers.

use serde::{Deserialize, Serialize};

use super::{Account, AccountDetail, Action, ActionAccepted};

/// A question to a member about the accounts that it hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberQuestion {
    /// Asks for all of them.
    Accounts,
    /// Asks for everything known about one.
    Account(String),
    /// Asks for an action on one.
    Act(String, Action),
}

/// The answer of a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberAnswer {
    /// The accounts that it hosts.
    Accounts(Vec<Account>),
    /// An account that it hosts.
    Account(Box<AccountDetail>),
    /// The action has begun.
    Accepted(ActionAccepted),
    /// The question is refused.
    Refused {
        /// The status of the response.
        status: u16,
        /// The reason as a sentence.
        detail: String,
    },
}
