//! Catching up: the channels are listed, and those with news are paged, before a Connection is ready.

use std::{collections::BTreeMap, rc::Rc, sync::Arc, time::SystemTime};

use actix::Addr;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::value::{RawValue, to_raw_value};

use super::{super::env::Env, connect::rest_reason};
use crate::{
    actors::delivery::{Delivery, FinishRound, Permits, Recovered, ShowListing},
    mattermost::{Answer, Channel, ChannelKind, Cut, PER_PAGE, Post, RestError, RestErrorKind, Span},
    model::{ChannelId, CloseReason, Event, EventBody, Fact, Generation, PostId, PostKey},
    policy::{Anchor, Listed, News, RequestClass},
    ports::Api,
};

/// Channels of one account that are paged at the same time: the gate shares the requests out anyway.
const SIDE_BY_SIDE: usize = 4;

/// How many posts to ask for, and how many when those are too large together: two of the longest fit any limit.
const PAGES: [usize; 3] = [PER_PAGE, 20, 2];

/// Rounds after which a catch-up gives up: each overflowed with live events, and the sink is no match for the server.
const MOST_ROUNDS: usize = 50;

/// What one catch-up of one Connection works with.
pub(super) struct CatchUp {
    pub(super) env: Arc<Env>,
    pub(super) api: Rc<dyn Api>,
    pub(super) delivery: Addr<Delivery>,
    pub(super) permits: Permits,
    pub(super) generation: Generation,
    pub(super) connection_id: Arc<str>,
    /// It is this late at least, by the server's clock: when the account was last touched.
    pub(super) server_time: i64,
}

impl CatchUp {
    /// Fetches what was missed, until a round ends with all that came live meanwhile kept.
    pub(super) async fn run(self) -> Result<(), CloseReason> {
        let (mut channels, mut posts) = (0, 0);
        for _ in 0..MOST_ROUNDS {
            let round = self.round().await?;
            channels += round.0;
            posts += round.1;
            if self.delivery.send(FinishRound).await.map_err(|_| CloseReason::DeliveryDied)? {
                self.env.observe(self.generation, Fact::CaughtUp { channels, posts });
                return Ok(());
            }
        }
        Err(CloseReason::CatchUpFailed { cause: format!("live events overflowed {MOST_ROUNDS} rounds") })
    }

    /// One listing, and the pages of all channels with news. Gives back how many channels and posts there were.
    async fn round(&self) -> Result<(usize, usize), CloseReason> {
        self.leave().await?;
        let channels =
            self.answer(self.api.channels(&self.env.token).await).map_err(|error| rest_reason(&error))?;
        let listing = channels.iter().map(listed).collect();
        let shown = ShowListing { listing, server_time: self.server_time };
        let news = self.delivery.send(shown).await.map_err(|_| CloseReason::DeliveryDied)?;
        let posts: Vec<usize> = stream::iter(&news)
            .map(|news| self.channel(news, channels.iter().find(|channel| channel.id == news.channel)))
            .buffer_unordered(SIDE_BY_SIDE)
            .try_collect()
            .await?;
        Ok((news.len(), posts.iter().sum()))
    }

    /// One channel. One that refuses is left out, and does not stop the others.
    async fn channel(&self, news: &News, channel: Option<&Channel>) -> Result<usize, CloseReason> {
        match self.pages(news, channel).await {
            Ok(count) => Ok(count),
            Err(Stopped::Ended(reason)) => Err(reason),
            Err(Stopped::Refused(error)) => {
                let cause = error.to_string();
                self.env
                    .observe(self.generation, Fact::ChannelSkipped { channel: news.channel.clone(), cause });
                Ok(0)
            }
        }
    }

    async fn pages(&self, news: &News, channel: Option<&Channel>) -> Result<usize, Stopped> {
        let Anchor::Post { id, .. } = &news.from else {
            return self.backwards(news, channel).await;
        };
        let mut handed = 0;
        let mut after = id.clone();
        for page in 0.. {
            let (posts, per_page) = self.page(&news.channel, Span::After(&after)).await?;
            if page == 0 && posts.is_empty() {
                // The anchor may be gone: the server answers with nothing, and says nothing (fact 11).
                return self.backwards(news, channel).await;
            }
            // A page that is not full is the last.
            let next = next_anchor(&posts).filter(|next| posts.len() == per_page && *next != after);
            handed += self.hand_over(posts, channel).await.map_err(Stopped::Ended)?;
            match next {
                Some(next) => after = next,
                None => break,
            }
        }
        Ok(handed)
    }

    /// From the newest post back to a time, then handed over oldest first.
    async fn backwards(&self, news: &News, channel: Option<&Channel>) -> Result<usize, Stopped> {
        let limit = self.env.settings.catch_up.max_posts_per_channel;
        let begin = news.from.time();
        let mut found: BTreeMap<(i64, PostId), Post> = BTreeMap::new();
        let mut before: Option<PostId> = None;
        loop {
            let from = before.as_ref().map_or(Span::Newest, Span::Before);
            let (posts, per_page) = self.page(&news.channel, from).await?;
            let is_last = posts.len() < per_page || posts.iter().any(|post| post.create_at <= begin);
            let wanted = posts.into_iter().filter(|post| post.create_at > begin);
            found.extend(wanted.map(|post| ((post.create_at, post.id.clone()), post)));
            let next = next_before(found.keys(), before.as_ref());
            if is_last || next == before {
                break;
            }
            if found.len() >= limit {
                let channel = news.channel.clone();
                self.env.observe(self.generation, Fact::CatchUpTruncated { channel, limit });
                break;
            }
            before = next;
        }
        self.hand_over(found.into_values().collect(), channel).await.map_err(Stopped::Ended)
    }

    /// One page, and how many posts it could have held. Where the longest posts make it larger than a body may be, it
    /// is asked for in smaller ones.
    async fn page(&self, channel: &ChannelId, from: Span<'_>) -> Result<(Vec<Post>, usize), Stopped> {
        let mut too_large = None;
        for per_page in PAGES {
            self.leave().await.map_err(Stopped::Ended)?;
            let token = &self.env.token;
            match self.answer(self.api.posts(token, channel, from, Cut::first(per_page)).await) {
                Ok(page) => return Ok((page.posts, per_page)),
                Err(error) if error.kind == RestErrorKind::TooLarge => too_large = Some(error),
                Err(error) => return Err(error.into()),
            }
        }
        let cause = too_large.map_or_else(String::new, |error| error.to_string());
        Err(Stopped::Ended(CloseReason::CatchUpFailed { cause }))
    }

    /// Hands posts over, oldest first, each with permits that were free before.
    async fn hand_over(&self, mut posts: Vec<Post>, channel: Option<&Channel>) -> Result<usize, CloseReason> {
        posts.sort_by(|a, b| (a.create_at, &a.id).cmp(&(b.create_at, &b.id)));
        let mut handed = 0;
        for post in posts {
            let permit = self.permits.take(post.json.get().len()).await.ok_or(CloseReason::DeliveryDied)?;
            let event = self.event(&post, channel)?;
            let taken = self.delivery.send(Recovered { event, permit }).await;
            handed += usize::from(taken.map_err(|_| CloseReason::DeliveryDied)?);
        }
        Ok(handed)
    }

    fn event(&self, post: &Post, channel: Option<&Channel>) -> Result<Event, CloseReason> {
        let unreadable = |error: serde_json::Error| CloseReason::CatchUpFailed { cause: error.to_string() };
        Ok(Event {
            account: self.env.account.clone(),
            server: self.env.server.clone(),
            generation: self.generation,
            connection_id: self.connection_id.clone(),
            received_at: SystemTime::now(),
            recovered: true,
            body: EventBody {
                event: "posted".into(),
                channel_id: post.channel_id.clone(),
                post: Some(PostKey { create_at: post.create_at, id: post.id.clone() }),
                seq: 0,
                data: data(post, channel).map_err(unreadable)?.get().into(),
                broadcast: broadcast(&post.channel_id).map_err(unreadable)?.get().into(),
            },
        })
    }

    async fn leave(&self) -> Result<(), CloseReason> {
        let permit = self.env.gate.permit(RequestClass::CatchUp, &self.env.account).await;
        permit.map(|_| ()).map_err(|error| CloseReason::CatchUpFailed { cause: error.to_string() })
    }

    /// Tells the gate what an answer says about the server.
    fn answer<T>(&self, answer: Result<Answer<T>, RestError>) -> Result<T, RestError> {
        match answer {
            Ok(answer) => {
                self.env.gate.answered(answer.rate);
                Ok(answer.value)
            }
            Err(error) => {
                self.env.gate.failed(&error);
                Err(error)
            }
        }
    }
}

/// Why a channel was not read to its end.
enum Stopped {
    Ended(CloseReason),
    Refused(RestError),
}

impl From<RestError> for Stopped {
    fn from(error: RestError) -> Self {
        match error.kind {
            RestErrorKind::Refused(403) | RestErrorKind::NotFound => Self::Refused(error),
            _ => Self::Ended(rest_reason(&error)),
        }
    }
}

/// Where the next page begins: at the last post that is older than the page's newest, so that what shares its
/// millisecond is not left out (fact 23). Where one millisecond fills the whole page, at its end.
fn next_anchor(posts: &[Post]) -> Option<PostId> {
    let newest = posts.iter().map(|post| post.create_at).max()?;
    let older = posts.iter().rev().find(|post| post.create_at < newest);
    older.or(posts.last()).map(|post| post.id.clone())
}

/// The same towards the past: before the first post that is younger than the oldest found.
fn next_before<'a>(
    mut found: impl Iterator<Item = &'a (i64, PostId)>,
    last: Option<&PostId>,
) -> Option<PostId> {
    let (oldest, id) = found.next()?;
    let younger = found.find(|(create_at, _)| create_at > oldest).map(|(_, id)| id);
    Some(younger.filter(|id| Some(*id) != last).unwrap_or(id).clone())
}

fn listed(channel: &Channel) -> Listed {
    Listed {
        channel: channel.id.clone(),
        create_at: channel.create_at,
        // A list always has it; a channel without is looked at as soon as it has.
        last_post_at: channel.last_post_at.unwrap_or_default(),
        is_direct: matches!(channel.kind, ChannelKind::Direct | ChannelKind::Group),
    }
}

/// The members of a live `posted` event that can be known of a fetched post.
fn data(post: &Post, channel: Option<&Channel>) -> serde_json::Result<Box<RawValue>> {
    let channel = channel.map(|channel| (&*channel.display_name, &*channel.name, letter(&channel.kind)));
    let (display_name, name, kind) = channel.unwrap_or_default();
    to_raw_value(&serde_json::json!({
        "channel_display_name": display_name,
        "channel_name": name,
        "channel_type": kind,
        "post": post.json.get(),
    }))
}

/// A kind as the server spells it.
fn letter(kind: &ChannelKind) -> &str {
    match kind {
        ChannelKind::Open => "O",
        ChannelKind::Private => "P",
        ChannelKind::Direct => "D",
        ChannelKind::Group => "G",
        ChannelKind::Other(letter) => letter,
    }
}

fn broadcast(channel: &ChannelId) -> serde_json::Result<Box<RawValue>> {
    to_raw_value(&serde_json::json!({ "channel_id": channel.as_str() }))
}
