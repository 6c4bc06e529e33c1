//! What every request of one account needs: the account's standing, the gate's leave, a client, and a memory.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

use crate::{
    hosting::context::AccountContext,
    mattermost::{Me, RestError, RestErrorKind, RestResponse},
    model::{Fact, Generation, ReplyError, Token, UserId},
    policy::{GiveUpReason, RequestClass, RequestFailure, SendPermission, SentKeys},
    ports::{Api, ApiFactory},
};

/// What every request of one account needs.
pub(super) struct ReplyClient {
    context: RefCell<Arc<AccountContext>>,
    generation: Cell<Generation>,
    /// This Arbiter's client, and what it was made from.
    api: RefCell<(Arc<dyn ApiFactory>, Rc<dyn Api>)>,
    /// Requests on their way at once.
    slots: RefCell<Arc<Semaphore>>,
    pub(super) sent: RefCell<SentKeys>,
    /// How large a file may be, once it was asked.
    pub(super) max_file_size: Cell<Option<u64>>,
}

/// A request that was not answered as it should be.
#[derive(Debug)]
pub(super) struct FailedRequest {
    pub(super) failure: RequestFailure,
    pub(super) cause: String,
    /// The account is stopped.
    stopped: bool,
}

impl ReplyClient {
    pub(super) fn new(context: Arc<AccountContext>) -> Self {
        let (factory, api, slots) = (context.api.clone(), context.api.api(), slots(&context));
        Self {
            context: RefCell::new(context),
            generation: Cell::default(),
            api: RefCell::new((factory, api)),
            slots: RefCell::new(slots),
            sent: RefCell::default(),
            max_file_size: Cell::default(),
        }
    }

    pub(super) fn context(&self) -> Arc<AccountContext> {
        self.context.borrow().clone()
    }

    /// Another generation runs for the account.
    pub(super) fn set_generation(&self, generation: Generation) {
        self.generation.set(generation);
    }

    /// The gate, the client, the token or the settings may be new.
    pub(super) fn update_context(&self, context: Arc<AccountContext>) {
        if !Arc::ptr_eq(&context.api, &self.api.borrow().0) {
            *self.api.borrow_mut() = (context.api.clone(), context.api.api());
            self.max_file_size.set(None);
        }
        if context.settings.replies.in_flight != self.context().settings.replies.in_flight {
            // Requests under way hold slots of the old ones, and end soon.
            *self.slots.borrow_mut() = slots(&context);
        }
        *self.context.borrow_mut() = context;
    }

    pub(super) fn observe(&self, fact: Fact) {
        self.context.borrow().observe(self.generation.get(), fact);
    }

    /// Makes one request as soon as the account may speak and the gate gives leave.
    pub(super) async fn request<T>(
        &self,
        deadline: Instant,
        ask: impl AsyncFnOnce(&dyn Api, &Token) -> Result<RestResponse<T>, RestError>,
    ) -> Result<T, FailedRequest> {
        let acquired = timeout_at(deadline, self.acquire_permit()).await;
        let _slot = acquired.unwrap_or_else(|_| Err(self.permit_timeout_error()))?;
        let (context, api) = (self.context(), self.api.borrow().1.clone());
        match ask(&*api, &context.token).await {
            Ok(answer) => {
                context.gate.report_answer(answer.rate);
                Ok(answer.value)
            }
            Err(error) => {
                context.gate.report_failure(&error);
                Err(FailedRequest { failure: failure(error.kind), cause: error.to_string(), stopped: false })
            }
        }
    }

    async fn acquire_permit(&self) -> Result<OwnedSemaphorePermit, FailedRequest> {
        if self.context().stats.wait_for_send_permission().await == SendPermission::Denied {
            return Err(FailedRequest { stopped: true, ..FailedRequest::not_done("the account is stopped") });
        }
        let slots = self.slots.borrow().clone();
        let slot = slots.acquire_owned().await.map_err(|error| FailedRequest::not_done(&error))?;
        let context = self.context();
        let permit = context.gate.acquire_permit(RequestClass::Reply, &context.account).await;
        permit.map(|_| slot).map_err(|error| FailedRequest::not_done(&error))
    }

    /// Why there was no leave in time.
    fn permit_timeout_error(&self) -> FailedRequest {
        let state = self.context().stats.state();
        FailedRequest::not_done(&format_args!("no request could be made, the account being {state}"))
    }

    /// The account's own user.
    pub(super) async fn own_user_id(&self, deadline: Instant) -> Result<UserId, FailedRequest> {
        if let Some(user) = self.context().replay.with(|replay| replay.account().user.clone()) {
            return Ok(user);
        }
        match self.request(deadline, async |api, token| api.me(token, None).await).await? {
            Me::User { user, .. } => Ok(user.id),
            Me::Unmodified => Err(FailedRequest::not_done("304 to a question without an ETag")),
        }
    }

    /// What is told when it is not tried any more.
    pub(super) fn reply_error(&self, gave_up: GiveUpReason, failed: FailedRequest) -> ReplyError {
        let context = self.context();
        let account = context.account.clone();
        match gave_up {
            _ if failed.stopped => ReplyError::Stopped(account),
            GiveUpReason::Refused => ReplyError::Refused { cause: failed.cause },
            GiveUpReason::TimedOut { maybe_done } => {
                let (state, waited) = (context.stats.state(), context.settings.replies.deadline);
                ReplyError::TimedOut { account, state, waited, cause: failed.cause, maybe_done }
            }
        }
    }
}

fn slots(context: &AccountContext) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(context.settings.replies.in_flight.clamp(1, Semaphore::MAX_PERMITS)))
}

impl FailedRequest {
    pub(super) fn not_done(cause: &(impl std::fmt::Display + ?Sized)) -> Self {
        let failure = RequestFailure::NotDone { retry_after: None };
        Self { failure, cause: cause.to_string(), stopped: false }
    }

    /// What cannot be mended by waiting.
    pub(super) fn is_final(&self) -> bool {
        self.stopped
    }

    /// The same for a request that changes nothing that matters.
    pub(super) fn into_retryable(self) -> Self {
        match self.failure {
            RequestFailure::Uncertain => {
                Self { failure: RequestFailure::NotDone { retry_after: None }, ..self }
            }
            RequestFailure::Refused | RequestFailure::NotDone { .. } => self,
        }
    }
}

/// What an error says about what was asked for.
fn failure(kind: RestErrorKind) -> RequestFailure {
    use RestErrorKind as K;
    match kind {
        K::RateLimited { retry_after } => RequestFailure::NotDone { retry_after },
        K::Unauthorized | K::Tls | K::Redirect => RequestFailure::NotDone { retry_after: None },
        K::NotFound => RequestFailure::Refused,
        K::Refused(status) if status != 408 => RequestFailure::Refused,
        K::Refused(_)
        | K::Unreachable
        | K::Timeout
        | K::Server(_)
        | K::NotJson
        | K::TooLarge
        | K::BadBody => RequestFailure::Uncertain,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_not_refused_for_certain_may_have_been_done() {
        let wait = Some(Duration::from_secs(7));
        let not_done = RequestFailure::NotDone { retry_after: None };
        for (kind, expected) in [
            (RestErrorKind::RateLimited { retry_after: wait }, RequestFailure::NotDone { retry_after: wait }),
            (RestErrorKind::Unauthorized, not_done),
            (RestErrorKind::Tls, not_done),
            (RestErrorKind::Redirect, not_done),
            (RestErrorKind::NotFound, RequestFailure::Refused),
            (RestErrorKind::Refused(400), RequestFailure::Refused),
            (RestErrorKind::Refused(403), RequestFailure::Refused),
            (RestErrorKind::Refused(413), RequestFailure::Refused),
            (RestErrorKind::Refused(408), RequestFailure::Uncertain),
            (RestErrorKind::Unreachable, RequestFailure::Uncertain),
            (RestErrorKind::Timeout, RequestFailure::Uncertain),
            (RestErrorKind::Server(502), RequestFailure::Uncertain),
            (RestErrorKind::NotJson, RequestFailure::Uncertain),
            (RestErrorKind::BadBody, RequestFailure::Uncertain),
            (RestErrorKind::TooLarge, RequestFailure::Uncertain),
        ] {
            assert_eq!(failure(kind), expected, "{kind:?}");
        }
    }
}
