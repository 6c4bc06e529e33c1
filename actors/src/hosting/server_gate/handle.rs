//! The interface that the other actors use to talk to a ServerGate.

use std::{sync::Arc, time::Duration};

use actix::Addr;
#[cfg(test)]
use actix::{AsyncContext as _, Context};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    Configure, Perform, ServerGate,
    gate_state::{Admitted, GateClosed, GateState, ServerReport, Task},
    reconfigure::Stop,
};
use crate::{
    hosting::account_context::now,
    mattermost::{
        DialError, DialErrorKind, DialedSocket, RequestStats, RestError, RestErrorKind, RestResponse, Socket,
    },
    model::{AccountName, ServerSnapshot},
    policy::RequestClass,
};

#[cfg(test)]
use crate::{hosting::Observer, model::ServerName, policy::GateLimits};

/// A handle to one server's gate, usable from any Arbiter.
#[derive(Clone)]
pub(in crate::hosting) struct GateHandle {
    gate: Addr<ServerGate>,
    /// Never locked across an `.await`.
    state: Arc<Mutex<GateState>>,
    slots: Arc<Semaphore>,
    request_stats: Arc<RequestStats>,
}

/// Permission to make one request.
pub(in crate::hosting) struct RequestPermit {
    gate: GateHandle,
    class: RequestClass,
    /// The interval between an account's polls at the moment.
    pub(in crate::hosting) poll_interval: Duration,
}

/// The reason why a request or a dial through the gate failed.
#[derive(Debug)]
pub(in crate::hosting) enum GateError<E> {
    /// No permit was granted.
    Closed(GateClosed),
    /// The server did not answer as expected; the gate knows.
    Failed(E),
}

impl<E> From<GateClosed> for GateError<E> {
    fn from(closed: GateClosed) -> Self {
        Self::Closed(closed)
    }
}

impl GateHandle {
    pub(super) fn new(
        gate: Addr<ServerGate>,
        state: Arc<Mutex<GateState>>,
        request_stats: Arc<RequestStats>,
    ) -> Self {
        let slots = state.lock().slots();
        Self { gate, state, slots, request_stats }
    }

    /// Returns a handle to a gate that is gone.
    #[cfg(test)]
    pub(in crate::hosting) fn ended(name: ServerName) -> Self {
        let mut state =
            GateState::new(name, GateLimits::default(), Duration::from_secs(30), Observer::default());
        state.close();
        Self::new(Context::new().address(), Arc::new(Mutex::new(state)), Arc::default())
    }

    /// Makes one request as soon as the gate permits it, and reports the outcome to the gate.
    pub(in crate::hosting) async fn request<T>(
        &self,
        class: RequestClass,
        account: &AccountName,
        send: impl AsyncFnOnce() -> Result<RestResponse<T>, RestError>,
    ) -> Result<T, GateError<RestError>> {
        let permit = self.acquire_permit(class, account).await?;
        permit.request(send).await.map_err(GateError::Failed)
    }

    /// Waits for permission to make one request: for the rate limit, for the end of a pause, and for a server that is
    /// down.
    pub(in crate::hosting) async fn acquire_permit(
        &self,
        class: RequestClass,
        account: &AccountName,
    ) -> Result<RequestPermit, GateClosed> {
        let requested_at = now();
        let admitted = self.state.lock().request(class, account)?;
        let poll_interval = match admitted {
            Admitted::Now(poll_interval) => poll_interval,
            Admitted::Later(granted) => {
                self.gate.do_send(Perform(Task::Pump));
                granted.await.map_err(|_| GateClosed)?
            }
        };
        self.request_stats.record_wait(class, now().saturating_duration_since(requested_at));
        Ok(RequestPermit { gate: self.clone(), class, poll_interval })
    }

    /// Dials as soon as the gate permits it and a dial slot is free, and reports the outcome to the gate. Hold the
    /// slot until the hello.
    pub(in crate::hosting) async fn dial(
        &self,
        account: &AccountName,
        dial: impl AsyncFnOnce() -> Result<DialedSocket, DialError>,
    ) -> Result<(Socket, OwnedSemaphorePermit), GateError<DialError>> {
        self.acquire_permit(RequestClass::Connect, account).await?;
        let slot = self.slots.clone().acquire_owned().await.map_err(|_| GateClosed)?;
        match dial().await {
            Ok(dialed) => {
                self.report(dialed.rate.map(ServerReport::Rate));
                Ok((dialed.socket, slot))
            }
            Err(error) => {
                self.report(Some(dial_failure_report(&error)));
                Err(GateError::Failed(error))
            }
        }
    }

    /// Reports the loss of a socket, which may mean that the server is down.
    pub(in crate::hosting) fn report_lost_socket(&self) {
        self.report(Some(ServerReport::Failed));
    }

    /// Sets the number of accounts on the server.
    pub(in crate::hosting) fn set_account_count(&self, accounts: usize) {
        self.state.lock().set_account_count(accounts);
    }

    /// Returns the state of the server, or `None` if the gate is gone.
    pub(in crate::hosting) fn snapshot(&self) -> Option<ServerSnapshot> {
        self.state.lock().snapshot()
    }

    pub(in crate::hosting) fn is_open(&self) -> bool {
        self.gate.connected()
    }

    pub(in crate::hosting) fn configure(&self, new: Configure) {
        self.gate.do_send(new);
    }

    pub(in crate::hosting) fn change_poll_interval(&self, interval: Duration) {
        self.state.lock().set_poll_interval(interval);
    }

    /// Stops the gate; everything that waits at it fails with [`GateClosed`].
    pub(in crate::hosting) fn stop(&self) {
        self.gate.do_send(Stop);
    }

    fn report(&self, report: Option<ServerReport>) {
        let task = report.and_then(|report| self.state.lock().record(report));
        if let Some(task) = task {
            self.gate.do_send(Perform(task));
        }
    }
}

impl RequestPermit {
    /// Makes the permitted request and reports the outcome to the gate.
    pub(in crate::hosting) async fn request<T>(
        self,
        send: impl AsyncFnOnce() -> Result<RestResponse<T>, RestError>,
    ) -> Result<T, RestError> {
        match send().await {
            Ok(answer) => {
                self.gate.report(answer.rate.map(ServerReport::Rate));
                Ok(answer.value)
            }
            Err(error) => {
                self.gate.report(failure_report(self.class, &error));
                Err(error)
            }
        }
    }
}

/// Returns what a failed request says about the server, if anything.
fn failure_report(class: RequestClass, error: &RestError) -> Option<ServerReport> {
    match &error.kind {
        RestErrorKind::RateLimited { retry_after } => Some(ServerReport::Limited(*retry_after)),
        RestErrorKind::Unreachable | RestErrorKind::Timeout | RestErrorKind::Server(_) => {
            Some(ServerReport::Failed)
        }
        // Every account may ask for itself; of a channel or a post, a refusal says nothing about the server.
        _ if matches!(class, RequestClass::Health | RequestClass::Connect) => Some(ServerReport::Refused),
        _ => None,
    }
}

/// Returns what a failed dial says about the server.
fn dial_failure_report(error: &DialError) -> ServerReport {
    match &error.kind {
        DialErrorKind::Refused { status: 429, retry_after } => ServerReport::Limited(*retry_after),
        DialErrorKind::Unreachable
        | DialErrorKind::Timeout
        | DialErrorKind::Refused { status: 500.., .. } => ServerReport::Failed,
        DialErrorKind::Tls
        | DialErrorKind::Proxy
        | DialErrorKind::Redirect
        | DialErrorKind::NotWebSocket
        | DialErrorKind::Refused { .. } => ServerReport::Refused,
    }
}
