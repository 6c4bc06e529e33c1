//! The sizes that a server takes, read once for all its accounts.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::{Instant, timeout};

use super::{
    account_context::{AccountContext, now},
    server_gate::GateError,
};
use crate::{
    mattermost::RestErrorKind,
    model::ServerLimits,
    policy::{KnownLimits, LimitsUse, RequestClass},
    ports::Api,
};

/// The longest wait of a post for the limits, also while another account reads them. Then it goes by the last ones.
const READ_WITHIN: Duration = Duration::from_secs(10);

/// The sizes that one server takes, shared by its accounts. One account at a time asks the server.
#[derive(Clone, Default)]
pub(super) struct SharedServerLimits(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// Never held across an `.await`.
    known: Mutex<KnownLimits>,
    /// Held by the account that asks, until it has the answer.
    reading: tokio::sync::Mutex<()>,
}

impl SharedServerLimits {
    /// Reads the limits after an account has connected, unless another account does or has just done so.
    pub(super) async fn refresh(&self, context: &AccountContext, api: &dyn Api) {
        if let Ok(_turn) = self.0.reading.try_lock()
            && self.is_due(LimitsUse::Connect)
        {
            self.read(context, api).await;
        }
    }

    /// Returns the limits for a post that depends on them, read again if they are due. Without an answer, these are the
    /// last ones, also for the posts of the next minute. At most a quarter of the time until the post's deadline is spent.
    pub(super) async fn for_post(
        &self,
        context: &AccountContext,
        api: &dyn Api,
        deadline: Instant,
    ) -> ServerLimits {
        if self.is_due(LimitsUse::Post) {
            let reading = async {
                let _turn = self.0.reading.lock().await;
                if self.is_due(LimitsUse::Post) {
                    self.read(context, api).await;
                }
            };
            let within = READ_WITHIN.min(deadline.saturating_duration_since(Instant::now()) / 4);
            if timeout(within, reading).await.is_err() {
                self.0.known.lock().record(now(), None);
            }
        }
        self.known()
    }

    /// Returns the limits as far as they are known.
    pub(super) fn known(&self) -> ServerLimits {
        self.0.known.lock().limits()
    }

    /// Records that the server refused a post that may have been too large.
    pub(super) fn doubt(&self) {
        self.0.known.lock().doubt();
    }

    fn is_due(&self, occasion: LimitsUse) -> bool {
        self.0.known.lock().is_due(now(), occasion)
    }

    async fn read(&self, context: &AccountContext, api: &dyn Api) {
        let AccountContext { gate, account, token, .. } = context;
        let send = async || api.server_limits(token).await;
        match gate.request(RequestClass::Reply, account, send).await {
            Ok(limits) => self.0.known.lock().record(now(), Some(limits)),
            // This account alone is refused; the next one may be answered.
            Err(GateError::Failed(error)) if error.kind == RestErrorKind::Unauthorized => {}
            Err(GateError::Closed(_)) => {}
            Err(GateError::Failed(_)) => self.0.known.lock().record(now(), None),
        }
    }
}
