//! The audit: compares the posts on the server with those received.

use std::time::{Duration, Instant};

use actix::{ActorFutureExt as _, AsyncContext as _, Context, Handler, Message, WrapFuture as _};
use tokio::task::yield_now;

use super::{CatchingUp, Connection, Phase, now};
use crate::{
    hosting::{
        catch_up::{CatchUpClient, ChannelReadError, LISTED_AT_ONCE, listing_entry, page::PageCursor},
        delivery::Permits,
    },
    model::{ChannelId, CloseReason, Excerpt, Fact, PostKey},
    policy::{AuditReadiness, ChannelBacklog, spread_delay},
};

/// The wait before another attempt if an audit is inconclusive: the sink is behind, or a catch-up is running.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// Requests an audit at once. Returns false if the Connection is not ready.
#[derive(Debug, Message)]
#[rtype(result = "bool")]
pub(in crate::hosting) struct AuditNow;

/// The result of an audit.
enum AuditResult {
    /// Nothing is missing; the number of channels that had to be read.
    Complete(usize),
    /// A missing post may only be late.
    Inconclusive,
    /// A post was never received.
    Hole { channel: ChannelId, post: PostKey },
    /// A request failed. This is reported and does not end the Connection.
    Failed(CloseReason),
}

impl Connection {
    /// Schedules the first audit some time after ready, spread over the accounts.
    pub(super) fn schedule_first_audit(&mut self, ctx: &mut Context<Self>) {
        let audit = self.context.settings.audit;
        self.audit_after(audit.grace + spread_delay(&self.context.account, audit.interval), ctx);
    }

    fn audit_after(&mut self, wait: Duration, ctx: &mut Context<Self>) {
        let wanted = self.context.settings.audit.enabled || self.audit_requested;
        let timer = wanted.then(|| ctx.run_later(wait, Self::audit));
        if let Some(old) = std::mem::replace(&mut self.audit_timer, timer) {
            ctx.cancel_future(old);
        }
    }

    fn audit(&mut self, ctx: &mut Context<Self>) {
        self.audit_timer = None;
        // A timer cancelled after it became due still fires.
        if self.auditing {
            return;
        }
        let Phase::Ready { since, .. } = self.phase else { return };
        let policy = AuditReadiness {
            grace: self.context.settings.audit.grace,
            ready_for: now().saturating_duration_since(since),
            delivery_behind: self.catching_up != CatchingUp::No || self.is_behind(),
        };
        if !policy.is_conclusive() {
            return self.audit_after(RETRY_AFTER, ctx);
        }
        let client = CatchUpClient { context: self.context.clone(), api: self.api() };
        let audit = run_audit(client, self.permits.clone());
        let started = now();
        self.auditing = true;
        ctx.spawn(audit.into_actor(self).map(move |result, act, ctx| act.on_audited(result, started, ctx)));
    }

    fn on_audited(&mut self, result: AuditResult, started: Instant, ctx: &mut Context<Self>) {
        self.auditing = false;
        let took = now().saturating_duration_since(started);
        match result {
            AuditResult::Complete(channels) => {
                self.context.stats.record_audit(took, None);
                self.observe(Fact::Audited { channels });
            }
            AuditResult::Inconclusive => return self.audit_after(RETRY_AFTER, ctx),
            AuditResult::Hole { channel, post } => {
                let hole = CloseReason::AuditHole { channel, post: post.id };
                self.context.stats.record_audit(took, Some(&Excerpt::of(&hole)));
                return self.end(hole, ctx);
            }
            AuditResult::Failed(reason) => {
                let cause = Excerpt::of(&format_args!("audit failed: {reason}"));
                self.context.stats.record_audit(took, Some(&cause));
                self.observe(Fact::ProbeFailed { cause });
            }
        }
        self.audit_requested = false;
        self.audit_after(self.context.settings.audit.interval, ctx);
    }
}

impl Handler<AuditNow> for Connection {
    type Result = bool;

    /// Runs the next audit now, unless one is running.
    fn handle(&mut self, _: AuditNow, ctx: &mut Self::Context) -> bool {
        if !matches!(self.phase, Phase::Ready { .. }) {
            return false;
        }
        if self.auditing {
            return true;
        }
        self.audit_requested = true;
        if let Some(timer) = self.audit_timer.take() {
            ctx.cancel_future(timer);
        }
        self.audit(ctx);
        true
    }
}

async fn run_audit(client: CatchUpClient, permits: Permits) -> AuditResult {
    let (list, clock) = match client.channels(None).await {
        Ok(listed) => listed,
        Err(reason) => return AuditResult::Failed(reason),
    };
    if is_behind(&client, &permits) {
        return AuditResult::Inconclusive;
    }
    let listing: Vec<_> = list.channels.iter().map(listing_entry).collect();
    client.context.replay.with(|replay| replay.read_clock(clock, now()));
    let mut overdue = Vec::new();
    for part in listing.chunks(LISTED_AT_ONCE) {
        overdue.extend(client.context.replay.with(|replay| replay.channels_to_audit(part)));
        yield_now().await;
    }
    let mut suspects = Vec::new();
    for news in &overdue {
        match find_suspect(&client, news).await {
            Ok(Some(post)) => suspects.push((news.channel.clone(), post)),
            Ok(None) => {
                let until = listing.iter().find(|listed| listed.channel == news.channel);
                let until = until.map_or(0, |listed| listed.last_post_at);
                client.context.replay.with(|replay| replay.mark_audited(&news.channel, until));
            }
            // A channel without access has no posts to compare, and a postponed one is read later.
            Err(ChannelReadError::Refused(_) | ChannelReadError::Undecided | ChannelReadError::Postponed) => {
            }
            Err(ChannelReadError::EndConnection(reason)) => return AuditResult::Failed(reason),
        }
    }
    if suspects.is_empty() {
        return AuditResult::Complete(overdue.len());
    }
    // A suspect may still arrive on the socket: it is missing only if it has not arrived after this wait.
    tokio::time::sleep(client.context.settings.catch_up.overlap).await;
    if is_behind(&client, &permits) {
        return AuditResult::Inconclusive;
    }
    for (channel, post) in suspects {
        if first_missing(&client, &channel, std::slice::from_ref(&post)).is_some() {
            return AuditResult::Hole { channel, post };
        }
    }
    AuditResult::Complete(overdue.len())
}

/// Returns true if received events have not reached the sink: a missing post may then only be late.
fn is_behind(client: &CatchUpClient, permits: &Permits) -> bool {
    permits.are_exhausted() || client.context.replay.with(|replay| replay.has_unacknowledged())
}

/// Returns the first post of a channel that was not received.
async fn find_suspect(
    client: &CatchUpClient,
    news: &ChannelBacklog,
) -> Result<Option<PostKey>, ChannelReadError> {
    let after_anchor = news.from.post().map(PageCursor::after);
    let mut cursor = Some(after_anchor.clone().unwrap_or_else(PageCursor::newest));
    while let Some(at) = cursor {
        let page = client.page(&news.channel, &at).await?;
        if page.posts.is_empty() && page.next.is_none() && after_anchor.as_ref() == Some(&at) {
            // The anchor post may be gone: the server then returns an empty page (fact 11).
            cursor = Some(PageCursor::newest());
            continue;
        }
        let keys: Vec<PostKey> = page
            .posts
            .iter()
            .filter(|post| post.create_at > news.from.time())
            .map(|post| PostKey { create_at: post.create_at, id: post.id.clone() })
            .collect();
        if let Some(post) = first_missing(client, &news.channel, &keys) {
            return Ok(Some(post));
        }
        cursor = page.next.filter(|_| keys.len() == page.posts.len());
    }
    Ok(None)
}

fn first_missing(client: &CatchUpClient, channel: &ChannelId, posts: &[PostKey]) -> Option<PostKey> {
    client.context.replay.with(|replay| replay.first_missing(channel, posts).cloned())
}
