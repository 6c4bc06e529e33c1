//! The audit: compares what the server has with what was received, whatever may have been lost on the way.

use std::time::{Duration, Instant};

use actix::{ActorFutureExt as _, AsyncContext as _, Context, Handler, Message, WrapFuture as _};

use super::{CatchingUp, Connection, Phase, now};
use crate::hosting::catch_up::{
    listing_entry,
    page::{CatchUpClient, ChannelReadError, PageCursor},
};
use crate::{
    hosting::delivery::Permits,
    model::{ChannelId, CloseReason, Fact, PostKey},
    policy::{Anchor, AuditReadiness, ChannelBacklog, spread_delay},
};

/// How soon to come back when it could not be told: the sink is behind, or a catch-up is under way.
const COME_BACK: Duration = Duration::from_secs(10);

/// Look now. Answered with whether the Connection is one that can look: a ready one.
#[derive(Debug, Message)]
#[rtype(result = "bool")]
pub(in crate::hosting) struct AuditNow;

/// What an audit found.
enum Found {
    /// Nothing is missing. So many channels had to be looked into.
    Whole(usize),
    /// It cannot be told now.
    Unclear,
    /// A post was never received.
    Hole { channel: ChannelId, post: PostKey },
    /// The server could not be asked; that is counted, and cuts nothing.
    Failed(CloseReason),
}

impl Connection {
    /// Looks for the first time: a while after ready, and not all accounts at once.
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
        // A timer that is cancelled when it is due already still fires.
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
            return self.audit_after(COME_BACK, ctx);
        }
        let client = CatchUpClient { context: self.context.clone(), api: self.api() };
        let looking = look(client, self.permits.clone());
        let began = now();
        self.auditing = true;
        ctx.spawn(looking.into_actor(self).map(move |found, act, ctx| act.audited(found, began, ctx)));
    }

    fn audited(&mut self, found: Found, began: Instant, ctx: &mut Context<Self>) {
        self.auditing = false;
        let took = now().saturating_duration_since(began);
        match found {
            Found::Whole(channels) => {
                self.context.stats.record_audit(took, None);
                self.observe(Fact::Audited { channels });
            }
            Found::Unclear => return self.audit_after(COME_BACK, ctx),
            Found::Hole { channel, post } => {
                let hole = CloseReason::AuditHole { channel, post: post.id };
                self.context.stats.record_audit(took, Some(&hole.to_string()));
                return self.end(hole, ctx);
            }
            Found::Failed(reason) => {
                let cause = format!("the audit: {reason}");
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

    /// Brings the next audit forward; one that is under way is enough.
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

/// One audit.
async fn look(client: CatchUpClient, permits: Permits) -> Found {
    let channels = match client.channels().await {
        Ok(channels) => channels,
        Err(reason) => return Found::Failed(reason),
    };
    if is_behind(&client, &permits) {
        return Found::Unclear;
    }
    let listing: Vec<_> = channels.iter().map(listing_entry).collect();
    let overdue = client.context.replay.with(|replay| replay.channels_to_audit(&listing));
    let mut suspects = Vec::new();
    for news in &overdue {
        match suspect(&client, news).await {
            Ok(Some(post)) => suspects.push((news.channel.clone(), post)),
            Ok(None) => {
                let until = listing.iter().find(|listed| listed.channel == news.channel);
                let until = until.map_or(0, |listed| listed.last_post_at);
                client.context.replay.with(|replay| replay.mark_audited(&news.channel, until));
            }
            // A channel that refuses has nothing to compare with.
            Err(ChannelReadError::Refused(_)) => {}
            Err(ChannelReadError::EndConnection(reason)) => return Found::Failed(reason),
        }
    }
    if suspects.is_empty() {
        return Found::Whole(overdue.len());
    }
    // A post that can be read may be on its way still: only one that has not come by then is missing.
    tokio::time::sleep(client.context.settings.catch_up.overlap).await;
    if is_behind(&client, &permits) {
        return Found::Unclear;
    }
    for (channel, post) in suspects {
        if missing(&client, &channel, std::slice::from_ref(&post)).is_some() {
            return Found::Hole { channel, post };
        }
    }
    Found::Whole(overdue.len())
}

/// Whether what was received is not all with the sink yet: then what is missing may only be late.
fn is_behind(client: &CatchUpClient, permits: &Permits) -> bool {
    permits.are_exhausted() || client.context.replay.with(|replay| replay.has_unacknowledged())
}

/// The first post of a channel that was not received.
async fn suspect(client: &CatchUpClient, news: &ChannelBacklog) -> Result<Option<PostKey>, ChannelReadError> {
    let mut cursor = Some(match &news.from {
        Anchor::Post { id, .. } => PageCursor::after(id),
        Anchor::Time(_) => PageCursor::newest(),
    });
    while let Some(at) = cursor {
        let page = client.page(&news.channel, &at).await?;
        let keys: Vec<PostKey> = page
            .posts
            .iter()
            .filter(|post| post.create_at > news.from.time())
            .map(|post| PostKey { create_at: post.create_at, id: post.id.clone() })
            .collect();
        if let Some(post) = missing(client, &news.channel, &keys) {
            return Ok(Some(post));
        }
        cursor = page.next.filter(|_| keys.len() == page.posts.len());
    }
    Ok(None)
}

fn missing(client: &CatchUpClient, channel: &ChannelId, posts: &[PostKey]) -> Option<PostKey> {
    client.context.replay.with(|replay| replay.first_missing(channel, posts).cloned())
}
