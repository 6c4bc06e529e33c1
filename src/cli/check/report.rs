//! The results of a check, and their JSON.

use matterhost_actors::model::UserId;
use serde::Serialize;
use serde_json::json;

use crate::config::{ConfigError, Problem};

/// The results of all tests.
#[derive(Debug, Clone, Serialize)]
pub(super) struct CheckReport {
    /// True if everything works.
    pub(super) ok: bool,
    /// The servers, by name.
    pub(super) servers: Vec<ServerRow>,
    /// The accounts, by name.
    pub(super) accounts: Vec<AccountRow>,
    /// The sinks that accounts name, by name.
    pub(super) sinks: Vec<SinkRow>,
    /// The number of accounts, and of those that work.
    pub(super) counts: AccountCounts,
    /// The store of cursors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) state: Option<StateRow>,
    /// Files in directories of tokens that cannot be used.
    pub(super) left_out: Vec<String>,
    /// Warnings about the configuration.
    pub(super) warnings: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct ServerRow {
    pub(super) server: String,
    pub(super) url: String,
    /// `direct`, or the proxy on the way and the variable that names it.
    pub(super) way: String,
    /// The version that the server reports, if any.
    pub(super) version: Option<String>,
    /// The answer to a ping.
    pub(super) reachable: CheckResult,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct AccountRow {
    pub(super) account: String,
    pub(super) server: String,
    /// Name of the user whom the token belongs to.
    pub(super) user: Option<String>,
    /// The user's id, to find two tokens of one user.
    #[serde(skip)]
    pub(super) user_id: Option<UserId>,
    /// A warning about the user: a person, an administrator, or that of another account, too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) warnings: Vec<String>,
    /// The answer to a REST request with the token.
    pub(super) token: CheckResult,
    /// The hello on a WebSocket.
    pub(super) hello: CheckResult,
    /// The permissions for what bots do. What is lacking does not fail the check: not every bot needs it.
    pub(super) permissions: PermissionRow,
}

/// The permissions of an account, as far as its roles show them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct PermissionRow {
    /// True if the server showed the account's roles and their permissions.
    pub(super) known: bool,
    /// The permissions that it lacks, the most important first.
    pub(super) lacking: Vec<LackingPermission>,
    /// The reason why they are not known.
    pub(super) problem: Option<String>,
}

/// A permission that an account lacks, everywhere or in some channels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct LackingPermission {
    /// The action that is not possible: `post`, `react`, `upload`, `edit`, `direct`, `ephemeral` or `commands`.
    pub(super) ability: &'static str,
    /// The permission, as Mattermost names it, or several of which one is enough.
    pub(super) permission: String,
    /// The consequence.
    pub(super) effect: &'static str,
    /// The number of channels in which it is lacking; none if it counts for the whole server or a team.
    pub(super) channels: Option<usize>,
    /// The id of one of these channels.
    pub(super) channel: Option<String>,
    /// The name of that channel.
    pub(super) channel_name: Option<String>,
}

/// The number of accounts.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct AccountCounts {
    pub(super) all: usize,
    pub(super) working: usize,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct SinkRow {
    pub(super) sink: String,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    /// The address, program or file.
    pub(super) target: String,
    pub(super) usable: CheckResult,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct StateRow {
    /// `disk` or `memory`.
    pub(super) store: &'static str,
    /// The file of a store on disk.
    pub(super) file: Option<String>,
    pub(super) usable: CheckResult,
    /// A remark on a usable store, or empty.
    pub(super) note: &'static str,
}

/// The result of one test.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct CheckResult {
    /// True if the test passed; `None` if it was skipped because of another failure.
    pub(super) ok: Option<bool>,
    /// Time until the answer.
    pub(super) took_ms: Option<u64>,
    pub(super) problem: Option<String>,
    pub(super) remedy: Option<String>,
}

impl CheckReport {
    /// Removes what works, and what was not tested because its server failed: a thousand accounts of one server are one failure.
    pub(super) fn only_failed(mut self) -> Self {
        self.servers.retain(|row| !row.is_ok());
        self.accounts.retain(|row| row.has_failed() || !row.warnings.is_empty());
        self.sinks.retain(|row| !row.is_ok());
        self.state = self.state.filter(|row| !row.is_ok());
        self
    }

    /// Formats the report as one JSON object and a line end.
    pub(super) fn json(&self) -> String {
        // Serializing text, numbers and bools cannot fail.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }
}

impl ServerRow {
    pub(super) fn is_ok(&self) -> bool {
        self.reachable.ok == Some(true)
    }
}

impl AccountRow {
    pub(super) fn is_ok(&self) -> bool {
        self.token.ok == Some(true) && self.hello.ok == Some(true)
    }

    fn has_failed(&self) -> bool {
        self.token.ok == Some(false) || self.hello.ok == Some(false)
    }
}

impl SinkRow {
    pub(super) fn is_ok(&self) -> bool {
        self.usable.ok == Some(true)
    }
}

impl StateRow {
    pub(super) fn is_ok(&self) -> bool {
        self.usable.ok == Some(true)
    }
}

/// Formats what `check --json` prints for an invalid configuration.
pub(super) fn config_error_json(error: &ConfigError) -> String {
    let problem = |problem: &Problem| {
        json!({
            "key": problem.key, "origin": problem.origin, "place": problem.place, "problem": problem.message,
            "remedy": problem.remedy,
        })
    };
    let problems: Vec<_> = error.problems.iter().map(problem).collect();
    format!("{:#}\n", json!({ "ok": false, "file": error.file, "problems": problems }))
}
