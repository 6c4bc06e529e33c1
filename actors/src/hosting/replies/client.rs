//! The client through which one account's replies make their requests.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

use super::thread_root::ThreadRoots;
use crate::{
    hosting::{account_context::AccountContext, server_gate::RequestPermit},
    mattermost::{Me, RestError, RestErrorKind, RestResponse},
    model::{Attachment, Excerpt, Fact, Generation, ReplyError, ServerLimits, Token, UserId},
    policy::{
        GiveUpReason, LookupCache, RecentUploads, RequestClass, RequestFailure, SendPermission, SentKeys,
        ShownParts, always_fits,
    },
    ports::{Api, ApiFactory},
};

/// The most uploads in flight for one account: more would only share its bandwidth.
const MAX_UPLOADS: usize = 2;

/// A client that makes the requests of one account's replies: it waits for the account's permission to send and for the
/// gate, and remembers what was posted.
pub(super) struct ReplyClient {
    context: RefCell<Arc<AccountContext>>,
    generation: Cell<Generation>,
    /// This Arbiter's API, and the factory that made it.
    api: RefCell<(Arc<dyn ApiFactory>, Rc<dyn Api>)>,
    /// Bounds the requests in flight.
    slots: RefCell<Arc<Semaphore>>,
    /// Bounds the uploads in flight, which may take long and must not delay replies.
    upload_slots: Arc<Semaphore>,
    pub(super) sent: RefCell<SentKeys>,
    /// The roots of replies that were asked for as roots.
    pub(super) roots: RefCell<ThreadRoots>,
    pub(super) lookups: RefCell<LookupCache>,
    pub(super) uploads: RefCell<RecentUploads>,
    pub(super) shown: RefCell<ShownParts>,
}

/// A request that did not succeed.
#[derive(Debug)]
pub(super) struct FailedRequest {
    pub(super) failure: RequestFailure,
    pub(super) cause: Excerpt,
    /// The kind and the server's name of the error; `None` if no request was made.
    error: Option<(RestErrorKind, Option<Box<str>>)>,
    /// True if the account is stopped.
    is_stopped: bool,
}

/// The server's name of the error for a `root_id` that is a reply's, unknown or deleted (fact 38).
const INVALID_ROOT: &str = "api.post.create_post.root_id.app_error";

impl ReplyClient {
    pub(super) fn new(context: Arc<AccountContext>) -> Self {
        let (factory, api, slots) = (context.api.clone(), context.api.api(), slots(&context));
        Self {
            context: RefCell::new(context),
            generation: Cell::default(),
            api: RefCell::new((factory, api)),
            slots: RefCell::new(slots),
            upload_slots: Arc::new(Semaphore::new(MAX_UPLOADS)),
            sent: RefCell::default(),
            roots: RefCell::default(),
            lookups: RefCell::default(),
            uploads: RefCell::default(),
            shown: RefCell::default(),
        }
    }

    pub(super) fn context(&self) -> Arc<AccountContext> {
        self.context.borrow().clone()
    }

    /// Sets the generation that facts are reported with.
    pub(super) fn set_generation(&self, generation: Generation) {
        self.generation.set(generation);
    }

    /// Replaces the context: the gate, the API, the token or the settings may be new.
    pub(super) fn update_context(&self, context: Arc<AccountContext>) {
        if !Arc::ptr_eq(&context.api, &self.api.borrow().0) {
            *self.api.borrow_mut() = (context.api.clone(), context.api.api());
            self.lookups.take();
        }
        if context.settings.replies.in_flight != self.context().settings.replies.in_flight {
            // Requests in flight keep their slots of the old semaphore, and end soon.
            *self.slots.borrow_mut() = slots(&context);
        }
        *self.context.borrow_mut() = context;
    }

    pub(super) fn observe(&self, fact: Fact) {
        self.context.borrow().observe(self.generation.get(), fact);
    }

    /// Makes one request as soon as the account may send and the gate permits it.
    pub(super) async fn request<T>(
        &self,
        deadline: Instant,
        send: impl AsyncFnOnce(&dyn Api, &Token) -> Result<RestResponse<T>, RestError>,
    ) -> Result<T, FailedRequest> {
        let slots = self.slots.borrow().clone();
        self.request_with(slots, deadline, send).await
    }

    /// Makes one request that sends a file, as [`request`](Self::request) does, beside the requests in flight.
    pub(super) async fn transfer<T>(
        &self,
        deadline: Instant,
        send: impl AsyncFnOnce(&dyn Api, &Token) -> Result<RestResponse<T>, RestError>,
    ) -> Result<T, FailedRequest> {
        self.request_with(self.upload_slots.clone(), deadline, send).await
    }

    async fn request_with<T>(
        &self,
        slots: Arc<Semaphore>,
        deadline: Instant,
        send: impl AsyncFnOnce(&dyn Api, &Token) -> Result<RestResponse<T>, RestError>,
    ) -> Result<T, FailedRequest> {
        let acquired = timeout_at(deadline, self.acquire_permit(slots)).await;
        let (_slot, permit) = acquired.unwrap_or_else(|_| Err(self.permit_timeout_error()))?;
        let (context, api) = (self.context(), self.api.borrow().1.clone());
        if !context.may_act() {
            return Err(FailedRequest::stopped("another host may own the account"));
        }
        let answer = permit.request(async || send(&*api, &context.token).await).await;
        answer.map_err(|error| {
            if matches!(error.kind, RestErrorKind::Refused(400 | 413)) {
                context.server_limits.doubt();
            }
            FailedRequest {
                failure: failure(&error),
                cause: Excerpt::of(&error),
                error: Some((error.kind, error.id)),
                is_stopped: false,
            }
        })
    }

    /// Returns the sizes that the server takes. Only a text or a file that some server might refuse waits for them.
    pub(super) async fn limits_for(
        &self,
        text: &str,
        files: &[Attachment],
        deadline: Instant,
    ) -> ServerLimits {
        if files.is_empty() && always_fits(text) {
            return self.context().server_limits.known();
        }
        self.file_limits(deadline).await
    }

    /// Returns the sizes that the server takes, for a file.
    pub(super) async fn file_limits(&self, deadline: Instant) -> ServerLimits {
        let context = self.context();
        let api = self.api.borrow().1.clone();
        let reading = async {
            // An account that may not send must not keep the others from asking.
            match context.stats.wait_for_send_permission().await {
                SendPermission::Granted => context.server_limits.for_post(&context, &*api, deadline).await,
                SendPermission::Pending | SendPermission::Denied => context.server_limits.known(),
            }
        };
        timeout_at(deadline, reading).await.unwrap_or_else(|_| context.server_limits.known())
    }

    async fn acquire_permit(
        &self,
        slots: Arc<Semaphore>,
    ) -> Result<(OwnedSemaphorePermit, RequestPermit), FailedRequest> {
        if self.context().stats.wait_for_send_permission().await == SendPermission::Denied {
            return Err(FailedRequest::stopped("the account is stopped"));
        }
        let slot = slots.acquire_owned().await.map_err(|error| FailedRequest::not_done(&error))?;
        let context = self.context();
        let permit = context.gate.acquire_permit(RequestClass::Reply, &context.account).await;
        permit.map(|permit| (slot, permit)).map_err(|error| FailedRequest::not_done(&error))
    }

    /// Returns the error for a request that was not permitted before its deadline.
    fn permit_timeout_error(&self) -> FailedRequest {
        let state = self.context().stats.state();
        FailedRequest::not_done(&format_args!("no request could be made in time; the account is {state}"))
    }

    /// Returns the id of the account's own user.
    pub(super) async fn own_user_id(&self, deadline: Instant) -> Result<UserId, FailedRequest> {
        if let Some(user) = self.context().replay.with(|replay| replay.account().user.clone()) {
            return Ok(user);
        }
        match self.request(deadline, async |api, token| api.me(token, None).await).await? {
            Me::User { user, .. } => Ok(user.id),
            Me::Unmodified => Err(FailedRequest::not_done("304 to a request without an ETag")),
        }
    }

    /// Returns the error for the caller when no further attempt is made.
    pub(super) fn reply_error(&self, gave_up: GiveUpReason, failed: FailedRequest) -> ReplyError {
        let context = self.context();
        let account = context.account.clone();
        match gave_up {
            _ if failed.is_stopped => ReplyError::Stopped(account),
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
        Self { failure, cause: Excerpt::of(cause), error: None, is_stopped: false }
    }

    /// Returns the error of a request that is not made, because the account may not act.
    fn stopped(cause: &str) -> Self {
        Self { is_stopped: true, ..Self::not_done(cause) }
    }

    fn kind(&self) -> Option<RestErrorKind> {
        self.error.as_ref().map(|(kind, _)| *kind)
    }

    /// True if the body of the response exceeds its limit.
    pub(super) fn is_too_large(&self) -> bool {
        self.kind() == Some(RestErrorKind::TooLarge)
    }

    /// True if the account may not do it.
    pub(super) fn is_forbidden(&self) -> bool {
        self.kind() == Some(RestErrorKind::Refused(403))
    }

    /// True if the post does not exist, or the account may not see it.
    pub(super) fn is_hidden_post(&self) -> bool {
        self.is_forbidden() || self.kind() == Some(RestErrorKind::NotFound)
    }

    /// True if the post cannot be the root of a thread.
    pub(super) fn is_invalid_root(&self) -> bool {
        let id = self.error.as_ref().and_then(|(_, id)| id.as_deref());
        self.kind() == Some(RestErrorKind::Refused(400)) && id == Some(INVALID_ROOT)
    }

    /// True if another attempt cannot succeed.
    pub(super) fn is_final(&self) -> bool {
        self.is_stopped
    }

    /// Returns the failure of a request that may be repeated without harm: an uncertain outcome counts as not done.
    pub(super) fn into_retryable(self) -> Self {
        match self.failure {
            RequestFailure::Uncertain => {
                Self { failure: RequestFailure::NotDone { retry_after: None }, ..self }
            }
            RequestFailure::Refused | RequestFailure::NotDone { .. } => self,
        }
    }
}

/// Returns what an error says about the effect of a request.
fn failure(error: &RestError) -> RequestFailure {
    use RestErrorKind as K;
    let not_done = RequestFailure::NotDone { retry_after: None };
    match error.kind {
        K::RateLimited { retry_after } => RequestFailure::NotDone { retry_after },
        K::Unauthorized | K::Tls | K::Proxy | K::Redirect => not_done,
        K::Refused(408) => RequestFailure::Uncertain,
        K::NotFound | K::Refused(_) if error.is_servers_own() => RequestFailure::Refused,
        // A proxy refuses this request because of what it is, and would refuse it again.
        K::Refused(400 | 413 | 414 | 431) => RequestFailure::Refused,
        // Another refusal of a proxy says nothing about the post, and passes.
        K::NotFound | K::Refused(_) => not_done,
        K::Unreachable | K::Timeout | K::Server(_) | K::NotJson | K::TooLarge | K::BadBody => {
            RequestFailure::Uncertain
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn error(kind: RestErrorKind, is_servers_own: bool) -> RestError {
        let id = is_servers_own.then(|| "api.app_error".into());
        RestError { kind, route: "/posts", id, message: "".into(), source: None }
    }

    #[test]
    fn a_request_not_clearly_refused_may_have_been_done() {
        let wait = Some(Duration::from_secs(7));
        let not_done = RequestFailure::NotDone { retry_after: None };
        for (kind, expected) in [
            (RestErrorKind::RateLimited { retry_after: wait }, RequestFailure::NotDone { retry_after: wait }),
            (RestErrorKind::Unauthorized, not_done),
            (RestErrorKind::Tls, not_done),
            (RestErrorKind::Proxy, not_done),
            (RestErrorKind::Redirect, not_done),
            (RestErrorKind::Refused(408), RequestFailure::Uncertain),
            (RestErrorKind::Unreachable, RequestFailure::Uncertain),
            (RestErrorKind::Timeout, RequestFailure::Uncertain),
            (RestErrorKind::Server(502), RequestFailure::Uncertain),
            (RestErrorKind::NotJson, RequestFailure::Uncertain),
            (RestErrorKind::BadBody, RequestFailure::Uncertain),
            (RestErrorKind::TooLarge, RequestFailure::Uncertain),
        ] {
            for own in [true, false] {
                assert_eq!(failure(&error(kind, own)), expected, "{kind:?}");
            }
        }
    }

    #[test]
    fn only_the_server_itself_refuses_for_good() {
        let not_done = RequestFailure::NotDone { retry_after: None };
        for (kind, of_a_proxy) in [
            (RestErrorKind::NotFound, not_done),
            (RestErrorKind::Refused(403), not_done),
            (RestErrorKind::Refused(405), not_done),
            (RestErrorKind::Refused(400), RequestFailure::Refused),
            (RestErrorKind::Refused(413), RequestFailure::Refused),
            (RestErrorKind::Refused(431), RequestFailure::Refused),
        ] {
            assert_eq!(failure(&error(kind, true)), RequestFailure::Refused, "{kind:?}");
            assert_eq!(failure(&error(kind, false)), of_a_proxy, "{kind:?}");
        }
    }
}
