//! How the other actors speak to a ServerGate.

use std::{sync::Arc, time::Duration};

use actix::Addr;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::{
    Acquire, ChangePollInterval, Configure, GetSnapshot, ServerGate, ServerReport, SetAccountCount,
    reconfigure::Stop,
};
use crate::hosting::context::now;
use crate::{
    mattermost::{DialError, DialErrorKind, RateHeaders, RequestStats, RestError, RestErrorKind},
    model::{AccountName, ServerSnapshot},
    policy::RequestClass,
};

/// The way to one server's gate, from any Arbiter.
#[derive(Clone)]
pub(in crate::hosting) struct GateHandle {
    gate: Addr<ServerGate>,
    slots: Arc<Semaphore>,
    request_stats: Arc<RequestStats>,
}

/// Leave for one request.
#[derive(Debug)]
pub(in crate::hosting) struct RequestPermit {
    /// How long polls are to wait for each other at the moment.
    pub(in crate::hosting) poll_interval: Duration,
}

/// The gate is gone, or too many wait.
#[derive(Debug, thiserror::Error)]
#[error("the server's gate is closed, or too many requests wait")]
pub(in crate::hosting) struct GateClosed;

impl GateHandle {
    pub(in crate::hosting) fn new(
        gate: Addr<ServerGate>,
        slots: Arc<Semaphore>,
        request_stats: Arc<RequestStats>,
    ) -> Self {
        Self { gate, slots, request_stats }
    }

    /// Waits for leave to make one request: for the pace, for a pause to end, and while the server is down.
    pub(in crate::hosting) async fn acquire_permit(
        &self,
        class: RequestClass,
        account: &AccountName,
    ) -> Result<RequestPermit, GateClosed> {
        let (grant, granted) = oneshot::channel();
        let asked = now();
        self.gate.do_send(Acquire { class, account: account.clone(), grant });
        let permit = granted.await.map_err(|_| GateClosed)?;
        self.request_stats.record_wait(class, now().saturating_duration_since(asked));
        Ok(permit)
    }

    /// Waits for a dial slot, to be held from the dial to the hello.
    pub(in crate::hosting) async fn acquire_dial_slot(&self) -> Result<OwnedSemaphorePermit, GateClosed> {
        self.slots.clone().acquire_owned().await.map_err(|_| GateClosed)
    }

    /// Learns from the answer to a request.
    pub(in crate::hosting) fn report_answer(&self, rate: Option<RateHeaders>) {
        if let Some(rate) = rate {
            self.gate.do_send(ServerReport::Rate(rate));
        }
    }

    /// Learns from a request that failed.
    pub(in crate::hosting) fn report_failure(&self, error: &RestError) {
        match &error.kind {
            RestErrorKind::RateLimited { retry_after } => {
                self.gate.do_send(ServerReport::Limited(*retry_after));
            }
            RestErrorKind::Unreachable | RestErrorKind::Timeout | RestErrorKind::Server(_) => {
                self.report_lost_socket();
            }
            _ => {}
        }
    }

    /// Learns from a dial that failed.
    pub(in crate::hosting) fn report_dial_failure(&self, error: &DialError) {
        match &error.kind {
            DialErrorKind::Refused { status: 429, retry_after } => {
                self.gate.do_send(ServerReport::Limited(*retry_after));
            }
            DialErrorKind::Unreachable | DialErrorKind::Timeout => self.report_lost_socket(),
            DialErrorKind::Refused { status: 500.., .. } => self.report_lost_socket(),
            _ => {}
        }
    }

    /// A socket was lost, which may mean that the server is down.
    pub(in crate::hosting) fn report_lost_socket(&self) {
        self.gate.do_send(ServerReport::Failed);
    }

    /// Tells how many accounts are on the server.
    pub(in crate::hosting) fn set_account_count(&self, accounts: usize) {
        self.gate.do_send(SetAccountCount(accounts));
    }

    /// What is known of the server; none when the gate is gone.
    pub(in crate::hosting) async fn snapshot(&self) -> Option<ServerSnapshot> {
        self.gate.send(GetSnapshot).await.ok()
    }

    pub(in crate::hosting) fn is_open(&self) -> bool {
        self.gate.connected()
    }

    pub(in crate::hosting) fn configure(&self, new: Configure) {
        self.gate.do_send(new);
    }

    pub(in crate::hosting) fn change_poll_interval(&self, interval: Duration) {
        self.gate.do_send(ChangePollInterval(interval));
    }

    /// Ends the gate: whoever waits at it learns that it is closed.
    pub(in crate::hosting) fn stop(&self) {
        self.gate.do_send(Stop);
    }
}
