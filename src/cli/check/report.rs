//! What a check found, as values, and as JSON.

use serde::Serialize;
use serde_json::json;

use super::ConfigError;
use crate::config::Problem;

/// What a check found.
#[derive(Debug, Clone, Serialize)]
pub struct CheckReport {
    /// Whether everything works.
    pub ok: bool,
    /// The servers, by name.
    pub servers: Vec<ServerRow>,
    /// The accounts, by name.
    pub accounts: Vec<AccountRow>,
    /// Where cursors are kept between runs.
    pub state: StateRow,
    /// What is unwise in the configuration.
    pub warnings: Vec<String>,
}

/// What was found of a server.
#[derive(Debug, Clone, Serialize)]
pub struct ServerRow {
    /// Its name.
    pub server: String,
    /// Its address.
    pub url: String,
    /// Its version, as far as it says.
    pub version: Option<String>,
    /// Whether it answers.
    pub reachable: CheckResult,
}

/// What was found of an account.
#[derive(Debug, Clone, Serialize)]
pub struct AccountRow {
    /// Its name.
    pub account: String,
    /// Its server.
    pub server: String,
    /// The user that the token names.
    pub user: Option<String>,
    /// Whether the server takes the token.
    pub token: CheckResult,
    /// Whether the WebSocket says hello.
    pub hello: CheckResult,
}

/// What was found of the place where cursors are kept.
#[derive(Debug, Clone, Serialize)]
pub struct StateRow {
    /// `disk` or `memory`.
    pub store: &'static str,
    /// The file, where there is one.
    pub file: Option<String>,
    /// Whether it can be used.
    pub usable: CheckResult,
    /// What else there is to say of it.
    pub note: &'static str,
}

/// One question and its answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CheckResult {
    /// Whether it was as it should be; `None` when it was not asked because of another failure.
    pub ok: Option<bool>,
    /// How long the answer took.
    pub took_ms: Option<u64>,
    /// What is wrong.
    pub problem: Option<String>,
    /// How to mend it.
    pub remedy: Option<String>,
}

impl CheckReport {
    /// The report as one JSON object and a line end.
    pub fn json(&self) -> String {
        // Texts, numbers and bools cannot fail to be written.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }
}

/// What `check --json` prints of a configuration that cannot be used.
pub fn config_error_json(error: &ConfigError) -> String {
    let problem = |problem: &Problem| {
        json!({
            "key": problem.key, "origin": problem.origin, "problem": problem.message, "remedy": problem.remedy,
        })
    };
    let problems: Vec<_> = error.problems.iter().map(problem).collect();
    format!("{:#}\n", json!({ "ok": false, "file": error.file, "problems": problems }))
}
