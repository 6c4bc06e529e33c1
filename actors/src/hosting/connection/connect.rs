//! From nothing to an open socket: baseline, slot, dial.

use std::{rc::Rc, sync::Arc, time::Duration};

use tokio::sync::OwnedSemaphorePermit;

use crate::hosting::{
    context::{AccountContext, now},
    delivery::Permits,
    supervisor::StallChanged,
};
use crate::{
    mattermost::{DialError, DialErrorKind, Etag, Me, RestError, RestErrorKind, Socket, User},
    model::{AccountUser, CloseReason, Fact, Generation, Misconfiguration, ResumePoint, StallCause, UserId},
    policy::RequestClass,
    ports::Api,
};

/// How long until a store that cannot be read is asked again: time to mend a file, and not long to wait for.
const LOAD_AGAIN: Duration = Duration::from_secs(5);

/// An open socket and what it began with.
pub(super) struct Connected {
    pub(super) baseline: Baseline,
    pub(super) socket: Socket,
    /// Held until the hello.
    pub(super) slot: OwnedSemaphorePermit,
    /// The first permit to read with.
    pub(super) permit: OwnedSemaphorePermit,
    /// Where an old connection was taken up again, if it was.
    pub(super) resume: Option<ResumePoint>,
}

/// The account as it was before the dial.
#[derive(Debug)]
pub(in crate::hosting) struct Baseline {
    pub(in crate::hosting) user: UserId,
    pub(super) name: Arc<str>,
    pub(in crate::hosting) update_at: i64,
    pub(super) is_guest: bool,
    pub(in crate::hosting) etag: Option<Etag>,
}

impl Baseline {
    pub(super) fn account_user(&self) -> AccountUser {
        AccountUser { id: self.user.clone(), name: Arc::clone(&self.name) }
    }
}

/// Takes a permit to read with, reads the baseline, waits for a dial slot, and dials.
pub(super) async fn connect(
    context: Arc<AccountContext>,
    api: Rc<dyn Api>,
    permits: Permits,
    generation: Generation,
    resume: Option<ResumePoint>,
) -> Result<Connected, CloseReason> {
    remember(&context, generation).await;
    // Without a permit the hello could not be read: a stalled account waits here, and holds nobody up.
    let permit = permits.acquire(0).await.ok_or(CloseReason::DeliveryDied)?;
    let baseline = baseline(&context, &*api).await?;
    let known = context.replay.with(|replay| replay.account().clone());
    if let Some(was) = known.user.filter(|was| *was != baseline.user) {
        return Err(CloseReason::IdentityChanged { was, now: baseline.user });
    }
    context.replay.with(|replay| replay.set_baseline(&baseline.user, baseline.update_at));
    context.sibling_watch.set_baseline(&baseline.user, &context.account, baseline.update_at);
    // What a graceful stop of the last process left is for the first Connection of this one. If the account was touched
    // while we were away, the old connection may be deaf (fact 5).
    let resume = resume.or(known.resume).filter(|_| known.baseline == Some(baseline.update_at));
    acquire_permit(&context).await?;
    let slot = context.gate.acquire_dial_slot().await.map_err(|error| unreachable(&error))?;
    let dialed = api.dial(&context.token, resume.as_ref()).await.map_err(|error| {
        context.gate.report_dial_failure(&error);
        dial_close_reason(&error)
    })?;
    context.gate.report_answer(dialed.rate);
    Ok(Connected { baseline, socket: dialed.socket, slot, permit, resume })
}

/// Reads what was kept of the account, as often as it takes: to go on without it would be to lose what is in it.
async fn remember(context: &AccountContext, generation: Generation) {
    let stalled = |stalled| {
        let account = context.account.clone();
        context.supervisor.do_send(StallChanged { account, cause: StallCause::Store, is_stalled: stalled });
    };
    let mut reported = false;
    while let Err(error) = context.replay.load(&context.account).await {
        if !std::mem::replace(&mut reported, true) {
            context.observe(generation, Fact::StoreFailed { cause: error.message });
            stalled(true);
        }
        tokio::time::sleep_until((now() + LOAD_AGAIN).into()).await;
    }
    if reported {
        context.observe(generation, Fact::StoreRecovered);
        stalled(false);
    }
}

/// Asks REST why a socket ended before it was ready: the handshake says nothing (fact 1).
pub(super) async fn explain(
    context: Arc<AccountContext>,
    api: Rc<dyn Api>,
    otherwise: CloseReason,
) -> CloseReason {
    match baseline(&context, &*api).await {
        Ok(_) => otherwise,
        Err(reason) => reason,
    }
}

async fn baseline(context: &AccountContext, api: &dyn Api) -> Result<Baseline, CloseReason> {
    acquire_permit(context).await?;
    let answer = api.me(&context.token, None).await.map_err(|error| {
        context.gate.report_failure(&error);
        rest_close_reason(&error)
    })?;
    context.gate.report_answer(answer.rate);
    match answer.value {
        Me::User { user: User { id, username, update_at, is_guest, .. }, etag } => {
            Ok(Baseline { user: id, name: username.into(), update_at, is_guest, etag })
        }
        // No ETag was sent.
        Me::Unmodified => {
            Err(CloseReason::Protocol { cause: "304 to a question without If-None-Match".into() })
        }
    }
}

async fn acquire_permit(context: &AccountContext) -> Result<(), CloseReason> {
    let permit = context.gate.acquire_permit(RequestClass::Connect, &context.account).await;
    permit.map(|_| ()).map_err(|error| unreachable(&error))
}

fn unreachable(error: &dyn std::error::Error) -> CloseReason {
    CloseReason::Unreachable { cause: error.to_string() }
}

/// What a failed request says about the Connection.
pub(in crate::hosting) fn rest_close_reason(error: &RestError) -> CloseReason {
    use RestErrorKind as K;
    match error.kind {
        K::Unreachable => unreachable(error),
        K::Timeout => CloseReason::Timeout,
        K::Tls => CloseReason::Misconfigured(Misconfiguration::Tls),
        K::Unauthorized => CloseReason::Unauthorized,
        K::RateLimited { retry_after } => CloseReason::RateLimited { retry_after },
        K::NotFound => CloseReason::Misconfigured(Misconfiguration::NotFound),
        K::Redirect => CloseReason::Misconfigured(Misconfiguration::Redirect),
        K::NotJson | K::TooLarge | K::BadBody => CloseReason::Misconfigured(Misconfiguration::NotMattermost),
        K::Refused(_) => CloseReason::Misconfigured(Misconfiguration::Refused),
        K::Server(status) => CloseReason::ServerError { status },
    }
}

/// What a failed dial says about the Connection.
fn dial_close_reason(error: &DialError) -> CloseReason {
    use DialErrorKind as K;
    match error.kind {
        K::Unreachable => unreachable(error),
        K::Timeout => CloseReason::Timeout,
        K::Tls => CloseReason::Misconfigured(Misconfiguration::Tls),
        K::Redirect => CloseReason::Misconfigured(Misconfiguration::Redirect),
        K::Refused { status: 401, .. } => CloseReason::Unauthorized,
        K::Refused { status: 404, .. } => CloseReason::Misconfigured(Misconfiguration::NotFound),
        K::Refused { status: 429, retry_after } => CloseReason::RateLimited { retry_after },
        K::Refused { status: status @ 500.., .. } => CloseReason::ServerError { status },
        K::Refused { .. } => CloseReason::Misconfigured(Misconfiguration::Refused),
        K::NotWebSocket => CloseReason::Misconfigured(Misconfiguration::NotMattermost),
    }
}
