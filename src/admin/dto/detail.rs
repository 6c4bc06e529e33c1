//! The details of one account.

use std::time::SystemTime;

use matterhost_actors::model;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Account, Ending, RefusedEvent};
use crate::telemetry::time::{millis, rfc3339};

/// Everything known about one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountDetail {
    /// The fields that a list shows, too.
    #[serde(flatten)]
    pub account: Account,
    /// The endings of its last Connections, newest first.
    pub endings: Vec<Ending>,
    /// The last results of its liveness checks.
    pub liveness: Liveness,
    /// Events that the sink has not acknowledged yet; left out if the account's thread did not respond in time.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub unacknowledged: Option<usize>,
    /// Events not yet handed to the sink.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub waiting: Option<usize>,
    /// The age of the oldest event that is not acknowledged: the lag of the cursors.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cursor_lag_ms: Option<u64>,
    /// The events that a sink did not accept, one for each waiting channel, those that have waited longest first; 20 at most.
    #[serde(default)]
    pub refused: Vec<RefusedEvent>,
}

/// The last results of the checks for a deaf socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Liveness {
    /// The poll of `/users/me`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_poll: Option<Probe>,
    /// The in-band ping.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_ping: Option<Probe>,
    /// The time at which another account's socket last reported a change of this account.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_sibling_report: Option<String>,
    /// The comparison of the server's posts with those received.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_audit: Option<Probe>,
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Probe {
    /// The time of the result.
    pub at: String,
    /// True if the check passed.
    pub ok: bool,
    /// The problem, if the check failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cause: Option<String>,
    /// The duration of the check.
    pub took_ms: u64,
}

impl From<&model::AccountDetail> for AccountDetail {
    fn from(of: &model::AccountDetail) -> Self {
        let lag = |oldest: SystemTime| millis(SystemTime::now().duration_since(oldest).unwrap_or_default());
        Self {
            account: (&of.snapshot).into(),
            endings: of.endings.iter().map(|ending| (&**ending).into()).collect(),
            liveness: (&of.witnesses).into(),
            unacknowledged: of.waiting.as_ref().map(|waiting| waiting.unacknowledged),
            waiting: of.waiting.as_ref().map(|waiting| waiting.waiting),
            cursor_lag_ms: of.waiting.as_ref().map(|waiting| waiting.oldest.map_or(0, lag)),
            refused: of.waiting.iter().flat_map(|waiting| &waiting.refused).map(Into::into).collect(),
        }
    }
}

impl From<&model::Witnesses> for Liveness {
    fn from(of: &model::Witnesses) -> Self {
        Self {
            last_poll: of.poll.as_ref().map(Into::into),
            last_ping: of.ping.as_ref().map(Into::into),
            last_sibling_report: of.prompted.map(rfc3339),
            last_audit: of.audit.as_ref().map(Into::into),
        }
    }
}

impl From<&model::Probe> for Probe {
    fn from(of: &model::Probe) -> Self {
        let cause = of.cause.as_deref().map(str::to_owned);
        Self { at: rfc3339(of.at), ok: cause.is_none(), cause, took_ms: millis(of.took) }
    }
}
