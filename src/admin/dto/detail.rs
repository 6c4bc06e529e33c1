//! Everything that is known of one account.

use std::time::SystemTime;

use matterhost_actors::model;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Account, Ending};
use crate::telemetry::time::{millis, rfc3339};

/// Everything that is known of one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountDetail {
    /// What a row shows.
    #[serde(flatten)]
    pub account: Account,
    /// How its last Connections ended, newest first.
    pub endings: Vec<Ending>,
    /// What its witnesses said last.
    pub liveness: Liveness,
    /// Events that its sink has and has not answered; left out when the account's thread did not say in time.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub unacknowledged: Option<usize>,
    /// Events that were not handed over to the sink yet.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub waiting: Option<usize>,
    /// For how long the oldest event waits that is not acknowledged: so far the cursors lag behind.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cursor_lag_ms: Option<u64>,
}

/// What the witnesses of deafness said last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Liveness {
    /// The poll of `/users/me`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_poll: Option<Probe>,
    /// The in-band ping.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_ping: Option<Probe>,
    /// When another account's socket last told of a change.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_sibling_report: Option<String>,
    /// The comparison of posts with what was received.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_audit: Option<Probe>,
}

/// What came of one look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Probe {
    /// When the answer came.
    pub at: String,
    /// Whether all was well.
    pub ok: bool,
    /// What was wrong.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cause: Option<String>,
    /// How long the answer took.
    pub took_ms: u64,
}

impl From<&model::AccountDetail> for AccountDetail {
    fn from(of: &model::AccountDetail) -> Self {
        let lag = |oldest: SystemTime| millis(SystemTime::now().duration_since(oldest).unwrap_or_default());
        Self {
            account: (&of.snapshot).into(),
            endings: of.endings.iter().map(|ending| (&**ending).into()).collect(),
            liveness: (&of.witnesses).into(),
            unacknowledged: of.waiting.map(|waiting| waiting.unacknowledged),
            waiting: of.waiting.map(|waiting| waiting.waiting),
            cursor_lag_ms: of.waiting.map(|waiting| waiting.oldest.map_or(0, lag)),
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
