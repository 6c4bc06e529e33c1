//! Connecting: the baseline, a dial slot, the dial.

use std::{rc::Rc, sync::Arc, time::Duration};

use actix::Addr;
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    hosting::{
        account_context::{AccountContext, now},
        delivery::{Delivery, Permits},
        server_gate::GateError,
        supervisor::StallChanged,
    },
    mattermost::{DialError, DialErrorKind, Etag, Me, RestError, RestErrorKind, Socket, User},
    model::{
        AccountUser, CloseReason, Excerpt, Fact, Generation, Misconfiguration, ResumePoint, StallCause,
        UserId,
    },
    policy::RequestClass,
    ports::Api,
};

/// The wait before another attempt to read the store: enough time to repair a file, and short enough to wait for.
const RELOAD_AFTER: Duration = Duration::from_secs(5);

/// The longest wait for an answer that may excuse a drop: a server that is down gives none, and the drop must be counted
/// while the drops of other accounts are recent.
const LOOK_WITHIN: Duration = Duration::from_secs(2);

/// An open socket and the state that it starts with.
pub(super) struct Connected {
    pub(super) baseline: Baseline,
    pub(super) socket: Socket,
    /// Held until the hello.
    pub(super) slot: OwnedSemaphorePermit,
    /// The permit for the first frame.
    pub(super) permit: OwnedSemaphorePermit,
    /// The point at which an old connection was resumed, if it was.
    pub(super) resume: Option<ResumePoint>,
}

/// The account's user as of just before the dial.
#[derive(Debug)]
pub(in crate::hosting) struct Baseline {
    pub(in crate::hosting) user: UserId,
    pub(super) name: Arc<str>,
    pub(super) keywords: Arc<[Box<str>]>,
    /// `update_at` before the dial, raised by changes that need no new Connection.
    pub(in crate::hosting) update_at: i64,
    pub(super) is_guest: bool,
    pub(in crate::hosting) etag: Option<Etag>,
}

impl Baseline {
    pub(super) fn account_user(&self) -> AccountUser {
        let (name, keywords) = (Arc::clone(&self.name), Arc::clone(&self.keywords));
        AccountUser { id: self.user.clone(), name, keywords }
    }
}

/// Loads the stored state, acquires a permit for the first frame, reads the baseline, waits for a dial slot, and dials.
///
/// # Errors
/// The reason why the Connection has to end.
pub(super) async fn connect(
    context: Arc<AccountContext>,
    api: Rc<dyn Api>,
    (delivery, permits): (Addr<Delivery>, Permits),
    generation: Generation,
    resume: Option<ResumePoint>,
) -> Result<Connected, CloseReason> {
    load_state(&context, &delivery, generation).await;
    // Without a permit the hello cannot be read. A stalled account waits here, without a dial slot.
    let permit = permits.acquire(0).await.ok_or(CloseReason::DeliveryDied)?;
    let known = context.replay.with(|replay| replay.account().clone());
    if let (Some(user), Some(baseline)) = (&known.user, known.baseline) {
        // If the account is blocked, news from a sibling wakes it.
        context.sibling_watch.watch_from(user, &context.account, baseline);
    }
    let baseline = fetch_baseline(&context, &*api).await?;
    if let Some(was) = known.user.filter(|was| *was != baseline.user) {
        context.sibling_watch.forget(&context.account);
        return Err(CloseReason::IdentityChanged { was, now: baseline.user });
    }
    context.replay.with(|replay| replay.set_baseline(&baseline.user, baseline.update_at));
    context.sibling_watch.set_baseline(&baseline.user, &context.account, baseline.update_at);
    // The first Connection of a process may resume where the last process stopped, unless the account was changed
    // meanwhile: the old connection may then be deaf (fact 5).
    let resume = resume.or(known.resume).filter(|_| known.baseline == Some(baseline.update_at));
    let dial = async || api.dial(&context.token, resume.as_ref()).await;
    let dialed = context.gate.dial(&context.account, dial).await;
    let (socket, slot) = dialed.map_err(|error| match error {
        GateError::Closed(closed) => unreachable(&closed),
        GateError::Failed(error) => dial_close_reason(&error),
    })?;
    Ok(Connected { baseline, socket, slot, permit, resume })
}

/// Loads the account's stored state, retrying until it succeeds: continuing without it would lose events.
async fn load_state(context: &AccountContext, delivery: &Addr<Delivery>, generation: Generation) {
    let report_stalled = |is_stalled| {
        let (account, delivery, cause) = (context.account.clone(), delivery.clone(), StallCause::Store);
        context.supervisor.do_send(StallChanged { account, delivery, cause, is_stalled });
    };
    let mut reported = false;
    while let Err(error) = context.replay.load(&context.account).await {
        if !std::mem::replace(&mut reported, true) {
            context.observe(generation, Fact::StoreFailed { cause: error.message });
            report_stalled(true);
        }
        tokio::time::sleep_until((now() + RELOAD_AFTER).into()).await;
    }
    if reported {
        context.observe(generation, Fact::StoreRecovered);
        report_stalled(false);
    }
}

/// Finds out by REST why a socket ended before it was ready, as the handshake gives no reason (fact 1). Returns
/// `fallback` if the account is in order.
pub(super) async fn find_close_reason(
    context: Arc<AccountContext>,
    api: Rc<dyn Api>,
    fallback: CloseReason,
) -> CloseReason {
    fetch_baseline(&context, &*api).await.err().unwrap_or(fallback)
}

/// Finds out by REST if a drop has to do with the account: it was changed or refused. Returns `dropped` if not, or if
/// there is no answer soon.
pub(super) async fn find_drop_reason(
    context: Arc<AccountContext>,
    api: Rc<dyn Api>,
    baseline: i64,
    dropped: CloseReason,
) -> CloseReason {
    match tokio::time::timeout(LOOK_WITHIN, fetch_baseline(&context, &*api)).await {
        Ok(Ok(seen)) if seen.update_at != baseline => CloseReason::Stale { baseline, seen: seen.update_at },
        Ok(Err(CloseReason::Unauthorized)) => CloseReason::Unauthorized,
        Ok(Ok(_) | Err(_)) | Err(_) => dropped,
    }
}

async fn fetch_baseline(context: &AccountContext, api: &dyn Api) -> Result<Baseline, CloseReason> {
    let AccountContext { gate, account, token, .. } = context;
    let answer = gate.request(RequestClass::Connect, account, async || api.me(token, None).await).await;
    let answer = answer.map_err(|error| match error {
        GateError::Closed(closed) => unreachable(&closed),
        GateError::Failed(error) => rest_close_reason(&error),
    })?;
    match answer {
        Me::User { user, etag } => {
            context.directory.add_users(std::iter::once(&user));
            let User { id, username, update_at, roles, mention_keywords, .. } = user;
            let (name, keywords) = (username.into(), mention_keywords.0.into());
            context.stats.set_user(&name);
            Ok(Baseline { user: id, name, keywords, update_at, is_guest: roles.is_guest, etag })
        }
        // No ETag was sent with the request.
        Me::Unmodified => {
            Err(CloseReason::Protocol { cause: "304 to a request without If-None-Match".into() })
        }
    }
}

fn unreachable(error: &dyn std::error::Error) -> CloseReason {
    CloseReason::Unreachable { cause: Excerpt::of(error) }
}

/// Returns the close reason that keeps the cause and the way to fix it.
fn misconfigured(
    what: Misconfiguration,
    error: &dyn std::error::Error,
    remedy: Option<String>,
) -> CloseReason {
    let cause = match remedy {
        Some(remedy) => format!("{error}; {remedy}"),
        None => error.to_string(),
    };
    CloseReason::Misconfigured { what, cause }
}

/// Returns the close reason for a failed request.
pub(in crate::hosting) fn rest_close_reason(error: &RestError) -> CloseReason {
    use RestErrorKind as K;
    let misconfigured = |what| misconfigured(what, error, error.remedy());
    match error.kind {
        K::Unreachable => unreachable(error),
        K::Timeout => CloseReason::Timeout,
        K::Tls => misconfigured(Misconfiguration::Tls),
        K::Unauthorized => CloseReason::Unauthorized,
        K::RateLimited { retry_after } => CloseReason::RateLimited { retry_after },
        K::NotFound => misconfigured(Misconfiguration::NotFound),
        K::Redirect => misconfigured(Misconfiguration::Redirect),
        K::NotJson => misconfigured(Misconfiguration::NotMattermost),
        K::TooLarge | K::BadBody => misconfigured(Misconfiguration::Unreadable),
        K::Proxy => misconfigured(Misconfiguration::Proxy),
        K::Refused(_) => misconfigured(Misconfiguration::Refused),
        K::Server(status) => CloseReason::ServerError { status },
    }
}

/// Returns the close reason for a failed dial.
fn dial_close_reason(error: &DialError) -> CloseReason {
    use DialErrorKind as K;
    let misconfigured = |what| misconfigured(what, error, error.remedy());
    match error.kind {
        K::Unreachable => unreachable(error),
        K::Timeout => CloseReason::Timeout,
        K::Tls => misconfigured(Misconfiguration::Tls),
        K::Redirect => misconfigured(Misconfiguration::Redirect),
        K::Refused { status: 401, .. } => CloseReason::Unauthorized,
        K::Refused { status: 404, .. } => misconfigured(Misconfiguration::NotFound),
        K::Refused { status: 429, retry_after } => CloseReason::RateLimited { retry_after },
        K::Refused { status: status @ 500.., .. } => CloseReason::ServerError { status },
        K::Refused { .. } => misconfigured(Misconfiguration::Refused),
        K::NotWebSocket => misconfigured(Misconfiguration::NotMattermost),
        K::Proxy => misconfigured(Misconfiguration::Proxy),
    }
}
