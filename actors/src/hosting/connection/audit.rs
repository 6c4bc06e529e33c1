//! The audit: compares what the server has with what was received, whatever may have been lost on the way.

use std::time::{Duration, Instant};

use actix::{ActorFutureExt as _, AsyncContext as _, Context, Handler, Message, WrapFuture as _};

use super::{CatchingUp, Connection, Phase, now};
use crate::hosting::catch_up::{
    listed,
    page::{Fetch, Place, Unread},
};
use crate::{
    hosting::delivery::Permits,
    model::{ChannelId, CloseReason, Fact, PostKey},
    policy::{Anchor, Audit, News, first_poll_after},
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
    pub(super) fn audit_first(&mut self, ctx: &mut Context<Self>) {
        let audit = self.env.settings.audit;
        self.audit_after(audit.grace + first_poll_after(&self.env.account, audit.interval), ctx);
    }

    fn audit_after(&mut self, wait: Duration, ctx: &mut Context<Self>) {
        let wanted = self.env.settings.audit.enabled || self.audit_asked;
        let timer = wanted.then(|| ctx.run_later(wait, Self::audit));
        if let Some(old) = std::mem::replace(&mut self.next_audit, timer) {
            ctx.cancel_future(old);
        }
    }

    fn audit(&mut self, ctx: &mut Context<Self>) {
        self.next_audit = None;
        // A timer that is cancelled when it is due already still fires.
        if self.auditing {
            return;
        }
        let Phase::Ready { since, .. } = self.phase else { return };
        let policy = Audit {
            grace: self.env.settings.audit.grace,
            ready_for: now().saturating_duration_since(since),
            delivery_behind: self.catching_up != CatchingUp::No || self.is_behind(),
        };
        if !policy.can_tell() {
            return self.audit_after(COME_BACK, ctx);
        }
        let fetch = Fetch { env: self.env.clone(), api: self.api() };
        let looking = look(fetch, self.permits.clone());
        let began = now();
        self.auditing = true;
        ctx.spawn(looking.into_actor(self).map(move |found, act, ctx| act.audited(found, began, ctx)));
    }

    fn audited(&mut self, found: Found, began: Instant, ctx: &mut Context<Self>) {
        self.auditing = false;
        let took = now().saturating_duration_since(began);
        match found {
            Found::Whole(channels) => {
                self.env.vitals.audited(took, None);
                self.observe(Fact::Audited { channels });
            }
            Found::Unclear => return self.audit_after(COME_BACK, ctx),
            Found::Hole { channel, post } => {
                let hole = CloseReason::AuditHole { channel, post: post.id };
                self.env.vitals.audited(took, Some(&hole.to_string()));
                return self.end(hole, ctx);
            }
            Found::Failed(reason) => {
                let cause = format!("the audit: {reason}");
                self.env.vitals.audited(took, Some(&cause));
                self.observe(Fact::ProbeFailed { cause });
            }
        }
        self.audit_asked = false;
        self.audit_after(self.env.settings.audit.interval, ctx);
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
        self.audit_asked = true;
        if let Some(timer) = self.next_audit.take() {
            ctx.cancel_future(timer);
        }
        self.audit(ctx);
        true
    }
}

/// One audit.
async fn look(fetch: Fetch, permits: Permits) -> Found {
    let channels = match fetch.channels().await {
        Ok(channels) => channels,
        Err(reason) => return Found::Failed(reason),
    };
    if is_behind(&fetch, &permits) {
        return Found::Unclear;
    }
    let listing: Vec<_> = channels.iter().map(listed).collect();
    let overdue = fetch.env.book.with(|book| book.overdue(&listing));
    let mut suspects = Vec::new();
    for news in &overdue {
        match suspect(&fetch, news).await {
            Ok(Some(post)) => suspects.push((news.channel.clone(), post)),
            Ok(None) => {
                let until = listing.iter().find(|listed| listed.channel == news.channel);
                let until = until.map_or(0, |listed| listed.last_post_at);
                fetch.env.book.with(|book| book.looked_at(&news.channel, until));
            }
            // A channel that refuses has nothing to compare with.
            Err(Unread::Refused(_)) => {}
            Err(Unread::Ended(reason)) => return Found::Failed(reason),
        }
    }
    if suspects.is_empty() {
        return Found::Whole(overdue.len());
    }
    // A post that can be read may be on its way still: only one that has not come by then is missing.
    tokio::time::sleep(fetch.env.settings.catch_up.overlap).await;
    if is_behind(&fetch, &permits) {
        return Found::Unclear;
    }
    for (channel, post) in suspects {
        if missing(&fetch, &channel, std::slice::from_ref(&post)).is_some() {
            return Found::Hole { channel, post };
        }
    }
    Found::Whole(overdue.len())
}

/// Whether what was received is not all with the sink yet: then what is missing may only be late.
fn is_behind(fetch: &Fetch, permits: &Permits) -> bool {
    permits.are_used_up() || fetch.env.book.with(|book| book.has_open())
}

/// The first post of a channel that was not received.
async fn suspect(fetch: &Fetch, news: &News) -> Result<Option<PostKey>, Unread> {
    let mut place = Some(match &news.from {
        Anchor::Post { id, .. } => Place::after(id),
        Anchor::Time(_) => Place::newest(),
    });
    while let Some(at) = place {
        let leaf = fetch.page(&news.channel, &at).await?;
        let keys: Vec<PostKey> = leaf
            .posts
            .iter()
            .filter(|post| post.create_at > news.from.time())
            .map(|post| PostKey { create_at: post.create_at, id: post.id.clone() })
            .collect();
        if let Some(post) = missing(fetch, &news.channel, &keys) {
            return Ok(Some(post));
        }
        place = leaf.next.filter(|_| keys.len() == leaf.posts.len());
    }
    Ok(None)
}

fn missing(fetch: &Fetch, channel: &ChannelId, posts: &[PostKey]) -> Option<PostKey> {
    fetch.env.book.with(|book| book.missing(channel, posts).cloned())
}
